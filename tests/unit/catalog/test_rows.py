"""Which rows are about the same source: by name where there is one, by position where there is none."""

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from skymill.catalog.rows import pair_rows
from skymill.errors import DataError


def pairs(a: Table, b: Table, *distances: float | None) -> tuple[str, set[tuple[int, int]]]:
    found = pair_rows(a, b, *distances)
    return found.matched_by, set(zip(found.rows_a.tolist(), found.rows_b.tolist(), strict=True))


def table(**columns: list) -> Table:
    return Table({name: np.array(values) for name, values in columns.items()})


def test_by_source_id():
    a, b = table(source_id=[5, 3, 8], x=[0, 0, 0]), table(source_id=[8, 9, 5], x=[50, 50, 50])

    assert pairs(a, b) == ("source_id", {(0, 2), (2, 0)})


def test_by_blend_and_galaxy():
    a = table(stamp_id=[0, 0, 1], galaxy_id=[4, 5, 4])
    b = table(stamp_id=[1, 0, 2], galaxy_id=[4, 4, 4])

    assert pairs(a, b) == ("stamp_id, galaxy_id", {(0, 1), (2, 0)})


def test_measurements_on_tiles_have_no_stamp_and_no_galaxy():
    a = table(stamp_id=[-1, -1], galaxy_id=[-1, -1], x=[0.0, 10.0], y=[0.0, 0.0])
    b = table(stamp_id=[-1, -1], galaxy_id=[-1, -1], x=[10.6, 11.5], y=[0.0, 0.0])

    assert pairs(a, b) == ("x, y within 1 px", {(1, 0)})
    assert pairs(a, b, 0.5)[1] == set()
    assert pairs(a, b, 20)[1] == {(1, 0), (0, 1)}


def test_detections_on_blends_are_matched_blend_by_blend():
    a = table(stamp_id=[0, 1, 2], galaxy_id=[-1, -1, -1], x=[5.0, 5.0, 5.0], y=[5.0, 5.0, 5.0])
    b = table(stamp_id=[2, 7, 0], galaxy_id=[-1, -1, -1], x=[5.2, 5.0, 5.9], y=[5.0, 5.0, 5.0])

    assert pairs(a, b)[1] == {(0, 2), (2, 0)}
    assert pairs(a, b, 1000)[1] == {(0, 2), (2, 0)}


def test_keys_that_stand_twice_are_no_keys():
    a, b = (
        table(galaxy_id=[1, 1], x=[0.0, 9.0], y=[0.0, 0.0]),
        table(galaxy_id=[1, 2], x=[9.0, 0.0], y=[0.0, 0.0]),
    )

    assert pairs(a, b) == ("x, y within 1 px", {(0, 1), (1, 0)})


def test_a_matched_table_has_names_for_the_truth_and_positions_for_the_rest():
    columns = {
        "dataset": ["blends"] * 4,
        "detector": ["sep", "sep", "unet", "unet"],
        "stamp_id": [0, 0, 0, 0],
    }
    a = table(**columns, truth_id=[1, -1, 1, -1], x=[np.nan, 5.0, 3.0, 5.0], y=[np.nan, 5.0, 3.0, 5.0])
    b = table(**columns, truth_id=[1, -1, 1, -1], x=[2.0, 40.0, 3.0, 5.5], y=[2.0, 5.0, 3.0, 5.0])

    assert pairs(a, b) == ("dataset, detector, stamp_id, truth_id", {(0, 0), (2, 2), (3, 3)})


def test_a_wish_for_positions_comes_before_names():
    a = table(source_id=[1, 2], x=[0.0, 9.0], y=[0.0, 0.0], ra=[10.0, 20.0], dec=[0.0, 0.0])
    b = table(source_id=[1, 2], x=[9.0, 0.0], y=[0.0, 0.0], ra=[10.0002, 20.1], dec=[0.0, 0.0])

    assert pairs(a, b)[1] == {(0, 0), (1, 1)}
    assert pairs(a, b, 1.0)[1] == {(0, 1), (1, 0)}
    assert pairs(a, b, None, 1.0) == ("ra, dec within 1 arcsec", {(0, 0)})


def test_empty_catalogues():
    none, some = table(source_id=np.zeros(0, int), x=[], y=[]), table(source_id=[1], x=[0.0], y=[0.0])

    assert pairs(none, some)[1] == pairs(some, none)[1] == pairs(none, none)[1] == set()
    assert pairs(none, some, 1.0)[1] == set()


def test_nothing_to_match_by():
    with pytest.raises(DataError, match=r"expected a key .* or the columns x, y, found the columns mag"):
        pair_rows(table(mag=[1.0]), table(mag=[1.0]))
    with pytest.raises(DataError, match="the columns ra, dec"):
        pair_rows(table(source_id=[1]), table(source_id=[1]), None, 1.0)


@given(st.sets(st.integers(0, 50)), st.sets(st.integers(0, 50)), st.randoms(use_true_random=False))
def test_names_in_any_order(names_a, names_b, random):
    orders = [random.sample(sorted(names), len(names)) for names in (names_a, names_b)]
    a, b = (table(source_id=np.array(order, dtype=int)) for order in orders)
    found = pair_rows(a, b)

    assert {orders[0][row] for row in found.rows_a} == names_a & names_b
    assert [orders[0][row] for row in found.rows_a] == [orders[1][row] for row in found.rows_b]
    assert (np.diff(found.rows_a) > 0).all()
