"""Checksums of all files of a folder that is handed on: a run's results, a release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from skymill.errors import DataError
from skymill.provenance.atomic import write_text
from skymill.provenance.checksum import sha256
from skymill.provenance.verify import Finding

CHECKSUMS = "SHA256SUMS"
"""As ``sha256sum --check`` reads it."""


def folder_files(folder: str | Path) -> list[str]:
    """Return the names of all files below a folder but its checksums and hidden ones."""
    names = (
        path.relative_to(folder).as_posix() for path in sorted(Path(folder).rglob("*")) if path.is_file()
    )
    return [
        name
        for name in names
        if name != CHECKSUMS and not any(part.startswith(".") for part in name.split("/"))
    ]


def write_sums(folder: str | Path, known: Mapping[str, str] | None = None) -> None:
    """Write the checksums of all files of a folder; those that are `known`, by name, are not computed again."""
    known = known or {}
    lines = [f"{known.get(name) or sha256(Path(folder) / name)}  {name}\n" for name in folder_files(folder)]
    write_text(Path(folder) / CHECKSUMS, "".join(lines))


def read_sums(folder: str | Path) -> dict[str, str]:
    """Return the checksums by file's name.

    Raises
    ------
    DataError
        If they cannot be read.
    """
    path = Path(folder) / CHECKSUMS
    try:
        lines = path.read_bytes().decode("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(path, expected="checksums of the folder's files", found=str(error)) from error
    return {name: checksum for checksum, _, name in (line.partition("  ") for line in lines)}


def verify_sums(folder: str | Path, is_closed: bool = True) -> Iterator[Finding]:
    """Recompute the checksums of a folder; yields what differs.

    Parameters
    ----------
    folder : str or Path
        A folder with :data:`CHECKSUMS`.
    is_closed : bool
        Whether a file that is not listed is a problem: in a release it is, beside a report someone's notes may lie.
    """
    folder = Path(folder)
    try:
        recorded = read_sums(folder)
    except DataError as error:
        yield Finding(f"{folder}/{CHECKSUMS}", f"cannot be read: {error.found}")
        return
    present = set(folder_files(folder))
    for name in sorted({*recorded, *present}):
        where = f"{folder}/{name}"
        if name not in present:
            yield Finding(where, "is missing")
        elif name not in recorded:
            yield Finding(where, f"is not in {CHECKSUMS}", is_problem=is_closed)
        elif (found := sha256(folder / name)) != recorded[name]:
            yield Finding(where, f"has changed: recorded sha256 {recorded[name]}, found {found}")
