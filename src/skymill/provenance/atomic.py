"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skymill.errors import DataError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; it takes the name `path` once the block has ended well.

    A partial file that a killed process left of an earlier attempt is removed first.

    Parameters
    ----------
    path : str or Path
        The file to make. Its folder is created. An existing file stays as it is until the new one is complete.

    Yields
    ------
    Path
        A name in the same folder and with the same suffixes, so that writers who go by the suffix still work.

    Raises
    ------
    DataError
        If the file cannot be written (a full disk, no permission); the partial file is removed.
    """
    path = Path(path)
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear_left_over(path, partial)
    except OSError as error:
        raise _not_writable(path, error) from error
    try:
        yield partial
        _flush(partial)
        partial.replace(path)
    except OSError as error:
        if not _concerns(error, partial):
            raise
        raise _not_writable(path, error) from error
    finally:
        partial.unlink(missing_ok=True)


def _clear_left_over(path: Path, partial: Path) -> None:
    """Remove what a killed process left of an earlier attempt at `path`; of two writers the later one goes on."""
    left_over = re.compile(rf"\.partial-\d+-{re.escape(path.name)}")
    for other in path.parent.glob(".partial-*"):
        # What an earlier process of this very number left is written over.
        if other != partial and left_over.fullmatch(other.name):
            other.unlink(missing_ok=True)


def _not_writable(path: Path, error: OSError) -> DataError:
    return DataError(
        path,
        expected="a place that can be written to",
        found=error.strerror or " ".join(str(error).split()),
        remedy="Free space or choose another folder; nothing was left half written.",
    )


def _flush(path: Path) -> None:
    """Force the file's bytes to the disk, so that a full disk shows before the renaming."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _concerns(error: OSError, partial: Path) -> bool:
    """Whether `error` comes from writing `partial` (h5py and full disks give no file name)."""
    return error.filename is None or Path(os.fsdecode(error.filename)).name == partial.name


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")
