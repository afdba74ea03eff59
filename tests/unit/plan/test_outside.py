"""A run looks at outside files once, and its jobs believe it."""

import os

import pytest

from skymill.errors import DataError
from skymill.plan.outside import OUTSIDE, VARIABLE, OutsideFiles
from skymill.provenance.outside import identity


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    (tmp_path / "a.fits").write_bytes(b"12345")
    return tmp_path


def test_a_file_is_looked_at_once(folder):
    seen = OutsideFiles()
    first = seen("a.fits")
    (folder / "a.fits").unlink()
    assert seen("a.fits") == first == f"size:5 mtime_ns:{first.rpartition(':')[2]}"
    assert seen("b.fits") == "missing"


def test_jobs_see_what_the_run_saw(folder):
    run = OutsideFiles.of_run(is_job=False)
    seen = {path: run(path) for path in ("a.fits", "b.fits")}
    run.hand_to_jobs()
    (folder / "a.fits").unlink()
    (folder / "b.fits").write_bytes(b"1")
    job = OutsideFiles.of_run(is_job=True)
    assert {path: job(path) for path in seen} == seen
    assert OutsideFiles.of_run(is_job=False)("a.fits") == "missing"


def test_a_second_run_leaves_the_jobs_of_the_first_alone(folder):
    first = OutsideFiles({"a.fits": identity("a.fits")})
    first.hand_to_jobs()
    handed = os.environ[VARIABLE]
    (folder / "a.fits").write_bytes(b"other")
    os.utime(folder / "a.fits", (1, 1))
    second = OutsideFiles({"a.fits": identity("a.fits")})
    second.hand_to_jobs()
    assert os.environ[VARIABLE] != handed
    os.environ[VARIABLE] = handed
    assert OutsideFiles.of_run(is_job=True).known == first.known


def test_nothing_is_written_where_there_is_nothing_to_say(folder, monkeypatch):
    monkeypatch.setenv(VARIABLE, "of/another/run.json")
    OutsideFiles().hand_to_jobs()
    assert VARIABLE not in os.environ
    assert not (folder / OUTSIDE).exists()
    assert OutsideFiles.of_run(is_job=True).known == {}


@pytest.mark.parametrize("text", [None, "{"])
def test_a_job_does_not_look_for_itself_when_it_cannot_read(folder, monkeypatch, text):
    if text is not None:
        (folder / "seen.json").write_text(text)
    monkeypatch.setenv(VARIABLE, "seen.json")
    with pytest.raises(DataError, match=r"seen\.json: expected the files that the run saw"):
        OutsideFiles.of_run(is_job=True)
