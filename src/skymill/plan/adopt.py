"""Results that were brought here, by a copy of ``results/`` into another folder or checkout.

Snakemake goes by times of files and by notes of its own, and a copy takes along neither: it would make everything
again. What this code has made, and what is whole, is told to be as new as the copy.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from skymill.plan.artifact import RESULTS
from skymill.plan.chunks import CHUNKS
from skymill.provenance.artifacts import Artifact, list_artifacts
from skymill.provenance.atomic import write_text
from skymill.provenance.checksum import sha256
from skymill.provenance.code import package_stamp

PLACE = RESULTS / "place.json"
"""Says in which folder the results were when a run last began or ended."""
BENCHMARKS = RESULTS / "benchmarks"
READERS = 4

log = logging.getLogger(__name__)


def adopt_results() -> None:
    """Let results that were brought here count as made here, if this code has made them and they are whole.

    Nothing happens where results lie as a run has left them. An artifact, a manifest of a chunk of tiles and the page
    of a run are touched, all to one time; what other code has made, or what is damaged, keeps its time, and Snakemake
    makes it again.
    """
    if not RESULTS.is_dir() or _noted() == _place():
        return
    found = [made for made in list_artifacts(RESULTS) if (made.record or {}).get("code") == package_stamp()]
    with ThreadPoolExecutor(READERS) as readers:
        whole = [
            made for made, is_whole in zip(found, readers.map(_is_whole, found), strict=True) if is_whole
        ]
    known = {(made.stage, made.name, made.version) for made in whole}
    now = time.time()
    for folder in (*(made.folder for made in whole), *_pages(known)):
        _touch([folder, *folder.rglob("*")], now)
    # Snakemake counts them among what a job makes.
    _touch([*_manifests(known), *BENCHMARKS.rglob("*.tsv")], now)
    if whole:
        log.warning("%s was brought here: %d artifacts that this code has made are kept", RESULTS, len(whole))
    settle()


def settle() -> None:
    """Note that the results belong here."""
    if RESULTS.is_dir() and _noted() != _place():
        write_text(PLACE, json.dumps(_place()) + "\n")


def _place() -> list[int]:
    # Moved together, both keep their numbers, and Snakemake's notes come along; a copy has others.
    return [RESULTS.stat().st_ino, Path.cwd().stat().st_ino]


def _noted() -> Any:
    try:
        return json.loads(PLACE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _is_whole(made: Artifact) -> bool:
    files: Mapping[str, str] = made.record["outputs"]
    return all(
        (path := made.folder / name).is_file() and sha256(path) == recorded
        for name, recorded in files.items()
    )


def _manifests(known: set[tuple[str, str, str]]) -> Iterator[Path]:
    """Give the manifests of chunks of tiles, and what ties them together, that name only what is known."""
    for path in CHUNKS.glob("*/*.json"):
        stage = path.name.partition(".")[0] if path.parent.name == "tally" else path.parent.name
        found = _read(path)
        made = found.get("made", found) if isinstance(found, dict) else None
        rows = made.items() if isinstance(made, dict) else ()
        if rows and all((stage, name, _item(row, "version")) in known for name, row in rows):
            yield path


def _pages(known: set[tuple[str, str, str]]) -> Iterator[Path]:
    """Give the folders of runs whose page shows only what is known."""
    for path in RESULTS.glob("*/manifest.json"):
        found = _read(path)
        rows = found if isinstance(found, list) else []
        named = {tuple(_item(row, key) for key in ("stage", "name", "version")) for row in rows}
        if named and named <= known:
            yield path.parent


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _item(row: Any, key: str) -> str:
    """Return an item of a row as text; what is damaged is nothing that is known."""
    return str(row.get(key)) if isinstance(row, dict) else ""


def _touch(paths: Iterable[Path], when_s: float) -> None:
    for path in paths:
        os.utime(path, (when_s, when_s), follow_symlinks=False)
