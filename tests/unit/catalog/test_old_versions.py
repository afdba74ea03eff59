"""Catalogues that were written with an older version of their schema."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from skymill.catalog import voparquet
from skymill.catalog.catalogue import Catalogue, SchemaError
from skymill.catalog.schema import Schema, load_schema

NEW = ("flux_q025", "flux_q16", "flux_q84", "flux_q975")


def write_older(path: Path, version: int, *without: str) -> Catalogue:
    """Leave a catalogue of two sources without some columns, said to be of a version; returns the whole one."""
    schema = load_schema("measurement")
    needed = {name: [0, 1] for name, column in schema.columns.items() if not column.optional}
    whole = Catalogue.from_columns("measurement", {"stage": "infer"}, **needed)
    columns = {name: column for name, column in schema.columns.items() if name not in without}
    older = Schema(name="measurement", version=version, description=schema.description, columns=columns)
    table = Table({name: whole[name] for name in columns})
    voparquet.write(path, table, older, {"schema": "measurement", "schema_version": version, **whole.meta})
    return whole


def test_columns_that_are_newer_are_nan(tmp_path):
    whole = write_older(tmp_path / "old.parquet", 1, *NEW)
    found = Catalogue.read(tmp_path / "old.parquet", "measurement")

    assert found.table.colnames == whole.table.colnames
    assert all(np.isnan(found[name]).all() for name in NEW)
    np.testing.assert_array_equal(found["flux"], whole["flux"])
    assert found.meta == whole.meta


def test_of_the_present_version_nothing_may_be_missing(tmp_path):
    write_older(tmp_path / "new.parquet", load_schema("measurement").version, "flux_q16")
    with pytest.raises(SchemaError, match="missing: flux_q16"):
        Catalogue.read(tmp_path / "new.parquet")


def test_columns_that_always_were_there_are_not_made_up(tmp_path):
    write_older(tmp_path / "old.parquet", 1, *NEW, "flux")
    with pytest.raises(SchemaError, match="missing: flux;"):
        Catalogue.read(tmp_path / "old.parquet")
