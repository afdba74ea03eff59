"""Catalogue: an Astropy table that keeps to a schema, stored as Parquet with VOTable metadata (VOParquet)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Column as TableColumn
from astropy.table import Table, vstack

from skymill.catalog import voparquet
from skymill.catalog.schema import Column, Schema, load_schema
from skymill.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Meta = Mapping[str, str | int | float]


class SchemaError(DataError):
    """A table does not keep to its schema."""


class Catalogue:
    """A table with a schema.

    Parameters
    ----------
    table : astropy.table.Table
        The rows. Columns are put in the schema's order and given its units.
    schema : str
        Name of the schema.
    meta : mapping of str to str, int or float, optional
        Essentials of where it comes from: stage, name, version, ….

    Raises
    ------
    SchemaError
        If a column is missing, unknown, of another type, or holds values out of range.
    """

    def __init__(self, table: Table, schema: str, meta: Meta | None = None) -> None:
        self.schema: Schema = load_schema(schema)
        self.meta: dict[str, str | int | float] = dict(meta or {})
        self.table = _checked(table, self.schema)

    @classmethod
    def from_columns(cls, schema: str, meta: Meta | None = None, **columns: ArrayLike) -> Catalogue:
        """Make a catalogue from arrays; values are cast to the schema's types where that loses nothing of meaning.

        Optional columns that are left out become NaN, 0, False or empty text.
        """
        definition = load_schema(schema)
        if unknown := set(columns) - set(definition.columns):
            raise SchemaError(
                f"schema {schema}",
                expected=f"columns among {', '.join(definition.columns)}",
                found=", ".join(sorted(unknown)),
            )
        arrays = {name: _cast(name, values, definition.columns[name]) for name, values in columns.items()}
        length = len(next(iter(arrays.values()))) if arrays else 0
        for name, column in definition.columns.items():
            if name not in arrays and (column.optional or not columns):
                arrays[name] = _absent(column, length)
        return cls(Table(arrays, copy=False), schema, meta)

    @classmethod
    def empty(cls, schema: str, meta: Meta | None = None) -> Catalogue:
        """Make a valid catalogue without rows."""
        return cls.from_columns(schema, meta)

    @classmethod
    def concatenate(cls, parts: list[Catalogue], meta: Meta | None = None) -> Catalogue:
        """Put catalogues of one schema below each other."""
        return cls(
            vstack([part.table for part in parts], metadata_conflicts="silent"), parts[0].schema.name, meta
        )

    @classmethod
    def gather(
        cls, paths: Sequence[str | Path], schema: str, number: str, meta: Meta | None = None
    ) -> Catalogue:
        """Read the catalogues of shards, in any order, and put them below each other by the column `number`.

        Raises
        ------
        DataError
            If a file cannot be read or is of another schema.
        """
        parts = [cls.read(path, schema) for path in paths]
        return cls.concatenate(sorted(parts, key=lambda part: part[number][0]), meta)

    @classmethod
    def read(cls, path: str | Path, schema: str | None = None) -> Catalogue:
        """Read a catalogue; with `schema`, insist on that schema.

        Optional columns that an older version of the schema did not have become NaN, 0, False or empty text.

        Raises
        ------
        DataError
            If the file cannot be read or is not one of skymill's catalogues.
        """
        table, meta = voparquet.read(path)
        found = meta.pop("schema", None)
        version = meta.pop("schema_version", None)
        if found is None or schema not in (None, found):
            raise SchemaError(
                path, expected=f"a catalogue of schema {schema or 'of skymill'}", found=f"schema {found}"
            )
        definition = load_schema(str(found))
        if version is not None and int(version) < definition.version:
            for name, column in definition.columns.items():
                if column.optional and name not in table.colnames:
                    table[name] = _absent(column, len(table))
        return cls(table, str(found), meta)

    def write(self, path: str | Path) -> None:
        """Write the catalogue, whole or not at all; the same rows and meta give the same bytes."""
        essentials = {"schema": self.schema.name, "schema_version": self.schema.version, **self.meta}
        voparquet.write(path, self.table, self.schema, essentials)

    def select(self, rows: NDArray) -> Catalogue:
        """Return the rows chosen by a mask or by row numbers."""
        return Catalogue(self.table[np.asarray(rows)], self.schema.name, self.meta)

    def __getitem__(self, name: str) -> NDArray:
        """Return a column as a plain array."""
        return np.asarray(self.table[name])

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.table)


def essentials(recipe: Mapping[str, Any]) -> dict[str, str | int | float]:
    """Return what of a recipe goes into a catalogue's header: stage, name, version, seed and the parents' versions."""
    parents = {f"parent.{role}": version for role, version in recipe["parents"].items()}
    seed = {"seed": recipe["params"]["seed"]} if "seed" in recipe["params"] else {}
    return {"stage": recipe["stage"], "name": recipe["name"], "version": recipe["version"], **seed, **parents}


def _cast(name: str, values: ArrayLike, column: Column) -> NDArray:
    array = _unmasked(name, values, column)
    if column.dtype == "str":
        return array.astype(str)
    if column.dtype.startswith("float"):
        return array.astype(column.dtype)
    with np.errstate(invalid="ignore"):
        cast = array.astype(column.dtype)
    if (lost := cast != array).any():
        raise SchemaError(
            f"column {name}",
            expected=f"{column.dtype} values",
            found=f"{array[lost][0]} in row {np.argmax(lost)}",
        )
    return cast


def _unmasked(name: str, values: ArrayLike, column: Column) -> NDArray:
    """Return a plain array; masked values become NaN where the column can hold it."""
    if not np.ma.is_masked(values):
        return np.asarray(values)
    if not column.dtype.startswith("float"):
        raise SchemaError(f"column {name}", expected=f"{column.dtype} values", found="masked values")
    return np.ma.filled(np.ma.asarray(values).astype(np.float64), np.nan)


def _absent(column: Column, length: int) -> NDArray:
    if column.dtype == "str":
        return np.full(length, "", dtype="U1")
    return np.full(length, np.nan if column.dtype.startswith("float") else 0, dtype=column.dtype)


def _checked(table: Table, schema: Schema) -> Table:
    if set(table.colnames) != set(schema.columns):
        missing, unknown = (
            set(schema.columns) - set(table.colnames),
            set(table.colnames) - set(schema.columns),
        )
        raise SchemaError(
            f"schema {schema.name}",
            expected=f"columns {', '.join(schema.columns)}",
            found=f"missing: {', '.join(sorted(missing)) or 'none'}; unknown: {', '.join(sorted(unknown)) or 'none'}",
        )
    checked = Table()
    for name, column in schema.columns.items():
        values = np.asarray(table[name])
        _check_values(schema.name, name, values, column)
        checked[name] = TableColumn(values, unit=column.unit or None, description=column.description)
    return checked


def _check_values(schema: str, name: str, values: NDArray, column: Column) -> None:
    where = f"schema {schema}, column {name}"
    right = values.dtype.kind == "U" if column.dtype == "str" else values.dtype == np.dtype(column.dtype)
    if not right:
        raise SchemaError(where, expected=column.dtype, found=str(values.dtype))
    if column.allowed and (wrong := set(np.unique(values)) - set(column.allowed)):
        raise SchemaError(
            where, expected=f"values among {', '.join(column.allowed)}", found=", ".join(sorted(wrong))
        )
    for bound, outside in ((column.low, np.less), (column.high, np.greater)):
        if bound is not None and (bad := outside(values, bound)).any():
            raise SchemaError(
                where,
                expected=f"values from {column.low} to {column.high}",
                found=f"{values[bad][0]} in row {int(np.flatnonzero(bad)[0])} ({int(bad.sum())} such rows)",
            )
