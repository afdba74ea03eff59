"""Differences of two catalogues: counted, measured, with the rows that changed most."""

import numpy as np
import pytest

from skymill.catalog import voparquet
from skymill.catalog.catalogue import Catalogue
from skymill.catalog.diff import (
    HEADER,
    CatalogueDiff,
    ColumnDiff,
    RowChange,
    column_rows,
    diff_files,
    shown,
    summary,
)
from skymill.catalog.schema import Column, Schema

N = 101


def columns() -> dict:
    line = np.arange(N, dtype=float)
    return {
        "source_id": np.arange(N),
        "x": 10 * line,
        "y": line,
        "ra": line,
        "dec": line / 2,
        "mag": 20 + line / 100,
        "flux": 1000 + line,
        "re": np.full(N, np.nan),
        "kind": np.array(["galaxy"] * N, dtype="U7"),
        "is_isolated": line > 3,
        "flags": np.zeros(N, dtype=int),
    }


@pytest.fixture
def compare(tmp_path):
    """Write two catalogues, the second changed by a function, and compare them."""

    def run(change, **options) -> CatalogueDiff:
        second = columns()
        second = change(second) or second
        for name, content in (("a", columns()), ("b", second)):
            Catalogue.from_columns("sources", {"version": name}, **content).write(
                tmp_path / f"{name}.parquet"
            )
        return diff_files(tmp_path / "a.parquet", tmp_path / "b.parquet", **options)

    return run


def column(diff: CatalogueDiff, name: str) -> ColumnDiff:
    return next(column for column in diff.columns if column.name == name)


def test_the_same(compare):
    diff = compare(lambda second: None)

    assert diff.is_same
    assert (diff.rows_a, diff.rows_b, diff.matched) == (N, N, N)
    assert all(found.equal == N and not found.changes for found in diff.columns)
    assert summary(diff) == f"the same {N} rows"
    assert column_rows(diff) == []


def test_the_order_of_rows_is_no_difference(compare):
    assert compare(lambda second: {name: values[::-1] for name, values in second.items()}).is_same


def test_rows_in_one_catalogue_only(compare):
    def change(second):
        second["source_id"] = second["source_id"] + 2

    diff = compare(change)

    assert diff.only_a == (0, 1)
    assert diff.only_b == (N - 2, N - 1)
    assert diff.matched == N - 2
    assert not diff.is_same
    assert (
        summary(diff) == "99 rows in both (matched by source_id), 2 only in the first, 2 only in the second"
    )


def test_statistics_of_a_difference(compare):
    steps = np.linspace(-1, 3, N)

    def change(second):
        second["mag"] = second["mag"] + steps

    mag = column(compare(change, changes=2), "mag")

    # A magnitude of 20 and a step of 0.04 round at 1e-15.
    assert mag.median == pytest.approx(1, abs=1e-9)
    assert mag.spread == pytest.approx(0.34 * 4, abs=1e-9)
    assert mag.largest == pytest.approx(3, abs=1e-9)
    assert (mag.unit, mag.equal, mag.different) == ("mag", 1, N - 1)
    assert [(change.row_a, change.label) for change in mag.changes] == [
        (100, "source_id 100"),
        (99, "source_id 99"),
    ]
    assert mag.changes[0].b == pytest.approx(24)


def test_values_that_come_and_go(compare):
    def change(second):
        second["re"][:3] = 5
        second["flux"][10:14] = np.nan

    diff = compare(change)
    re, flux = column(diff, "re"), column(diff, "flux")

    assert (re.gained, re.lost, re.different, re.equal) == (3, 0, 3, N - 3)
    assert re.median is None
    assert (flux.gained, flux.lost, flux.different) == (0, 4, 4)
    assert (flux.median, flux.spread, flux.largest) == (0, 0, 0)
    assert flux.changes[0].row_a == 10
    assert np.isnan(flux.changes[0].b)


def test_text_and_truth_values(compare):
    def change(second):
        second["kind"][4] = "star"
        second["is_isolated"][:2] = True

    diff = compare(change, changes=5)
    kind, isolated = column(diff, "kind"), column(diff, "is_isolated")

    assert kind.changes == (RowChange(4, 4, "source_id 4", "galaxy", "star"),)
    assert kind.median is None
    assert [change.row_a for change in isolated.changes] == [0, 1]
    assert isolated.different == 2


def test_flags_are_no_amounts(compare):
    def change(second):
        second["flags"][[3, 5]] = 64

    flags = column(compare(change, changes=5), "flags")

    assert (flags.different, flags.median, flags.largest) == (2, None, None)
    assert [(change.row_a, change.a, change.b) for change in flags.changes] == [(3, 0, 64), (5, 0, 64)]


def test_right_ascension_goes_the_short_way_round(compare):
    def change(second):
        second["ra"][0] = 359.5

    ra = column(compare(change), "ra")

    assert ra.largest == pytest.approx(0.5)
    assert ra.different == 1


def test_position_angles_come_round_after_half_a_turn(tmp_path):
    ones = {
        key: [1.0] for key in ("mag", "flux", "re", "bulge_n", "bulge_re", "disc_re", "q_bulge", "q_disc")
    }
    zeros = {key: [0] for key in ("galaxy_id", "bulge_to_total", "knots_fraction", "dx", "dy", "flags")}
    for name, theta in (("a", 89.0), ("b", -88.0)):
        galaxies = Catalogue.from_columns(
            "galaxies", **ones, **zeros, side=["test"], kind=["bulge_disc"], theta=[theta]
        )
        galaxies.write(tmp_path / name)
    theta = column(diff_files(tmp_path / "a", tmp_path / "b"), "theta")

    assert theta.median == pytest.approx(3)
    assert theta.different == 1


def test_matching_by_position(compare):
    def change(second):
        second["source_id"] = second["source_id"][::-1].copy()
        second["x"] = second["x"] + 0.6

    diff = compare(change, max_distance_px=1)
    assert diff.matched == N
    assert column(diff, "x").median == pytest.approx(0.6)
    assert column(diff, "source_id").different == N - 1
    assert compare(change, max_distance_px=0.5).matched == 0
    assert compare(change, max_distance_arcsec=1).matched == N


def test_nothing_in_common(compare):
    diff = compare(lambda second: {**second, "source_id": second["source_id"] + 1000})

    assert diff.matched == 0
    assert all(found.equal == found.different == 0 and found.median is None for found in diff.columns)


def test_an_older_version_of_a_schema_can_still_be_compared(tmp_path, compare):
    compare(lambda second: None)
    table, _ = voparquet.read(tmp_path / "a.parquet")
    old = {
        name: Column(dtype=str(table[name].dtype), description="Old.")
        for name in table.colnames
        if name not in ("kind", "re")
    }
    table["colour"] = table["mag"]
    old["colour"] = Column(dtype="float64", description="Gone since.")
    schema = Schema(name="sources", version=1, description="Old.", columns=old)
    voparquet.write(tmp_path / "old.parquet", table, schema, {"schema": "sources", "schema_version": 0})
    diff = diff_files(tmp_path / "old.parquet", tmp_path / "a.parquet")

    assert (diff.schema_a, diff.schema_b) == ("sources 0", "sources 2")
    assert diff.columns_only_a == ("colour",)
    assert diff.columns_only_b == ("kind", "re")
    assert not diff.is_same
    assert all(found.different == 0 for found in diff.columns)


def test_row_numbers_are_not_compared(tmp_path):
    measured = {
        "stamp_id": [-1, -1],
        "galaxy_id": [-1, -1],
        "x": [1.0, 9.0],
        "y": [1.0, 9.0],
        "flags": [0, 0],
    }
    nan = {key: [np.nan, np.nan] for key in ("ra", "dec", "flux", "flux_err", "mag", "mag_err", "snr")}
    for name, order in (("a", 1), ("b", -1)):
        rows = {
            key: values[::order] for key, values in {**measured, **nan, "is_primary": [True, True]}.items()
        }
        Catalogue.from_columns("measurement", object_id=[0, 1], **rows).write(tmp_path / name)
    diff = diff_files(tmp_path / "a", tmp_path / "b")

    assert diff.is_same
    assert "object_id" not in [found.name for found in diff.columns]


def test_angles_are_shown_to_the_milliarcsecond(compare):
    def change(second):
        second["dec"][7] += 1e-6

    (row,) = column_rows(compare(change))
    assert row[-2:] == ["3.5", "3.500001"]


def test_the_table_lists_what_differs(compare):
    def change(second):
        second["mag"][7] += 2
        second["mag"][9] += 1

    rows = column_rows(compare(change, changes=2))

    assert [len(row) for row in rows] == [len(HEADER)] * 2
    assert rows[0][:4] == ["mag", "mag", "99", "2"]
    assert rows[0][6:] == ["2", "source_id 7", "20.07", "22.07"]
    assert rows[1] == [*[""] * 7, "source_id 9", "20.09", "21.09"]
    assert len(column_rows(compare(change, changes=0))) == 1


@pytest.mark.parametrize(
    ("value", "text"), [(1 / 3, "0.333333"), (1e-20, "1e-20"), (12345678, "12345678"), ("a", "a")]
)
def test_numbers_for_people(value, text):
    assert shown(value) == text
