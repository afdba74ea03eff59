"""A run looks at outside files once, and its jobs believe it."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from skymill.errors import DataError
from skymill.plan.outside import MEMORY, OUTSIDE, VARIABLE, OutsideFiles
from skymill.provenance.outside import look_at, place


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
    assert seen("a.fits") == first == f"sha256:{hashlib.sha256(b'12345').hexdigest()}"
    assert seen(str(folder / "a.fits")) == first
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
    first = OutsideFiles({"a.fits": look_at("a.fits")})
    first.hand_to_jobs()
    handed = os.environ[VARIABLE]
    (folder / "a.fits").write_bytes(b"other")
    os.utime(folder / "a.fits", (1, 1))
    second = OutsideFiles({"a.fits": look_at("a.fits")})
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


@pytest.fixture
def read(folder, monkeypatch):
    """Files that are read from now on; a file settles at once."""
    found = []

    def reads(path):
        found.append(str(path))
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()

    monkeypatch.setattr("skymill.provenance.outside.SETTLED_S", -10.0)
    monkeypatch.setattr("skymill.provenance.outside.sha256", reads)
    return found


def test_the_next_run_reads_only_what_has_changed(folder, read):
    (folder / "b.fits").write_bytes(b"1")
    OutsideFiles.of_run(is_job=False).look_at(["a.fits", "b.fits"])
    run = OutsideFiles.of_run(is_job=False)
    run.look_at(["a.fits", "b.fits"])
    run.hand_to_jobs()
    assert sorted(read) == ["a.fits", "a.fits", "b.fits", "b.fits"]
    read.clear()
    (folder / "b.fits").write_bytes(b"2")
    again = OutsideFiles.of_run(is_job=False)
    again.look_at(["a.fits", "b.fits"])
    assert read == ["b.fits"]
    assert again("b.fits") == f"sha256:{hashlib.sha256(b'2').hexdigest()}"


@pytest.mark.parametrize("text", ["{", "[]", '{"a.fits": 1}', '{"a.fits": {"identity": "x"}}'])
def test_what_cannot_be_remembered_is_read_again(folder, read, text, caplog):
    (folder / MEMORY).parent.mkdir(parents=True)
    (folder / MEMORY).write_text(text)
    assert OutsideFiles.of_run(is_job=False)("a.fits").startswith("sha256:")
    assert read == ["a.fits"]
    assert "are read again" in caplog.text


def test_a_checksum_is_remembered_by_place_and_status(folder, read):
    run = OutsideFiles.of_run(is_job=False)
    run("a.fits")
    run.hand_to_jobs()
    (held,) = json.loads((folder / MEMORY).read_text()).items()
    assert held == (place("a.fits"), look_at("a.fits"))


def test_much_to_read_is_said(folder, monkeypatch, caplog):
    monkeypatch.setattr("skymill.plan.outside.WORTH_SAYING_BYTES", 5)
    OutsideFiles().look_at(["a.fits", "none.fits"])
    assert "reading 1 files" in caplog.text
