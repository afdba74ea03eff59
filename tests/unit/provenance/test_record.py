"""The record beside every product."""

import hashlib
import json
import os
import subprocess
from datetime import datetime

import pytest

from skymill.errors import DataError
from skymill.provenance import record as module
from skymill.provenance.checksum import SEAL
from skymill.provenance.recipe import Recipe
from skymill.provenance.record import (
    FILENAME,
    check_inputs,
    checked_once,
    git_state,
    product_files,
    read_record,
    recording,
    sha256,
)

RECIPE = Recipe("blend", "train", {"seed": 7, "blend": {"n": 3}}, {"galaxies": "0123456789"}).to_dict()
ITEMS = {
    *("stage", "name", "version", "revision", "params", "parents", "seed", "rows", "inputs", "outputs"),
    *("finished", "wall_time_s", "host", "git", "code", "packages", "extra"),
}


def test_all_items_are_there(tmp_path):
    source = tmp_path / "galaxies.h5"
    source.write_bytes(b"galaxies")
    folder = tmp_path / "artifact"
    (folder / "shards").mkdir(parents=True)
    with recording(RECIPE, folder, parents={"galaxies": source}) as record:
        (folder / "stamps.h5").write_bytes(b"stamps")
        (folder / "shards" / "0-3.h5").write_bytes(b"shard")
        record.rows = 3
        record.extra["device"] = "cpu"
    content = read_record(folder)

    assert set(content) == ITEMS
    assert {key: content[key] for key in RECIPE} == RECIPE
    assert content["seed"] == 7
    assert content["rows"] == 3
    assert content["extra"] == {"device": "cpu"}
    assert content["inputs"] == {
        "galaxies": {"path": str(source), "sha256": hashlib.sha256(b"galaxies").hexdigest()}
    }
    assert content["outputs"] == {
        "shards/0-3.h5": hashlib.sha256(b"shard").hexdigest(),
        "stamps.h5": hashlib.sha256(b"stamps").hexdigest(),
    }
    assert content["wall_time_s"] >= 0
    assert content["packages"]["numpy"]
    assert len(content["code"]) == 10
    assert datetime.fromisoformat(content["finished"]).tzinfo is not None
    assert all(content["host"].values())


def test_without_rows_there_is_no_record(tmp_path):
    with pytest.raises(DataError, match="expected a number of rows"), recording(RECIPE, tmp_path):
        pass

    assert not (tmp_path / FILENAME).exists()


def test_a_stage_that_fails_leaves_no_record(tmp_path):
    with pytest.raises(RuntimeError), recording(RECIPE, tmp_path) as record:
        record.rows = 3
        raise RuntimeError

    assert not (tmp_path / FILENAME).exists()


def test_hidden_files_and_the_record_itself_are_left_out(tmp_path):
    for name in ("b.h5", "a/c.h5", ".partial-1-b.h5", ".cache/d", FILENAME):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    assert product_files(tmp_path) == ["a/c.h5", "b.h5"]


def test_a_code_that_is_edited_meanwhile_is_recorded_as_it_was(tmp_path, monkeypatch):
    stamps = iter(["before", "after"])
    monkeypatch.setattr(module, "package_stamp", lambda: next(stamps))
    with recording(RECIPE, tmp_path) as record:
        record.rows = 0

    assert read_record(tmp_path)["code"] == "before"


@pytest.mark.parametrize("content", [None, "{half"])
def test_a_record_that_cannot_be_read_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / FILENAME).write_text(content)
    with pytest.raises(DataError, match=r"provenance\.json: expected a provenance record"):
        read_record(tmp_path)


def test_checksum_of_a_file_that_is_read_in_pieces(tmp_path):
    (tmp_path / "big").write_bytes(b"skymill" * 300_000)

    assert sha256(tmp_path / "big") == hashlib.sha256(b"skymill" * 300_000).hexdigest()


def git(folder, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    job = subprocess.run(["git", "-C", folder, *who, *arguments], check=True, capture_output=True, text=True)
    return job.stdout.strip()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git checkout with a package in it that the code believes to be run from."""
    (tmp_path / "src" / "skymill").mkdir(parents=True)
    (tmp_path / "src" / "skymill" / "__init__.py").write_text("")
    (tmp_path / "README.md").write_text("")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "first")
    monkeypatch.setattr(module, "SOURCE", tmp_path / "src")
    return tmp_path


def test_git_commit_and_dirty_flag(checkout):
    assert git_state() == {"commit": git(checkout, "rev-parse", "HEAD"), "dirty": False}

    (checkout / "untracked").touch()
    assert git_state()["dirty"] is False

    (checkout / "src" / "skymill" / "__init__.py").write_text("VALUE = 1\n")
    assert git_state()["dirty"] is True


def test_no_checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SOURCE", tmp_path)

    assert git_state()["commit"] is None
    assert "not run from a git checkout" in git_state()["reason"]


def test_no_git(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")

    assert git_state()["commit"] is None


def test_an_environment_inside_another_projects_checkout(checkout, monkeypatch):
    """The commit of a project that merely holds the environment says nothing about skymill."""
    installed = checkout / ".venv" / "site-packages"
    (installed / "skymill").mkdir(parents=True)
    (installed / "skymill" / "__init__.py").touch()
    monkeypatch.setattr(module, "SOURCE", installed)

    assert git_state()["commit"] is None


def test_the_record_is_strict_json_in_order(tmp_path):
    with recording(RECIPE, tmp_path) as record:
        record.rows = 0
    text = (tmp_path / FILENAME).read_text()

    assert list(json.loads(text)) == [*sorted(ITEMS), SEAL]
    assert text.endswith("}\n")


@pytest.fixture
def parent(tmp_path):
    """An artifact of two files, one of them in a folder of shards."""
    folder = tmp_path / "parent"
    (folder / "shards").mkdir(parents=True)
    with recording(RECIPE, folder) as record:
        (folder / "stamps.h5").write_bytes(b"stamps")
        (folder / "shards" / "0-3.h5").write_bytes(b"shard")
        record.rows = 3
    return folder


def flip(path, bit: int) -> None:
    """Flip one bit where it lies; size and time of change stay as they were."""
    content, status = bytearray(path.read_bytes()), path.stat()
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("name", ["stamps.h5", "shards/0-3.h5"])
@pytest.mark.parametrize("given", ["stamps.h5", "shards/0-3.h5"])
def test_a_parent_with_a_flipped_bit_is_not_read(tmp_path, parent, name, given):
    files, child = {"stamps": parent / given}, tmp_path / "child"
    with recording(RECIPE, child, parents=files) as record:
        record.rows = 0
    flip(parent / name, 11)
    was_run = False
    with (
        pytest.raises(DataError, match=f"{name}: expected the file that blend wrote .*damaged since"),
        recording(RECIPE, child, parents=files),
    ):
        was_run = True

    assert not was_run


def test_a_parent_that_is_not_whole(parent):
    (parent / "shards" / "0-3.h5").unlink()
    with pytest.raises(DataError, match=r"0-3\.h5: expected a file to read, found No such file"):
        check_inputs({"stamps": parent / "stamps.h5"})


def test_files_of_no_artifact_are_not_compared(tmp_path):
    (tmp_path / "image.fits").write_bytes(b"image")

    assert check_inputs({"image": tmp_path / "image.fits"}) == {"image": hashlib.sha256(b"image").hexdigest()}


def test_what_many_tiles_share_is_looked_at_once_a_job(parent, monkeypatch):
    read = []
    monkeypatch.setattr(module, "sha256", lambda path: read.append(path) or sha256(path))
    with checked_once():
        for _ in range(3):
            check_inputs({"stamps": parent / "stamps.h5"})
    assert len(read) == 2

    flip(parent / "stamps.h5", 3)
    with checked_once(), pytest.raises(DataError, match="damaged since"):
        check_inputs({"stamps": parent / "stamps.h5"})


def test_every_flipped_bit_of_a_record_is_seen(tmp_path):
    folder = tmp_path / "artifact"
    with recording(RECIPE, folder) as record:
        record.rows = 0
    path = folder / FILENAME
    whole = path.read_bytes()
    unseen = []
    for bit in range(0, 8 * len(whole), 5):
        flip(path, bit)
        try:
            read_record(folder)
        except DataError as error:
            assert FILENAME in str(error)
            assert "\n" not in str(error)
        else:
            unseen.append(bit)
        path.write_bytes(whole)

    assert unseen == []


@pytest.mark.parametrize(
    "text", ["[]", "3", '"a"', "{}", '{"stage": 1}', "[" * 100_000, b"\xff\xfe", "", "NaN"], ids=repr
)
def test_json_of_another_form_is_one_line(tmp_path, text):
    (tmp_path / FILENAME).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match="expected a provenance record") as caught:
        read_record(tmp_path)

    assert "\n" not in str(caught.value)


def test_records_of_the_time_before_seals_are_read(parent):
    record = read_record(parent)
    (parent / FILENAME).write_text(json.dumps(record, indent=1) + "\n")

    assert read_record(parent) == record


def test_a_record_of_another_program_beside_a_file_is_not_ours(tmp_path):
    (tmp_path / "provenance.json").write_text('{"made by": "somebody"}')
    (tmp_path / "image.fits").write_bytes(b"12345")
    assert check_inputs({"image": tmp_path / "image.fits"}) == {"image": sha256(tmp_path / "image.fits")}


def test_a_damaged_record_in_an_artifacts_folder_is_damage(tmp_path):
    folder = tmp_path / "0123456789"
    folder.mkdir()
    (folder / "provenance.json").write_text('{"made by": "somebody"}')
    (folder / "tile.fits").write_bytes(b"12345")
    with pytest.raises(DataError, match="expected a provenance record"):
        check_inputs({"tile": folder / "tile.fits"})
