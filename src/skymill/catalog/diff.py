"""Compare two catalogues: which rows are in both, and how their values differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skymill.catalog import voparquet
from skymill.catalog.rows import RowPairs, pair_rows
from skymill.catalog.schema import Column, load_schema, schema_names

if TYPE_CHECKING:
    from astropy.table import Table
    from numpy.typing import NDArray

PERIODS = {"pos.eq.ra": 360.0, "pos.posAng": 180.0}
"""Angles that come round again, by UCD, with their period in degrees."""
ROW_NUMBERS = {"object_id"}
"""Numbers of rows, which say nothing about a source; they are not compared."""
CODES = ("meta.id", "meta.code")
"""UCDs of numbers that name something or are sums of bits: equal or not, but not larger or smaller."""
DIGITS, ANGLE_DIGITS = 6, 9
"""Digits that people are shown; nine of a right ascension are about a milliarcsecond."""
HEADER = ("column", "unit", "equal", "different", "median", "68 % spread", "largest", "where", "a", "b")
"""Heads of what :func:`column_rows` gives."""


@dataclass(frozen=True)
class RowChange:
    """One value that changed.

    Parameters
    ----------
    row_a, row_b : int
        Row numbers in the two catalogues, from 0.
    label : str
        What names the row: its key, or its position in the first catalogue.
    a, b : object
        The two values.
    """

    row_a: int
    row_b: int
    label: str
    a: Any
    b: Any


@dataclass(frozen=True)
class ColumnDiff:
    """How one column differs between the matched rows.

    Parameters
    ----------
    name, unit : str
        The column.
    equal, different : int
        Matched rows with the same value (two NaN are the same) and with another one.
    lost, gained : int
        Rows with a finite value in the first catalogue only and in the second only.
    median, spread, largest : float or None
        Of ``b - a`` over the rows where both are finite: median, half the width of the central 68 %, and the largest
        absolute value. Angles are compared on the circle. None for text and codes, and where no row has two finite
        values.
    changes : tuple of RowChange
        The rows that changed most, the largest change first.
    """

    name: str
    unit: str
    equal: int
    different: int
    lost: int = 0
    gained: int = 0
    median: float | None = None
    spread: float | None = None
    largest: float | None = None
    changes: tuple[RowChange, ...] = ()


@dataclass(frozen=True)
class CatalogueDiff:
    """How two catalogues differ.

    Parameters
    ----------
    a, b : str
        What was compared.
    schema_a, schema_b : str
        Schemas with their versions.
    matched_by : str
        The key, or the positions and the largest distance.
    rows_a, rows_b, matched : int
        Rows of each and rows that are in both.
    only_a, only_b : tuple of int
        Numbers of the rows without a partner.
    columns : tuple of ColumnDiff
        The columns that both have.
    columns_only_a, columns_only_b : tuple of str
        The columns that one of them lacks.
    """

    a: str
    b: str
    schema_a: str
    schema_b: str
    matched_by: str
    rows_a: int
    rows_b: int
    matched: int
    only_a: tuple[int, ...]
    only_b: tuple[int, ...]
    columns: tuple[ColumnDiff, ...]
    columns_only_a: tuple[str, ...]
    columns_only_b: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Whether all rows are in both with the same values."""
        return not (
            self.only_a
            or self.only_b
            or self.columns_only_a
            or self.columns_only_b
            or any(column.different for column in self.columns)
        )


def diff_files(
    a: str | Path,
    b: str | Path,
    *,
    max_distance_px: float | None = None,
    max_distance_arcsec: float | None = None,
    changes: int = 1,
) -> CatalogueDiff:
    """Compare two catalogues row by row and statistically.

    Catalogues of older schema versions can be compared too; the columns that one of them lacks are named.

    Parameters
    ----------
    a, b : str or Path
        Two catalogues.
    max_distance_px, max_distance_arcsec : float, optional
        How to match rows; see :func:`skymill.catalog.rows.pair_rows`.
    changes : int
        How many of the largest changes to list for each column.

    Raises
    ------
    DataError
        If a file is not a catalogue, or there is nothing to match rows by.
    """
    table_a, meta_a = voparquet.read(a)
    table_b, meta_b = voparquet.read(b)
    pairs = pair_rows(table_a, table_b, max_distance_px, max_distance_arcsec)
    return CatalogueDiff(
        a=str(a),
        b=str(b),
        schema_a=_schema_of(meta_a),
        schema_b=_schema_of(meta_b),
        matched_by=pairs.matched_by,
        rows_a=len(table_a),
        rows_b=len(table_b),
        matched=len(pairs.rows_a),
        only_a=_others(pairs.rows_a, len(table_a)),
        only_b=_others(pairs.rows_b, len(table_b)),
        columns=tuple(_columns(table_a, table_b, pairs, _definitions(meta_a), changes)),
        columns_only_a=tuple(sorted(set(table_a.colnames) - set(table_b.colnames))),
        columns_only_b=tuple(sorted(set(table_b.colnames) - set(table_a.colnames))),
    )


def _schema_of(meta: Mapping[str, Any]) -> str:
    return f"{meta.get('schema', 'unknown')} {meta.get('schema_version', '')}".strip()


def _definitions(meta: Mapping[str, Any]) -> dict[str, Column]:
    name = meta.get("schema")
    return load_schema(name).columns if name in schema_names() else {}


def _others(rows: NDArray[np.int64], length: int) -> tuple[int, ...]:
    return tuple(np.setdiff1d(np.arange(length), rows, assume_unique=True).tolist())


def _columns(
    table_a: Table, table_b: Table, pairs: RowPairs, definitions: Mapping[str, Column], changes: int
) -> Iterator[ColumnDiff]:
    for name in table_a.colnames:
        if name in table_b.colnames and name not in ROW_NUMBERS:
            a, b = np.asarray(table_a[name])[pairs.rows_a], np.asarray(table_b[name])[pairs.rows_b]
            column = _compared(name, a, b, definitions.get(name))
            top = _largest(a, b, definitions.get(name), changes)
            yield replace(column, changes=tuple(_row_change(place, a, b, pairs, table_a) for place in top))


def _compared(name: str, a: NDArray, b: NDArray, definition: Column | None) -> ColumnDiff:
    different = int(np.count_nonzero(_change_size(a, b, definition)))
    statistics = _statistics(a, b, definition) if _are_amounts(a, b, definition) else {}
    return ColumnDiff(
        name, definition.unit if definition else "", len(a) - different, different, **statistics
    )


def _are_amounts(a: NDArray, b: NDArray, definition: Column | None) -> bool:
    is_code = definition is not None and definition.ucd.startswith(CODES)
    return a.dtype.kind in "fiu" and b.dtype.kind in "fiu" and not is_code


def _largest(a: NDArray, b: NDArray, definition: Column | None, count: int) -> NDArray[np.int64]:
    """Return where the largest changes are, the largest first."""
    size = _change_size(a, b, definition)
    order = np.argsort(-size, kind="stable")[:count]
    return order[size[order] > 0]


def _change_size(a: NDArray, b: NDArray, definition: Column | None) -> NDArray[np.float64]:
    """Return how much each pair of values differs: 0 for equal ones, infinity for text, codes and NaN in one."""
    if not _are_amounts(a, b, definition):
        return np.where(a == b, 0.0, np.inf)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    size = np.abs(_difference(a, b, definition))
    # Two writings of one angle differ by 0, but they differ.
    size = np.where(np.isnan(size), np.inf, np.maximum(size, np.finfo(float).tiny))
    return np.where(same, 0.0, size)


def _difference(a: NDArray, b: NDArray, definition: Column | None) -> NDArray[np.float64]:
    """Return ``b - a``, for angles the short way round; NaN where one of them is not finite."""
    both = np.isfinite(a) & np.isfinite(b)
    difference = np.full(a.shape, np.nan)
    difference[both] = b[both].astype(np.float64) - a[both].astype(np.float64)
    words = definition.ucd.split(";") if definition else []
    for period in (PERIODS[word] for word in words if word in PERIODS):
        difference -= period * np.rint(difference / period)
    return difference


def _statistics(a: NDArray, b: NDArray, definition: Column | None) -> dict[str, int | float]:
    finite_a, finite_b = np.isfinite(a), np.isfinite(b)
    found = {"lost": int((finite_a & ~finite_b).sum()), "gained": int((finite_b & ~finite_a).sum())}
    difference = _difference(a, b, definition)
    difference = difference[np.isfinite(difference)]
    if not len(difference):
        return found
    low, median, high = np.percentile(difference, [16, 50, 84]).tolist()
    return {**found, "median": median, "spread": (high - low) / 2, "largest": float(np.abs(difference).max())}


def _row_change(place: int, a: NDArray, b: NDArray, pairs: RowPairs, table: Table) -> RowChange:
    row_a, row_b = int(pairs.rows_a[place]), int(pairs.rows_b[place])
    label = " ".join(f"{name} {shown(table[name][row_a].item())}" for name in pairs.labels)
    return RowChange(row_a, row_b, label, a[place].item(), b[place].item())


def shown(value: Any, digits: int = DIGITS) -> str:
    """Return a value as a person wants to read it: numbers with some digits."""
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def summary(diff: CatalogueDiff) -> str:
    """Return in one line which rows are in both catalogues."""
    if diff.is_same:
        return f"the same {diff.rows_a} rows"
    return (
        f"{diff.matched} rows in both (matched by {diff.matched_by}), {len(diff.only_a)} only in the first, "
        f"{len(diff.only_b)} only in the second"
    )


def column_rows(diff: CatalogueDiff) -> list[list[str]]:
    """Return the columns that differ as a table below :data:`HEADER`, with one line for each change that is listed."""
    rows = []
    for column in diff.columns:
        if column.different:
            numbers = [
                "" if value is None else shown(value)
                for value in (column.median, column.spread, column.largest)
            ]
            first = [column.name, column.unit, str(column.equal), str(column.different), *numbers]
            starts = [first, *([""] * len(first) for _ in column.changes[1:])]
            digits = ANGLE_DIGITS if column.unit == "deg" else DIGITS
            changes = [
                [change.label, shown(change.a, digits), shown(change.b, digits)] for change in column.changes
            ]
            rows += [start + change for start, change in zip(starts, changes or [[""] * 3], strict=True)]
    return rows
