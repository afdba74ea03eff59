"""Catalogues: what is written is what was meant, and others can read it."""

from pathlib import Path

import numpy as np
import pandas
import pyarrow.parquet as pq
import pytest
from astropy import units
from astropy.io.votable.exceptions import VOTableSpecError
from astropy.table import MaskedColumn, Table
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.testing import assert_array_equal

from skymill.catalog.catalogue import Catalogue, SchemaError, essentials
from skymill.catalog.schema import Column, load_schema, schema_names
from skymill.catalog.voparquet import DIGEST_KEY
from skymill.errors import DataError
from skymill.provenance.recipe import Recipe

META = {
    "stage": "baseline",
    "name": "field.sep",
    "version": "0123456789",
    "seed": 3,
    "parent.tile": "9876543210",
}


def sources(count: int = 3, **change) -> dict:
    """Columns of a catalogue of `count` sources."""
    line = np.arange(count, dtype=float)
    columns = {
        "source_id": np.arange(count),
        **dict.fromkeys(("x", "y", "ra", "dec", "mag", "flux", "re"), line),
        "kind": ["star", "galaxy", "unknown"] * count,
        "is_isolated": line > 0,
        "flags": np.zeros(count),
    }
    columns["kind"] = columns["kind"][:count]
    return {**columns, **change}


def random_column(column: Column, count: int, random: np.random.Generator) -> np.ndarray:
    """Values that the schema allows."""
    if column.dtype == "str":
        return random.choice(np.array(column.allowed or ["", "a", "σ Ori", "<&>"]), count)
    if column.dtype == "bool":
        return random.random(count) > 0.5
    low = -1000 if column.low is None else column.low
    high = low + 2000 if column.high is None else column.high
    values = random.uniform(low, high, count)
    if column.dtype.startswith("float"):
        values[::3] = np.nan
    return values.astype(column.dtype)


def make(schema: str, count: int) -> Catalogue:
    random = np.random.default_rng(count)
    columns = load_schema(schema).columns
    return Catalogue.from_columns(
        schema, META, **{name: random_column(column, count, random) for name, column in columns.items()}
    )


def same(a: Catalogue, b: Catalogue) -> bool:
    assert a.table.colnames == b.table.colnames
    for name in a.table.colnames:
        assert_array_equal(a[name], b[name])
        assert a[name].dtype.kind == b[name].dtype.kind
        assert a[name].dtype.kind == "U" or a[name].dtype == b[name].dtype
        assert a.table[name].unit == b.table[name].unit
    return a.schema == b.schema and a.meta == b.meta


@pytest.mark.parametrize("count", [0, 1, 50])
@pytest.mark.parametrize("schema", schema_names())
def test_there_and_back(tmp_path, schema, count):
    catalogue = make(schema, count)
    catalogue.write(tmp_path / "catalogue.parquet")

    assert same(Catalogue.read(tmp_path / "catalogue.parquet", schema), catalogue)
    assert len(catalogue) == count


@pytest.mark.parametrize("schema", schema_names())
def test_no_rows_is_a_valid_catalogue(tmp_path, schema):
    empty = Catalogue.empty(schema, META)
    empty.write(tmp_path / "catalogue.parquet")
    again = Catalogue.read(tmp_path / "catalogue.parquet")

    assert len(again) == 0
    assert list(again.table.colnames) == list(load_schema(schema).columns)


@pytest.mark.parametrize("count", [0, 5])
@pytest.mark.parametrize("schema", schema_names())
def test_astropy_reads_it_with_units_and_ucds(tmp_path, schema, count):
    catalogue = make(schema, count)
    catalogue.write(tmp_path / "catalogue.parquet")
    table = Table.read(tmp_path / "catalogue.parquet", format="parquet.votable")

    for name, column in load_schema(schema).columns.items():
        assert_array_equal(np.asarray(table[name]), catalogue[name])
        assert table[name].unit == (units.Unit(column.unit) if column.unit else None)
        assert table[name].meta.get("ucd", "") == column.ucd
        # Astropy breaks long lines of XML.
        assert " ".join(table[name].description.split()) == column.description


@pytest.mark.parametrize("schema", schema_names())
def test_pandas_reads_it(tmp_path, schema):
    catalogue = make(schema, 7)
    catalogue.write(tmp_path / "catalogue.parquet")
    frame = pandas.read_parquet(tmp_path / "catalogue.parquet")

    assert list(frame.columns) == list(load_schema(schema).columns)
    for name, column in load_schema(schema).columns.items():
        assert_array_equal(frame[name].to_numpy(), catalogue[name])
        assert column.dtype == "str" or frame[name].dtype == column.dtype


MATCHED = load_schema("matched").columns
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=12)


@settings(max_examples=30)
@given(
    arrays.arrays(np.float64, 4, elements=st.floats(allow_subnormal=True)),
    st.lists(TEXTS, min_size=4, max_size=4),
    st.dictionaries(
        TEXTS.filter(bool), TEXTS | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, width=32)
    ),
)
def test_any_number_any_text_any_header(tmp_path_factory, numbers, texts, meta):
    path = tmp_path_factory.mktemp("catalogue") / "matched.parquet"
    meta = {key: value for key, value in meta.items() if key not in ("schema", "schema_version")}
    columns = {name: random_column(column, 4, np.random.default_rng(1)) for name, column in MATCHED.items()}
    catalogue = Catalogue.from_columns("matched", meta, **{**columns, "flux": numbers, "detector": texts})
    catalogue.write(path)
    again = Catalogue.read(path)

    assert_array_equal(again["flux"], numbers)
    assert again["detector"].tolist() == [text.rstrip("\0") for text in texts]
    assert again.meta == meta


def test_the_same_rows_give_the_same_bytes(tmp_path):
    wide = np.array(sources()["kind"], dtype="U30")
    Catalogue.from_columns("sources", META, **sources()).write(tmp_path / "one.parquet")
    Catalogue.from_columns("sources", META, **sources(kind=wide)).write(tmp_path / "two.parquet")
    parts = [Catalogue.from_columns("sources", META, **sources()).select(rows) for rows in ([0], [1, 2], [])]
    Catalogue.concatenate(parts, META).write(tmp_path / "three.parquet")

    contents = {path.read_bytes() for path in tmp_path.iterdir()}
    assert len(contents) == 1


def test_concatenation_keeps_rows_and_order():
    parts = [make("galaxies", count) for count in (4, 0, 9)]
    whole = Catalogue.concatenate(parts, {"stage": "simulate"})

    assert whole.meta == {"stage": "simulate"}
    for name in whole.table.colnames:
        assert_array_equal(whole[name], np.concatenate([part[name] for part in parts]))


@pytest.mark.parametrize(
    "rows", [np.array([True, False, True]), [2, 0], [], np.zeros(3, dtype=bool)], ids=str
)
def test_rows_can_be_chosen(rows):
    catalogue = Catalogue.from_columns("sources", META, **sources())
    chosen = catalogue.select(np.asarray(rows, dtype=None if len(rows) else int))

    assert_array_equal(chosen["source_id"], np.arange(3)[np.asarray(rows, dtype=None if len(rows) else int)])
    assert chosen.meta == META


def test_columns_that_may_be_left_out():
    needed = {name: [1] for name, column in load_schema("measurement").columns.items() if not column.optional}
    catalogue = Catalogue.from_columns("measurement", **needed)

    assert np.isnan(catalogue["kron_radius"]).all()
    assert len(catalogue) == 1


def test_columns_get_order_unit_and_description():
    catalogue = Catalogue.from_columns("sources", **dict(reversed(sources().items())))

    assert catalogue.table.colnames == list(load_schema("sources").columns)
    assert catalogue.table["flux"].unit == units.nJy
    assert catalogue.table["flags"].unit is None
    assert catalogue.table["x"].description.startswith("Position along the columns")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": [1.0, 2, 3]}, "columns among source_id, .*found colour"),
        ({"flags": [0, np.nan, 0]}, "column flags: expected int32 values, found nan in row 1"),
        ({"flags": [0, 0, 1.5]}, "column flags: expected int32 values, found 1.5 in row 2"),
        ({"flags": [0, 2**40, 0]}, "column flags: expected int32 values, found 1099511627776 in row 1"),
        ({"source_id": [0, 1, 1e30]}, "column source_id: expected int64 values, found 1e"),
        ({"is_isolated": [0, 1, 2]}, "column is_isolated: expected bool values, found 2 in row 2"),
        (
            {"flags": [0, 1, 128]},
            r"flags: expected values from 0.* to 127.*, found 128 in row 2 \(1 such rows\)",
        ),
        (
            {"dec": [0.0, -91, -92]},
            r"dec: expected values from -90.* to 90.*, found -91.0 in row 1 \(2 such rows\)",
        ),
        ({"re": [0.0, -1, np.nan]}, "re: expected values from 0"),
        (
            {"kind": ["star", "comet", "star"]},
            "kind: expected values among galaxy, star, unknown, found comet",
        ),
        (
            {"source_id": np.ma.array([0, 1, 2], mask=[0, 1, 0])},
            "source_id: expected int64 values, found masked",
        ),
    ],
)
def test_wrong_values_name_the_column_and_the_row(change, message):
    with pytest.raises(SchemaError, match=message):
        Catalogue.from_columns("sources", **sources(**change))


def test_missing_columns_are_named():
    columns = sources()
    del columns["mag"], columns["ra"]
    with pytest.raises(SchemaError, match=r"schema sources: .*missing: mag, ra; unknown: none"):
        Catalogue.from_columns("sources", **columns)


@pytest.mark.parametrize(
    ("name", "dtype"), [("flux", np.float32), ("flags", np.int64), ("is_isolated", np.int8), ("x", ">f8")]
)
def test_tables_have_the_schemas_types_already(name, dtype):
    table = Catalogue.from_columns("sources", **sources()).table
    table[name] = table[name].astype(dtype)
    with pytest.raises(SchemaError, match=f"column {name}: expected .*, found {np.dtype(dtype)}"):
        Catalogue(table, "sources")


def test_numbers_of_other_types_and_byte_orders_are_cast():
    line = np.arange(3)
    catalogue = Catalogue.from_columns(
        "sources", **sources(x=line.astype(">f4"), flags=line.astype(">i2"), source_id=line.astype(np.uint8))
    )

    assert [catalogue[name].dtype for name in ("x", "flags", "source_id")] == [np.float64, np.int32, np.int64]
    assert_array_equal(catalogue["x"], line)


def test_masked_numbers_become_nan():
    masked = MaskedColumn([1.0, 2.0, 3.0], mask=[False, True, False])

    assert_array_equal(Catalogue.from_columns("sources", **sources(mag=masked))["mag"], [1, np.nan, 3])


def test_nan_is_no_value_out_of_range_but_infinity_may_be():
    columns = sources(re=[np.nan, np.inf, 1.0], dec=[np.nan, 1.0, 2.0])
    assert len(Catalogue.from_columns("sources", **columns)) == 3

    with pytest.raises(SchemaError, match="dec"):
        Catalogue.from_columns("sources", **sources(dec=[np.inf, 1.0, 2.0]))


def test_another_schema_is_refused(tmp_path):
    path = tmp_path / "catalogue.parquet"
    Catalogue.from_columns("sources", **sources()).write(path)
    with pytest.raises(SchemaError, match="a catalogue of schema measurement, found schema sources"):
        Catalogue.read(path, "measurement")


def plain_parquet(path: Path) -> None:
    pandas.DataFrame({"x": [1.0]}).to_parquet(path)


@pytest.mark.parametrize(
    "spoil",
    [
        plain_parquet,
        Path.unlink,
        lambda path: path.write_text("not Parquet"),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-200]),
    ],
    ids=["of others", "no file", "not Parquet", "empty", "cut off"],
)
def test_what_is_not_a_catalogue_is_refused(tmp_path, spoil):
    path = tmp_path / "catalogue.parquet"
    Catalogue.from_columns("sources", **sources()).write(path)
    spoil(path)
    with pytest.raises(
        DataError, match=r"catalogue\.parquet: expected a catalogue in Parquet with VOTable metadata"
    ):
        Catalogue.read(path)


def test_astropys_own_voparquet_is_not_a_catalogue_of_skymill(tmp_path):
    table = Table({"x": [1.0, 2.0]}, meta={"name": "other"})
    metadata = {"x": {"unit": "pixel", "ucd": "pos.cartesian.x", "utype": "none", "description": "Place"}}
    try:
        table.write(tmp_path / "other.parquet", format="parquet.votable", metadata=metadata)
    except VOTableSpecError:
        pytest.skip("this astropy cannot write it")
    with pytest.raises(SchemaError, match="a catalogue of schema of skymill, found schema None"):
        Catalogue.read(tmp_path / "other.parquet")


def test_a_folder_called_like_a_partition_adds_no_column(tmp_path):
    """Parquet readers take key=value in a folder's name for a column."""
    path = tmp_path / "version=12" / "catalogue.parquet"
    Catalogue.from_columns("sources", META, **sources()).write(path)

    assert len(Catalogue.read(path)) == 3


def test_rows_that_were_read_can_be_changed(tmp_path):
    make("sources", 3).write(tmp_path / "catalogue.parquet")
    table = Catalogue.read(tmp_path / "catalogue.parquet").table
    for name in table.colnames:
        table[name][0] = table[name][1]

    assert table["x"][0] == table["x"][1]


def test_essentials_of_a_recipe():
    recipe = Recipe("baseline", "field.sep", {"seed": 3, "detector": {}}, {"tile": "9876543210"})

    assert essentials(recipe.to_dict()) == {**META, "version": recipe.version}
    assert "seed" not in essentials(Recipe("fetch", "x", {}, {}).to_dict())


def test_a_flipped_bit_never_gives_another_catalogue(tmp_path):
    path = tmp_path / "catalogue.parquet"
    written = make("sources", 40)
    written.write(path)
    whole = path.read_bytes()
    for bit in range(5, 8 * len(whole), 173):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        try:
            found = Catalogue.read(path)
        except DataError as error:
            assert path.name in str(error) or "schema" in str(error)
            assert "\n" not in str(error)
        else:
            # Statistics and names of the writer in Parquet's footer are nobody's data.
            assert same(written, found)


def test_catalogues_of_the_time_before_checksums_are_read(tmp_path):
    written = make("sources", 5)
    written.write(tmp_path / "new.parquet")
    content = pq.read_table(tmp_path / "new.parquet")
    metadata = {key: value for key, value in content.schema.metadata.items() if key != DIGEST_KEY}
    pq.write_table(content.replace_schema_metadata(metadata), tmp_path / "old.parquet")

    assert same(written, Catalogue.read(tmp_path / "old.parquet"))
