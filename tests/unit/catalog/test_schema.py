"""Schemas: complete, in the words of the IVOA."""

import numpy as np
import pytest
from astropy import units
from astropy.io.votable.ucd import check_ucd
from pydantic import ValidationError

from skymill.catalog.flags import MEANING, Flag
from skymill.catalog.schema import DTYPES, Column, Schema, load_schema, schema_names
from skymill.errors import ConfigError

COLUMNS = {
    f"{schema}.{name}": column
    for schema in schema_names()
    for name, column in load_schema(schema).columns.items()
}


def test_the_kinds_of_catalogues():
    assert {"blends", "galaxies", "matched", "measurement", "sources"} <= set(schema_names())


def test_every_schema_loads_under_its_name(subtests):
    for name in schema_names():
        with subtests.test(name):
            schema = load_schema(name)

            assert schema.name == name
            assert schema.description.endswith(".")
            assert all(column.isidentifier() and column == column.lower() for column in schema.columns)


def test_columns_speak_the_ivoas_language(subtests):
    for where, column in COLUMNS.items():
        with subtests.test(where):
            assert check_ucd(column.ucd, check_controlled_vocabulary=False), column.ucd
            units.Unit(column.unit, format="vounit", parse_strict="raise")


def test_ranges_make_sense(subtests):
    for where, column in COLUMNS.items():
        with subtests.test(where):
            low, high = column.low, column.high
            assert low is None or high is None or low < high
            assert not column.allowed or column.dtype == "str"
            if low is not None and column.dtype.startswith(("int", "float")):
                np.array([low]).astype(column.dtype)
            # What may be left out needs a value for 'not there' within its range: NaN for floats, 0 for the others.
            assert not column.optional or column.dtype.startswith("float") or (low or 0) <= 0 <= (high or 0)


def test_dtypes_are_those_of_numpy_and_text():
    assert [np.dtype(dtype).name for dtype in DTYPES if dtype != "str"] == [d for d in DTYPES if d != "str"]


def test_unknown_schemas_list_the_known():
    with pytest.raises(ConfigError, match=r"one of: .*measurement.*found 'measurements'"):
        load_schema("measurements")


@pytest.mark.parametrize(
    "column",
    [
        {"dtype": "float16", "description": "Half"},
        {"dtype": "int32", "description": ""},
        {"dtype": "int32", "description": "Some", "minimum": 0},
        {"description": "Some"},
    ],
    ids=["dtype", "description", "unknown key", "no dtype"],
)
def test_half_a_column_is_refused(column):
    with pytest.raises(ValidationError):
        Column.model_validate(column)


def test_a_schema_has_columns():
    with pytest.raises(ValidationError, match="columns"):
        Schema(name="x", version=1, description="Nothing.", columns={})


def test_flags_are_single_bits_and_never_change():
    """Catalogues on disks hold these numbers: new bits may come, old ones stay."""
    assert {flag.name: flag.value for flag in Flag} == {
        "EDGE": 1,
        "MASKED": 2,
        "SATURATED": 4,
        "BLENDED": 8,
        "DUPLICATE": 16,
        "FAILED": 32,
        "TRUNCATED": 64,
    }


def test_every_flag_is_explained():
    assert set(MEANING) == set(Flag)
    assert len(set(MEANING.values())) == len(Flag)


def test_flags_work_on_arrays():
    flags = np.array([0, 3, 66], dtype=np.int32)

    assert (flags & Flag.MASKED != 0).tolist() == [False, True, True]
    flags |= Flag.BLENDED
    assert flags.tolist() == [8, 11, 74]
    assert flags.dtype == np.int32


@pytest.mark.parametrize("name", [name for name in schema_names() if "flags" in load_schema(name).columns])
def test_the_range_of_flags_columns_holds_all_bits(name):
    column = load_schema(name).columns["flags"]

    assert (column.dtype, column.low, column.high) == ("int32", 0, sum(Flag))
