"""Which rows of two catalogues are about the same source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skymill.catalog.match import match_positions, match_sky
from skymill.errors import DataError

if TYPE_CHECKING:
    from astropy.table import Table
    from numpy.typing import NDArray

KEYS = (
    ("dataset", "detector", "stamp_id", "truth_id"),
    ("stamp_id", "galaxy_id"),
    ("galaxy_id",),
    ("source_id",),
)
"""Columns that together name a row, in the order in which they are tried; -1 in the last one means 'no name'."""
GROUPS = ("dataset", "detector", "stamp_id", "tile_id")
"""Columns that say which image a position is on."""
DEFAULT_DISTANCE_PX = 1.0

Pairs = tuple["NDArray[np.int64]", "NDArray[np.int64]"]


@dataclass(frozen=True)
class RowPairs:
    """Rows of two catalogues that belong together.

    Parameters
    ----------
    matched_by : str
        The key or the positions, for people.
    labels : tuple of str
        The columns that name a row in messages.
    rows_a, rows_b : ndarray (n,), int64
        Row numbers, in the order of the first catalogue.
    """

    matched_by: str
    labels: tuple[str, ...]
    rows_a: NDArray[np.int64]
    rows_b: NDArray[np.int64]


def pair_rows(
    a: Table, b: Table, max_distance_px: float | None = None, max_distance_arcsec: float | None = None
) -> RowPairs:
    """Find the rows of two catalogues that are about the same source, one to one.

    Parameters
    ----------
    a, b : astropy.table.Table
        Two catalogues.
    max_distance_px, max_distance_arcsec : float, optional
        Match by pixel or by sky position within this distance. Without either, rows are matched by the first of
        :data:`KEYS` that names them, and rows without a name by pixel position within 1 px.

    Raises
    ------
    DataError
        If the catalogues have neither a key nor positions to match rows by.
    """
    if max_distance_arcsec is not None:
        rows_a, rows_b = _match_sky(a, b, max_distance_arcsec)
        return RowPairs(f"ra, dec within {max_distance_arcsec:g} arcsec", ("ra", "dec"), rows_a, rows_b)
    key = None if max_distance_px is not None else next((key for key in KEYS if _names(a, b, key)), None)
    if key is not None:
        return _match_key(a, b, key)
    px = DEFAULT_DISTANCE_PX if max_distance_px is None else max_distance_px
    groups = _groups(a, b)
    rows_a, rows_b = _match_pixels(a, b, px)
    return RowPairs(f"{', '.join((*groups, 'x', 'y'))} within {px:g} px", (*groups, "x", "y"), rows_a, rows_b)


def _names(a: Table, b: Table, key: tuple[str, ...]) -> bool:
    """Whether a key is there in both catalogues and names rows uniquely."""
    return all(set(key) <= set(table.colnames) and _is_unique(table, key) for table in (a, b))


def _is_unique(table: Table, key: tuple[str, ...]) -> bool:
    named = _key_rows(table[_named(table, key)], key)
    return len(set(named)) == len(named) and (len(named) > 0 or len(table) == 0)


def _named(table: Table, key: tuple[str, ...]) -> NDArray[np.bool_]:
    return np.asarray(table[key[-1]]) >= 0


def _key_rows(table: Table, key: tuple[str, ...]) -> list[tuple]:
    return list(zip(*(np.asarray(table[name]).tolist() for name in key), strict=True))


def _match_key(a: Table, b: Table, key: tuple[str, ...]) -> RowPairs:
    places = {row: place for place, row in enumerate(_key_rows(b, key)) if row[-1] >= 0}
    found = np.array([places.get(row, -1) for row in _key_rows(a, key)], dtype=np.int64)
    rows_a = np.flatnonzero(found >= 0)
    rows_b = found[rows_a]
    nameless_a, nameless_b = np.flatnonzero(~_named(a, key)), np.flatnonzero(~_named(b, key))
    if len(nameless_a) and len(nameless_b):
        more_a, more_b = _match_pixels(a[nameless_a], b[nameless_b], DEFAULT_DISTANCE_PX)
        rows_a, rows_b = np.append(rows_a, nameless_a[more_a]), np.append(rows_b, nameless_b[more_b])
    order = np.argsort(rows_a)
    return RowPairs(", ".join(key), key, rows_a[order], rows_b[order])


def _groups(a: Table, b: Table) -> tuple[str, ...]:
    """Return the columns of :data:`GROUPS` that say something: on tiles, every stamp_id is -1."""
    shared = [name for name in GROUPS if name in a.colnames and name in b.colnames]
    return tuple(
        name for name in shared if not all((np.asarray(table[name]) == -1).all() for table in (a, b))
    )


def _match_pixels(a: Table, b: Table, max_distance: float) -> Pairs:
    x_a, y_a, x_b, y_b = _positions(a, b, ("x", "y"))
    # Each image has pixels of its own: set the images so far apart that no match reaches across.
    finite = np.concatenate([[0.0], *(x[np.isfinite(x)] for x in (x_a, x_b))])
    step = np.ptp(finite) + 2 * max_distance + 1
    images = [_key_rows(table, _groups(a, b)) or [()] * len(table) for table in (a, b)]
    number = {image: place for place, image in enumerate(sorted({*images[0], *images[1]}))}
    shift_a, shift_b = (step * np.array([number[image] for image in side], dtype=float) for side in images)
    match = match_positions(x_a + shift_a, y_a, x_b + shift_b, y_b, max_distance)
    return match.index1, match.index2


def _match_sky(a: Table, b: Table, max_distance_arcsec: float) -> Pairs:
    match = match_sky(*_positions(a, b, ("ra", "dec")), max_distance_arcsec)
    return match.index1, match.index2


def _positions(a: Table, b: Table, names: tuple[str, str]) -> list[NDArray[np.float64]]:
    for table in (a, b):
        if not set(names) <= set(table.colnames):
            keys = "; ".join(", ".join(key) for key in KEYS)
            raise DataError(
                "the catalogues to compare",
                expected=f"a key ({keys}) or the columns {', '.join(names)}",
                found=f"the columns {', '.join(table.colnames)}",
                remedy="Compare catalogues of one kind.",
            )
    return [np.asarray(table[name], dtype=np.float64) for table in (a, b) for name in names]
