"""The command line: what it prints, and how it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from skymill import __version__
from skymill.cli import main
from skymill.provenance.chunk import make_chunk
from skymill.provenance.sums import write_sums

COMMANDS = ["versions", "diff", "verify", "release", "ship", "cancel", "docs"]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command in the folder above ``results`` and return exit status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        status = main([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return call


def shell(command: str) -> subprocess.CompletedProcess:
    """Run a command line in which `python` is this one and finds the library."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src")}
    return subprocess.run(
        ["bash", "-c", command], env=environment, capture_output=True, text=True, check=True
    )


def test_help_names_all_commands_and_loads_nothing_heavy():
    job = shell("python -X importtime -m skymill.cli --help")

    assert all(command in job.stdout for command in COMMANDS)
    assert not {"numpy", "astropy", "yaml", "pydantic"} & set(job.stderr.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])

    assert ended.value.code == 0
    assert "usage: skymill" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [[], ["nothing"], ["diff", "one"], ["docs", "x"], ["versions", "--unknown"]]
)
def test_wrong_command_lines(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    assert "usage: skymill" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])

    assert capsys.readouterr().out == f"skymill {__version__}\n"


def test_versions_lists_artifacts(run, two_runs):
    status, out, _ = run("versions")
    header, *lines = out.splitlines()

    assert status == 0
    assert header.split() == ["stage", "name", "version", "rows", "finished", "seconds", "parents"]
    assert len(lines) == 4
    infer = next(line for line in lines if two_runs[1].version in line)
    assert infer.split()[:4] == ["infer", "field.unet", two_runs[1].version, "5"]
    assert infer.endswith(f"model={two_runs[0].version}")


def test_versions_of_one_stage_or_name(run, two_runs):
    assert len(run("versions", "--stage", "infer")[1].splitlines()) == 3
    assert len(run("versions", "--name", "parametric")[1].splitlines()) == 3
    assert "no artifacts below" in run("versions", "--stage", "train")[2]
    assert "no artifacts below" in run("versions", "--results", "elsewhere")[2]


def test_versions_shows_recipes(run, two_runs):
    out = run("versions", "--params", "--stage", "simulate")[1]

    assert two_runs[0].label in out
    assert '"mag_high": 24.0' in out
    assert '"mag_high": 25.0' in out


def test_versions_shows_what_changed(run, two_runs):
    old, new = two_runs[1], two_runs[3]
    assert run("versions", "--changes", "--stage", "infer")[1].splitlines() in [
        [
            before.label,
            "  the first version",
            after.label,
            f"  since {before.version}:",
            f"    simulate/parametric  population.mag_high: {change}",
        ]
        # Two that were finished within one second stand in the order of their versions.
        for before, after, change in ((old, new, "24.0 -> 25.0"), (new, old, "25.0 -> 24.0"))
    ]


def test_versions_as_json(run, two_runs):
    content = json.loads(run("versions", "--json", "--stage", "infer")[1])

    assert {entry["version"] for entry in content} == {two_runs[1].version, two_runs[3].version}
    assert all(entry["record"]["rows"] == 5 for entry in content)


def test_unfinished_artifacts_are_shown(run, tmp_path):
    (tmp_path / "results" / "artifacts" / "train" / "unet" / "0123456789").mkdir(parents=True)

    assert "unfinished" in run("versions")[1]
    assert "unfinished" in run("versions", "--changes")[1]


def test_diff_prints_rows_columns_and_recipes(run, two_runs):
    _, old, _, new = two_runs
    status, out, _ = run("diff", old.label, new.label)

    assert status == 0
    assert "catalogue.parquet: 5 rows in both (matched by source_id), 0 only in the first" in out
    mag = next(line.split() for line in out.splitlines() if line.startswith("mag "))
    assert mag[:7] == ["mag", "mag", "0", "5", "0.5", "0", "0.5"]
    assert "recipe:\n  simulate/parametric  population.mag_high: 24.0 -> 25.0" in out
    assert "packages and code: the same" in out


def test_diff_of_the_same(run, two_runs):
    out = run("diff", two_runs[1].label, two_runs[1].label)[1]

    assert "catalogue.parquet: the same 5 rows" in out
    assert "recipe: the same" in out


def test_diff_options(run, two_runs):
    _, old, _, new = two_runs
    content = json.loads(run("diff", old.label, new.label, "--json", "--rows", 3)[1])
    columns = {column["name"]: column for column in content["catalogues"]["catalogue.parquet"]["columns"]}

    assert len(columns["mag"]["changes"]) == 3
    assert "x, y within 2 px" in run("diff", old.label, new.label, "--max-distance-px", 2)[1]
    assert "ra, dec within 1.5 arcsec" in run("diff", old.label, new.label, "--max-distance-arcsec", 1.5)[1]


def test_diff_of_files_without_records(run, tmp_path, two_runs):
    (tmp_path / "loose.parquet").write_bytes((two_runs[1].folder / "catalogue.parquet").read_bytes())

    assert "recipe: not recorded for both" in run("diff", "loose.parquet", two_runs[1].label)[1]


def test_verify_all(run, two_runs):
    assert run("verify")[:2] == (0, "4 artifacts, 0 runs and 0 releases verified, 0 problems\n")


def test_verify_finds_a_problem(run, two_runs):
    (two_runs[1].folder / "catalogue.parquet").write_bytes(b"changed")
    status, out, _ = run("verify")

    assert status == 1
    assert f"PROBLEM  {two_runs[1].label}/catalogue.parquet: has changed" in out
    assert run("verify", two_runs[0].label)[0] == 0
    assert run("verify", two_runs[1].label, two_runs[0].folder)[0] == 1


def test_verify_says_that_a_parent_is_gone_and_is_content(run, two_runs):
    for path in sorted(two_runs[0].folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    two_runs[0].folder.rmdir()
    status, out, _ = run("verify", two_runs[1].label)

    assert status == 0
    assert out.startswith(
        f"note  {two_runs[1].label}: its parent 'model', version {two_runs[0].version}, is gone"
    )


def test_verify_without_results_says_so(run):
    status, out, err = run("verify")

    assert (status, out) == (1, "")
    assert err.startswith("skymill: results: expected a results folder, found no such folder")


@pytest.mark.parametrize("name", ["report.html", "manifest.json", "catalogues/a.parquet"])
def test_verify_finds_a_changed_report(run, tmp_path, two_runs, write_manifest, name):
    write_manifest("default", *two_runs[:2])
    face = tmp_path / "results" / "default"
    (face / "catalogues").mkdir()
    (face / "catalogues" / "a.parquet").symlink_to(two_runs[1].folder / "catalogue.parquet")
    (face / "report.html").write_text("page")
    assert "note  results/default: has no SHA256SUMS" in run("verify")[1]
    write_sums(face)
    (face / "notes.txt").write_text("mine")
    assert run("verify")[1].endswith("4 artifacts, 1 runs and 0 releases verified, 0 problems\n")
    assert run("verify", "results/default")[0] == 0

    (face / name).unlink()
    (face / name).write_text("changed")
    status, out, _ = run("verify")
    assert status == 1
    assert f"PROBLEM  results/default/{name}: has changed" in out
    status, _, err = run("release", "one")
    assert status == 1
    assert name.removesuffix(".json") in err


def test_verify_finds_a_damaged_chunk(run, tmp_path, two_runs):
    path = tmp_path / "results" / "chunks" / "ingest" / "0-100.0123456789.json"
    path.parent.mkdir(parents=True)
    make_chunk([], print, manifests=[], code="one", output=path)
    assert run("verify")[0] == 0
    path.write_text(path.read_text().replace("made", "mede"))
    status, out, _ = run("verify")

    assert status == 1
    assert "PROBLEM  results/chunks/ingest/0-100.0123456789.json: is damaged" in out


def test_release_and_verify(run, tmp_path, two_runs, write_manifest):
    write_manifest("default", *two_runs[:2])
    assert run("release", "2026.1")[:2] == (0, "releases/2026.1\n")
    assert run("verify", "releases/2026.1")[:2] == (
        0,
        "0 artifacts, 0 runs and 1 releases verified, 0 problems\n",
    )

    page = tmp_path / "releases" / "2026.1" / "README.md"
    page.chmod(0o644)
    page.write_text("changed")
    assert run("verify", "releases/2026.1")[0] == 1


def test_release_of_some_stages_to_another_place(run, tmp_path, two_runs, write_manifest):
    write_manifest("mine", *two_runs[:2])
    run("release", "one", "--run", "mine", "--stage", "infer", "--to", "elsewhere")

    assert (tmp_path / "elsewhere" / "one" / "catalogues" / "infer").is_dir()
    assert not (tmp_path / "elsewhere" / "one" / "catalogues" / "simulate").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["diff", "nothing", "nothing"], "skymill: artifact 'nothing': expected one artifact"),
        (["verify", "nothing"], "skymill: artifact 'nothing': expected one artifact"),
        (["release", "one"], "manifest.json: expected the list of the run's artifacts"),
    ],
)
def test_errors_are_one_line_and_status_one(run, arguments, message):
    status, out, err = run(*arguments)

    assert status == 1
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("page", "path"),
    [
        ("catalogue", "docs/catalogue.md"),
        ("config", "config/README.md"),
        ("schema", "workflow/schemas/config.schema.json"),
    ],
)
def test_docs_are_in_step(run, repository, page, path):
    assert run("docs", page)[1] == (repository / path).read_text(encoding="utf-8"), "run: make docs"


def test_a_reader_who_has_seen_enough():
    """A pipe that is closed is no reason for a traceback."""
    job = shell("python -m skymill.cli docs catalogue | head -1")

    assert job.stdout == "# Catalogues\n"
    assert job.stderr == ""
