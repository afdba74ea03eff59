"""Check what a run leaves beside its artifacts: the folder with its report, and the manifests of its chunks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from skymill.errors import DataError
from skymill.provenance.checksum import read_sealed
from skymill.provenance.chunk import read_manifest
from skymill.provenance.sums import CHECKSUMS, verify_sums
from skymill.provenance.verify import Finding

MANIFEST, CHUNKS, TALLY = "manifest.json", "chunks", "tally"


def run_folders(results: str | Path) -> list[Path]:
    """Return the folders of the runs whose reports lie below a results folder.

    Raises
    ------
    DataError
        If there is no such folder.
    """
    if not Path(results).is_dir():
        raise DataError(
            results,
            expected="a results folder",
            found="no such folder",
            remedy="Name it by --results, or start in the folder that holds it.",
        )
    marks = (MANIFEST, CHECKSUMS)
    return sorted({path.parent for mark in marks for path in Path(results).glob(f"[!.]*/{mark}")})


def is_run(folder: str | Path) -> bool:
    """Whether the folder holds the report of a run."""
    return (Path(folder) / MANIFEST).is_file()


def verify_run(folder: str | Path) -> Iterator[Finding]:
    """Recompute the checksums of a run's report, lists, figures and links; yields what differs."""
    if (Path(folder) / CHECKSUMS).is_file():
        yield from verify_sums(folder, is_closed=False)
    else:
        yield Finding(
            str(folder), f"has no {CHECKSUMS}: make the report again to have it checked", is_problem=False
        )


def verify_chunks(results: str | Path) -> Iterator[Finding]:
    """Read the manifests of all chunks; yields those that are damaged."""
    for path in sorted((Path(results) / CHUNKS).glob("*/*.json")):
        try:
            if path.parent.name == TALLY:
                read_sealed(path, "the list of a stage's tiles", "Delete it and start again.")
            else:
                read_manifest(path)
        except DataError as error:
            yield Finding(str(path), f"is damaged: expected {error.expected}, found {error.found}")
