"""Releases: whole, checked, never changed, with a page that says what is new."""

import json
import stat
import subprocess
from pathlib import Path

import pytest

from skymill.catalog import release as module
from skymill.catalog.catalogue import Catalogue
from skymill.catalog.release import is_release, last_release, read_release, release, verify_release
from skymill.errors import DataError, VersionError
from skymill.provenance.record import sha256


@pytest.fixture
def publish(tmp_path, write_manifest):
    """Release some artifacts under a name."""

    def run(name: str, *artifacts, **options) -> Path:
        write_manifest("default", *artifacts)
        return release(name, "default", tmp_path / "results", tmp_path / "releases", **options)

    return run


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_what_is_in_a_release(tmp_path, two_runs, publish):
    truth, infer, *_ = two_runs
    folder = publish("2026.1", truth, infer)

    assert folder == tmp_path / "releases" / "2026.1"
    assert files(folder) == [
        "README.md",
        "SHA256SUMS",
        f"catalogues/{infer.label}/catalogue.parquet",
        f"catalogues/{infer.label}/provenance.json",
        f"catalogues/{truth.label}/provenance.json",
        f"catalogues/{truth.label}/truth.parquet",
        "release.json",
        "schemas/sources.yaml",
    ]
    copied = folder / "catalogues" / infer.label / "catalogue.parquet"
    assert copied.read_bytes() == (infer.folder / "catalogue.parquet").read_bytes()
    assert len(Catalogue.read(copied, "sources")) == 5
    record = read_release(folder)
    assert (record.name, record.run) == ("2026.1", "default")
    assert [(entry.stage, entry.rows, entry.schema) for entry in record.entries] == [
        ("infer", 5, "sources 2"),
        ("simulate", 5, "sources 2"),
    ]
    assert record.entries[0].sha256 == sha256(copied)


def test_files_are_read_only_and_nothing_else_is_left(tmp_path, two_runs, publish):
    folder = publish("one", *two_runs[:2])

    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in files(folder)} == {0o444}
    assert [path.name for path in (tmp_path / "releases").iterdir()] == ["one"]


def test_checksums_are_those_of_sha256sum(two_runs, publish):
    folder = publish("one", *two_runs[:2])

    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    assert list(verify_release(folder)) == []


def test_a_release_is_never_overwritten(two_runs, publish):
    folder = publish("one", *two_runs[:2])
    before = {name: (folder / name).read_bytes() for name in files(folder)}
    with pytest.raises(VersionError, match=r"one: expected a new name, found a release.*choose another name"):
        publish("one", *two_runs[2:])

    assert {name: (folder / name).read_bytes() for name in files(folder)} == before


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "", "x" * 65, "two words"])
def test_names_that_are_no_names(tmp_path, two_runs, publish, name):
    with pytest.raises(VersionError, match="letters, digits"):
        publish(name, two_runs[0])
    assert not (tmp_path / "releases").exists()


def test_a_release_that_fails_leaves_nothing(tmp_path, two_runs, publish, monkeypatch):
    def fail(*arguments):
        raise RuntimeError

    monkeypatch.setattr(module, "release_page", fail)
    with pytest.raises(RuntimeError):
        publish("one", *two_runs[:2])

    assert list((tmp_path / "releases").iterdir()) == []


def test_a_place_that_cannot_be_written_to(tmp_path, two_runs, publish):
    (tmp_path / "releases").write_text("a file")
    with pytest.raises(DataError, match="expected a folder that can be written to"):
        publish("one", *two_runs[:2])


def test_a_damaged_artifact_is_not_released(two_runs, publish):
    _, infer, *_ = two_runs
    (infer.folder / "shards" / "0-5.parquet").write_bytes(b"changed")
    with pytest.raises(DataError, match=r"0-5\.parquet: expected an artifact as its record describes it"):
        publish("one", infer)


def test_an_artifact_that_is_gone_is_not_left_out_in_silence(two_runs, publish, tmp_path):
    _, infer, *_ = two_runs
    publish("one", infer)
    (infer.folder / "provenance.json").unlink()
    with pytest.raises(DataError, match="expected an artifact of the run"):
        release("two", "default", tmp_path / "results", tmp_path / "releases")


def test_an_artifact_made_anew_after_the_report(two_runs, publish, tmp_path):
    _, infer, *_ = two_runs
    publish("one", infer)
    manifest = tmp_path / "results" / "default" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(infer.record["outputs"]["catalogue.parquet"], "0" * 64))
    with pytest.raises(DataError, match="make the report again"):
        release("two", "default", tmp_path / "results", tmp_path / "releases")


@pytest.mark.parametrize("content", [None, "{half", '[{"stage": "infer"}]', "[3]"])
def test_a_run_without_a_manifest(tmp_path, content):
    if content:
        (tmp_path / "default").mkdir()
        (tmp_path / "default" / "manifest.json").write_text(content)
    with pytest.raises(
        DataError, match=r"manifest\.json: expected the list of the run's artifacts.*Finish the run"
    ):
        release("one", "default", tmp_path, tmp_path / "releases")


def test_stages_can_be_chosen(two_runs, publish):
    folder = publish("one", *two_runs[:2], stages=["infer"])
    assert [entry.stage for entry in read_release(folder).entries] == ["infer"]

    with pytest.raises(DataError, match="expected catalogues to release, found none"):
        publish("two", *two_runs[:2], stages=["train"])


def test_the_first_page(two_runs, publish):
    page = (publish("one", *two_runs[:2]) / "README.md").read_text()

    assert page.startswith("# one\n")
    assert "This is the first release." in page
    assert f"| infer | field.unet | {two_runs[1].version} | sources 2 | 5 |" in page


def test_what_changed_since_the_last_release(two_runs, publish, make_artifact):
    truth, infer, _, new_infer = two_runs
    gone, added = make_artifact("baseline", "field.sep"), make_artifact("baseline", "field.photutils")
    publish("zero", infer)
    publish("one", truth, infer, gone)
    page = (publish("two", truth, new_infer, added) / "README.md").read_text()

    assert "## Changes since one" in page
    assert "- New: `baseline/field.photutils/catalogue.parquet`" in page
    assert "- Gone: `baseline/field.sep/catalogue.parquet`" in page
    assert "- Unchanged: `simulate/parametric/truth.parquet`" in page
    assert f"Version {infer.version} → {new_infer.version}, rows 5 → 5" in page
    # The parameter of the parent that made the difference, and the difference that it made.
    assert "| simulate/parametric | population.mag_high | 24 | 25 |" in page
    assert "| mag | mag | 0 | 5 | 0.5 |" in page


def test_the_last_release_is_the_one_made_last(tmp_path, two_runs, publish):
    assert last_release(tmp_path / "releases") is None
    publish("b", two_runs[0])
    publish("a", two_runs[0])

    assert last_release(tmp_path / "releases").name == "a"


def test_tampering_is_found(two_runs, publish):
    folder = publish("one", *two_runs[:2])
    catalogue, page, extra = (
        folder / "catalogues" / two_runs[1].label / "catalogue.parquet",
        folder / "README.md",
        "x",
    )
    catalogue.chmod(0o644)
    catalogue.write_bytes(b"changed")
    page.unlink()
    (folder / extra).touch()
    found = {finding.where.rpartition("/")[2]: finding for finding in verify_release(folder)}

    assert set(found) == {"catalogue.parquet", "README.md", "x"}
    assert found["catalogue.parquet"].what.startswith("has changed: recorded sha256")
    assert found["README.md"].what == "is missing"
    assert found["x"].what == "is not in SHA256SUMS"
    assert all(finding.is_problem for finding in found.values())


def test_a_folder_that_is_no_release(tmp_path):
    assert not is_release(tmp_path)
    with pytest.raises(DataError, match=r"release\.json: expected the record of a release"):
        read_release(tmp_path)
    (tmp_path / "release.json").write_text(json.dumps({"name": "x"}))
    with pytest.raises(DataError, match="KeyError"):
        read_release(tmp_path)
