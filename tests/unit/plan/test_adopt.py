"""Results that were copied here are not made again, unless other code has made them or they are damaged."""

import json
import os
import shutil

import pytest

from skymill.plan.adopt import PLACE, adopt_results, settle
from skymill.provenance.recipe import Recipe
from skymill.provenance.record import FILENAME, recording

LONG_AGO = 1_000_000_000


def make(name, text="rows"):
    """Make an artifact with its record, and a benchmark; returns its row in a manifest."""
    recipe = Recipe("baseline", name, {}, {})
    folder = recipe.folder("results/artifacts")
    folder.mkdir(parents=True)
    with recording(recipe.to_dict(), folder) as record:
        (folder / "catalogue.parquet").write_text(text)
        record.rows = 1
    return {"stage": "baseline", "name": name, "version": recipe.version}


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """Results with two artifacts, a chunk's manifest and a page of each, copied to what is now the current folder."""
    (tmp_path / "old").mkdir()
    monkeypatch.chdir(tmp_path / "old")
    results = tmp_path / "old/results"
    for name in ("a", "b"):
        row = make(name)
        write_json(results / f"run_{name}/manifest.json", [row])
        (results / f"run_{name}/report.html").write_text("page")
        write_json(results / f"chunks/baseline/{name}.json", {"made": {name: row}, "failed": {}})
        write_json(results / f"chunks/tally/baseline.{name}.json", {name: row})
    write_json(results / "benchmarks/baseline/a.tsv", 1)
    settle()
    (tmp_path / "new").mkdir()
    shutil.copytree(results, tmp_path / "new/results")
    monkeypatch.chdir(tmp_path / "new")
    for path in (tmp_path / "new/results").rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    return tmp_path / "new/results"


def touched(results):
    """Names below results of the files that are not old any more."""
    files = [path for path in results.rglob("*") if path.is_file() and path.stat().st_mtime > LONG_AGO]
    return {path.relative_to(results).as_posix() for path in files} - {PLACE.name}


def of(results, name):
    """Names below results of all that belongs to one artifact."""
    (folder,) = (results / "artifacts/baseline" / name).iterdir()
    own = [folder / "catalogue.parquet", folder / FILENAME]
    shown = [f"run_{name}/manifest.json", f"run_{name}/report.html"]
    listed = [f"chunks/baseline/{name}.json", f"chunks/tally/baseline.{name}.json"]
    return {*(path.relative_to(results).as_posix() for path in own), *shown, *listed}


BENCHMARK = {"benchmarks/baseline/a.tsv"}


def test_what_this_code_has_made_is_kept(copied, caplog):
    adopt_results()
    assert touched(copied) == of(copied, "a") | of(copied, "b") | BENCHMARK
    assert len({path.stat().st_mtime_ns for path in copied.rglob("*.*") if path.name != PLACE.name}) == 1
    assert "2 artifacts that this code has made are kept" in caplog.text


def test_what_is_damaged_is_not(copied):
    (path,) = copied.glob("artifacts/baseline/b/*/catalogue.parquet")
    path.write_text("Rows")
    os.utime(path, (LONG_AGO, LONG_AGO))
    adopt_results()
    assert touched(copied) == of(copied, "a") | BENCHMARK


def test_what_is_gone_is_not(copied):
    (path,) = copied.glob("artifacts/baseline/b/*/catalogue.parquet")
    path.unlink()
    adopt_results()
    assert touched(copied) == of(copied, "a") | BENCHMARK


def test_what_other_code_has_made_is_not(copied):
    (path,) = copied.glob(f"artifacts/baseline/b/*/{FILENAME}")
    write_json(path, {**json.loads(path.read_text()), "code": "0123456789"})
    os.utime(path, (LONG_AGO, LONG_AGO))
    adopt_results()
    assert touched(copied) == of(copied, "a") | BENCHMARK


@pytest.mark.parametrize("text", ["{", "[1]", '{"made": [1]}', '{"made": {"b": 1}}', "[]", "3"])
def test_a_manifest_that_is_none_is_left_alone(copied, text):
    spoilt = {"run_b/manifest.json", "chunks/baseline/b.json", "chunks/tally/baseline.b.json"}
    for name in spoilt:
        (copied / name).write_text(text)
        os.utime(copied / name, (LONG_AGO, LONG_AGO))
    adopt_results()
    assert touched(copied) == (of(copied, "a") | of(copied, "b") | BENCHMARK) - spoilt - {"run_b/report.html"}


def test_it_happens_once(copied):
    adopt_results()
    for path in copied.rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    adopt_results()
    assert touched(copied) == set()


def test_results_that_are_moved_with_their_folder_keep_their_times(copied, tmp_path, monkeypatch):
    settle()
    (tmp_path / "new").rename(tmp_path / "newer")
    monkeypatch.chdir(tmp_path / "newer")
    adopt_results()
    assert touched(tmp_path / "newer/results") == set()


def test_where_there_are_no_results_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    adopt_results()
    settle()
    assert not list(tmp_path.iterdir())
