"""Files appear whole or not at all."""

import errno
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from astropy.io import fits

from skymill.errors import DataError
from skymill.provenance.atomic import atomic_path, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_at_the_end(tmp_path):
    target = tmp_path / "new" / "tile.fits.gz"
    with atomic_path(target) as partial:
        partial.write_text("whole")
        assert not target.exists()
        assert partial.parent == target.parent
        # Writers go by the suffix.
        assert partial.name.endswith(".fits.gz")

    assert target.read_text() == "whole"
    assert names(target.parent) == ["tile.fits.gz"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_crash_leaves_nothing_and_keeps_the_old_file(tmp_path, error):
    target = tmp_path / "catalogue.parquet"
    target.write_text("old")
    with pytest.raises(error), atomic_path(target) as partial:
        partial.write_text("half")
        raise error

    assert target.read_text() == "old"
    assert names(tmp_path) == ["catalogue.parquet"]


def write_plain(path: Path) -> None:
    with path.open("wb") as file:
        file.write(bytes(100_000))


def write_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("image", data=np.zeros(25_000, dtype=np.float32))


def write_fits(path: Path) -> None:
    fits.PrimaryHDU(np.zeros((160, 160), dtype=np.float32)).writeto(path, overwrite=True)


@pytest.mark.parametrize("writer", [write_plain, write_hdf5, write_fits])
def test_writers_of_all_formats_can_use_it(tmp_path, writer):
    target = tmp_path / "file.fits"
    with atomic_path(target) as partial:
        writer(partial)

    assert target.stat().st_size >= 100_000
    assert names(tmp_path) == ["file.fits"]


@pytest.mark.parametrize("writer", [write_plain, write_fits])
def test_a_full_disk_is_one_clear_error(tmp_path, writer):
    """/dev/full takes no byte: the same error that a full disk gives."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    target = tmp_path / "file.fits"
    refused = pytest.raises(DataError, match=r"file\.fits: expected a place that can be written to")
    with refused as caught, atomic_path(target) as partial:
        partial.symlink_to("/dev/full")
        writer(partial)

    assert "\n" not in str(caught.value)
    assert names(tmp_path) == []


def test_a_disk_that_fills_while_the_bytes_are_flushed(tmp_path, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("skymill.provenance.atomic.os.fsync", full)
    with pytest.raises(DataError, match="No space left on device"):
        write_text(tmp_path / "metrics.json", "{}")

    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "results").write_text("a file where a folder should be")
    target = tmp_path / "results" / "simulate" / "truth.parquet"
    with pytest.raises(DataError, match=r"truth\.parquet.*can be written to"), atomic_path(target):
        pass


def test_a_writer_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"empty\.txt"), atomic_path(tmp_path / "empty.txt"):
        pass


def test_an_error_about_another_file_is_not_taken_for_a_full_disk(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match=r"input\.fits"),
        atomic_path(tmp_path / "output.fits") as partial,
    ):
        partial.write_text("half")
        (tmp_path / "input.fits").read_text()

    assert names(tmp_path) == []


def test_text_is_utf8(tmp_path):
    write_text(tmp_path / "text", "σ = 0.1″")

    assert (tmp_path / "text").read_bytes() == "σ = 0.1″".encode()


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path):
    left_over, of_another, of_a_longer_name = (
        tmp_path / name
        for name in (".partial-13154-20-30.h5", ".partial-13154-30.h5.txt", ".partial-7-120-30.h5")
    )
    for path in (left_over, of_another, of_a_longer_name):
        path.write_text("half")
    write_text(tmp_path / "20-30.h5", "whole")
    assert not left_over.exists()
    assert of_another.exists()
    assert of_a_longer_name.exists()
    write_text(tmp_path / "30.h5", "whole")
    assert names(tmp_path) == [".partial-13154-30.h5.txt", ".partial-7-120-30.h5", "20-30.h5", "30.h5"]


def test_of_two_writers_the_later_one_wins_and_the_earlier_one_says_so(tmp_path):
    target = tmp_path / "table.txt"
    with pytest.raises(DataError, match=r"table\.txt"), atomic_path(target) as earlier:
        earlier.write_text("earlier")
        later = earlier.with_name(".partial-1-table.txt")
        earlier.rename(later)  # as if another process of another number were writing
        with atomic_path(target) as partial:
            partial.write_text("later")
        assert not later.exists()
    assert target.read_text() == "later"
