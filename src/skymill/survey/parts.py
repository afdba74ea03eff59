"""A long catalogue in several files of so many rows each, with an index of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table, vstack

from skymill.catalog.catalogue import Catalogue
from skymill.provenance.record import sha256

if TYPE_CHECKING:
    from numpy.typing import NDArray

FULL_CIRCLE = 360.0


class Parts:
    """Writes the rows of a catalogue to files as they come; no more rows than one file's are kept.

    Parameters
    ----------
    folder : str or Path
        Where the files are made: ``part-00000.parquet``, ….
    schema : str
        Schema of the catalogue, with the columns ``object_id``, ``tile_id``, ``ra`` and ``dec``.
    rows_per_file : int
        Rows of each file but the last.
    meta : mapping
        Header of each file; the number of the part is added.
    """

    def __init__(self, folder: str | Path, schema: str, rows_per_file: int, meta: Mapping[str, Any]) -> None:
        self.folder, self.schema, self.rows_per_file, self.meta = Path(folder), schema, rows_per_file, meta
        self.written: list[dict[str, Any]] = []
        self.rows = 0
        self._waiting: list[Table] = []
        self._n_waiting = 0

    def add(self, **columns: NDArray) -> None:
        """Add rows; they are numbered through in ``object_id``, in the order in which they come."""
        table = Table(columns, copy=False)
        table["object_id"] = self.rows + np.arange(len(table))
        self.rows += len(table)
        start = 0
        while start < len(table):
            stop = start + self.rows_per_file - self._n_waiting
            piece = table[start:stop]
            self._waiting.append(piece)
            self._n_waiting += len(piece)
            start = stop
            if self._n_waiting == self.rows_per_file:
                self._write()

    def finish(self) -> list[dict[str, Any]]:
        """Write what is left, and describe all files; a catalogue without rows is one file without rows."""
        if self._waiting or not self.written:
            self._write()
        return self.written

    def _write(self) -> None:
        number = len(self.written)
        path = self.folder / f"part-{number:05d}.parquet"
        rows = vstack(self._waiting, metadata_conflicts="silent") if self._waiting else Table()
        columns = {name: np.asarray(rows[name]) for name in rows.colnames}
        part = Catalogue.from_columns(self.schema, {**self.meta, "part": number}, **columns)
        self._waiting, self._n_waiting = [], 0
        part.write(path)
        described = {"file": f"{self.folder.name}/{path.name}", "rows": len(part), "sha256": sha256(path)}
        if len(part):
            described |= {
                "first_object_id": int(part["object_id"][0]),
                "tiles": [str(part["tile_id"][0]), str(part["tile_id"][-1])],
                **sky_bounds(part["ra"], part["dec"]),
            }
        self.written.append(described)


def sky_bounds(ra: NDArray, dec: NDArray) -> dict[str, list[float]]:
    """Return the range of positions (n,) in degrees: ``ra`` from west to east, ``dec`` from south to north."""
    return {"ra": arc(ra, ra), "dec": [float(np.min(dec)), float(np.max(dec))]}


def joint_bounds(parts: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Return the range that holds the ranges of several files; empty if none has rows."""
    known = [part for part in parts if part["rows"]]
    if not known:
        return {}
    (west, east), (south, north) = (np.transpose([part[name] for part in known]) for name in ("ra", "dec"))
    return {"ra": arc(west, east), "dec": [float(south.min()), float(north.max())]}


def arc(west: NDArray, east: NDArray) -> list[float]:
    """Return the shortest arc that holds arcs (n,), degrees: ``[west, east]``; ``west > east`` if it passes 0."""
    order = np.argsort(west, kind="stable")
    start, stop = west[order], east[order]
    stop = np.where(stop < start, stop + FULL_CIRCLE, stop)
    # Two turns: an arc that passes 0 may reach over those that begin the next turn.
    turns = np.append(stop - FULL_CIRCLE, stop)
    free = start - np.maximum.accumulate(turns)[len(stop) - 1 : -1]
    widest = int(np.argmax(free))
    if free[widest] <= 0:
        return [0.0, FULL_CIRCLE]
    # The value itself: a turn added and taken away again would cost the last digits.
    last = int(np.argmax(turns[: len(stop) + widest])) % len(stop)
    return [float(start[widest]), float(east[order[last]])]
