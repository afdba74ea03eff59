"""The job of a chunk: each member as if it were alone."""

import ctypes
import faulthandler
import json
import os
import resource
import signal

import pytest

from skymill.errors import DataError
from skymill.provenance.chunk import make_chunk, tally_tiles
from skymill.provenance.recipe import Recipe
from skymill.provenance.record import read_record, recording


@pytest.fixture
def chunk(tmp_path, monkeypatch):
    """Three tiles, made by copying a file each."""
    monkeypatch.chdir(tmp_path)
    return Chunk(tmp_path)


class Chunk:
    def __init__(self, folder):
        self.folder, self.names = folder, ["a", "b", "c"]
        for name in self.names:
            (folder / f"{name}.txt").write_text(name)

    def member(self, name):
        recipe = Recipe("ingest", name, {"seed": 1})
        return {
            "recipe": recipe.to_dict(),
            "inputs": {"image": f"{name}.txt"},
            "outputs": {"tile": f"{recipe.folder()}/tile.fits"},
            "failure": f"results/failures/ingest/{name}.txt",
        }

    def output(self, name):
        return self.folder / self.member(name)["outputs"]["tile"]

    @property
    def calls(self):
        """Names of the members that were worked on in the last run, in another process."""
        return (self.folder / "calls.txt").read_text().split()

    def make(self, member):
        with (self.folder / "calls.txt").open("a") as calls:
            calls.write(f"{member.name}\n")
        text = (self.folder / member.inputs["image"]).read_text()
        if text == "soup":
            raise DataError(member.inputs["image"], expected="letters", found="soup")
        if text == "bug":
            raise ZeroDivisionError("a bug\nof two lines")
        if text.startswith("SIG"):
            os.kill(os.getpid(), signal.Signals[text])
        if text == "segfault":
            faulthandler.disable()
            ctypes.string_at(0)
        if text == "memory":
            resource.setrlimit(resource.RLIMIT_AS, (2**32, resource.getrlimit(resource.RLIMIT_AS)[1]))
            bytearray(2**33)
        if text == "exit":
            os._exit(3)
        with recording(member.recipe, member.folder, parents=member.inputs) as record:
            member.folder.mkdir(parents=True, exist_ok=True)
            (member.folder / "tile.fits").write_text(text)
            record.rows = 1

    def run(self, code="one", manifests=()):
        (self.folder / "calls.txt").write_text("")
        members = [self.member(name) for name in self.names]
        make_chunk(members, self.make, manifests=manifests, code=code, output="manifest.json")
        return json.loads((self.folder / "manifest.json").read_text())


def test_a_chunk_makes_all_and_says_so(chunk):
    found = chunk.run()
    assert chunk.calls == ["a", "b", "c"]
    assert found["failed"] == {}
    record = read_record(chunk.output("a").parent)
    assert found["made"]["a"] == {"version": record["version"], "rows": 1, "files": record["outputs"]}


def test_what_is_there_is_left_alone(chunk):
    first = chunk.run()
    chunk.output("b").unlink()
    assert chunk.run() == first
    assert chunk.calls == ["b"]


def test_code_counts(chunk):
    chunk.run("one")
    chunk.run("two")
    assert chunk.calls == ["a", "b", "c"]
    assert read_record(chunk.output("a").parent)["stage_code"] == "two"


@pytest.mark.parametrize(("text", "again"), [("other", ["b"]), ("b", [])])
def test_a_newer_input_counts_by_its_content(chunk, text, again):
    chunk.run()
    (chunk.folder / "b.txt").write_text(text)
    later = (chunk.output("b").parent / "provenance.json").stat().st_mtime + 10
    os.utime(chunk.folder / "b.txt", (later, later))
    chunk.run()
    assert chunk.calls == again


def test_a_damaged_record_is_none(chunk):
    chunk.run()
    (chunk.output("c").parent / "provenance.json").write_text("{")
    chunk.run()
    assert chunk.calls == ["c"]


def test_a_failed_tile_takes_no_other_along_and_leaves_its_reason(chunk):
    (chunk.folder / "a.txt").write_text("soup")
    (chunk.folder / "b.txt").write_text("bug")
    found = chunk.run()
    assert list(found["made"]) == ["c"]
    assert found["failed"]["a"]["reason"] == "a.txt: expected letters, found soup."
    assert found["failed"]["b"]["reason"].startswith(
        "ZeroDivisionError: expected no such error, found a bug of two lines. The traceback is in results/failures/"
    )
    assert "of two lines" in (chunk.folder / "results/failures/ingest/b.traceback.txt").read_text()
    reason = chunk.folder / "results/failures/ingest/a.txt"
    assert reason.read_text() == "a.txt: expected letters, found soup.\n"
    (chunk.folder / "a.txt").write_text("a")
    assert list(chunk.run()["failed"]) == ["b"]
    assert chunk.calls == ["a", "b"]
    assert not reason.exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SIGKILL", "killed by SIGKILL (too little memory, if nobody sent it)"),
        ("SIGTERM", "killed by SIGTERM"),
        ("segfault", "killed by SIGSEGV"),
        ("exit", "ended with exit status 3"),
        ("memory", "MemoryError: expected no such error"),
    ],
)
def test_a_tile_that_kills_its_process_takes_no_other_along(chunk, text, words):
    (chunk.folder / "b.txt").write_text(text)
    found = chunk.run()
    assert list(found["made"]) == ["a", "c"]
    assert chunk.calls == ["a", "b", "c"]
    assert words in found["failed"]["b"]["reason"]
    (left,) = (chunk.folder / "results/failures/ingest").glob("b.txt")
    assert left.read_text().strip() == found["failed"]["b"]["reason"]
    assert not list((chunk.folder / "results/failures/ingest").glob("*.begun"))


def test_an_interrupt_is_no_failure(chunk):
    (chunk.folder / "b.txt").write_text("SIGINT")
    with pytest.raises(KeyboardInterrupt):
        chunk.run()
    assert not (chunk.folder / "manifest.json").exists()
    assert not list((chunk.folder / "results/failures/ingest").iterdir())


@pytest.mark.parametrize(("deaths", "calls"), [(1, ["a", "c", "b"]), (2, ["a", "c"])])
def test_what_has_killed_the_whole_job_is_tried_last_and_then_not_again(chunk, deaths, calls):
    note = chunk.folder / "results/failures/ingest/b.begun"
    note.parent.mkdir(parents=True)
    note.write_text(f"{deaths}\n")
    found = chunk.run()
    assert chunk.calls == calls
    assert ("b" in found["failed"]) == (deaths == 2)
    assert not note.exists()


def test_what_is_made_from_a_failed_tile_is_passed_over(chunk):
    (chunk.folder / "earlier.json").write_text(
        json.dumps({"made": {}, "failed": {"x": {"folder": "there", "reason": "x is soup"}}})
    )
    chunk.names = ["a"]
    before = chunk.member
    chunk.member = lambda name: {**before(name), "inputs": {"image": "there/x.fits"}}
    found = chunk.run(manifests=["earlier.json"])
    assert chunk.calls == []
    assert found["failed"]["a"]["reason"] == "x is soup"
    assert not (chunk.folder / "results/failures").exists()


def test_the_tally_is_of_all_tiles(tmp_path):
    for number, name in enumerate("ab"):
        (tmp_path / f"{number}.json").write_text(json.dumps({"made": {name: {"rows": number}}, "failed": {}}))
    tally_tiles([tmp_path / "0.json", tmp_path / "1.json"], tmp_path / "all.json")
    assert json.loads((tmp_path / "all.json").read_text()) == {"a": {"rows": 0}, "b": {"rows": 1}}


def test_the_tally_fails_with_the_reasons_of_the_first_failures(tmp_path, caplog):
    failed = {f"t{n}": {"folder": f"{n}", "reason": f"soup {n}."} for n in range(12)}
    (tmp_path / "0.json").write_text(json.dumps({"made": {"a": {}}, "failed": failed}))
    with pytest.raises(DataError, match="12 of 13 tiles") as raised:
        tally_tiles([tmp_path / "0.json"], tmp_path / "all.json")
    said = [record.message for record in caplog.records]
    assert said == [*(f"soup {n}." for n in range(10)), "and 2 more: results/failures"]
    assert "\n" not in str(raised.value)
    assert "leave_out_failed=true" in str(raised.value)
    assert not (tmp_path / "all.json").exists()


def test_a_manifest_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(DataError, match="a chunk's manifest"):
        tally_tiles([tmp_path / "none.json"], tmp_path / "all.json")
