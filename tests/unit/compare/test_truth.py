"""Both kinds of truth in one form."""

import numpy as np
import pytest

from skymill.catalog.catalogue import Catalogue
from skymill.catalog.flags import Flag
from skymill.errors import DataError


def test_galaxies_of_blends(blends, as_truth):
    truth = as_truth(
        blends([4, 4], [1.0, 2.0], [3.0, 4.0], galaxy_id=[7, 9], blend_class=["isolated", "strong"])
    )
    assert truth.truth_id.tolist() == [7, 9]
    assert truth.stamp_id.tolist() == [4, 4]
    assert truth.role.tolist() == ["central", "companion"]
    assert truth.is_isolated.tolist() == [True, False]
    assert truth.is_counted.all()


def test_sources_on_a_tile(sources, as_truth):
    truth = as_truth(sources([1.0, 2.0], [3.0, 4.0], is_isolated=[False, True]))
    assert truth.stamp_id.tolist() == [-1, -1]
    assert set(truth.role) == {"source"}
    assert set(truth.blend_class) == {"none"}
    assert np.isnan(truth.separation_re).all()
    assert truth.is_isolated.tolist() == [False, True]


@pytest.mark.parametrize(
    ("flag", "counted"),
    [(Flag.EDGE, False), (Flag.MASKED, False), (Flag.SATURATED, False), (Flag.BLENDED, True), (0, True)],
)
def test_flagged_sources_are_not_counted(sources, as_truth, flag, counted):
    assert as_truth(sources([1.0], [1.0], flags=[int(flag)])).is_counted.tolist() == [counted]


def test_a_source_of_unknown_flux_is_not_counted(sources, as_truth):
    assert as_truth(sources([1.0, 2.0], [1.0, 2.0], flux=[np.nan, -1.0])).is_counted.tolist() == [
        False,
        False,
    ]


def test_another_schema_is_refused(as_truth):
    with pytest.raises(DataError, match=r"truth\.parquet.*schema blends or sources.*schema galaxies"):
        as_truth(Catalogue.empty("galaxies"))


def test_bounds_are_put_beside_their_galaxies(blends, bounds, as_truth):
    """Galaxy 7 is in both blends; the bound of one galaxy is not known."""
    catalogue = blends([4, 4, 5], [1.0, 2.0, 1.0], [3.0, 4.0, 3.0], galaxy_id=[7, 9, 7])
    truth = as_truth(catalogue, bounds([5, 4], [7, 9], [0.5, 0.9]))
    np.testing.assert_array_equal(truth.flux_bound, [np.nan, 0.9, 0.5])
    assert np.isnan(as_truth(catalogue).flux_bound).all()


def test_bounds_of_other_blends_are_refused(blends, bounds, as_truth):
    with pytest.raises(DataError, match=r"bounds\.parquet.*galaxy 7 of blend 6"):
        as_truth(blends([4], [1.0], [3.0], galaxy_id=[7]), bounds([6], [7], [0.5]))


def test_distance_to_a_brighter_source_of_the_tile(sources, as_truth):
    truth = as_truth(sources([10.0, 13.0, 13.0, 90.0], [10.0, 14.0, 15.0, 10.0], flux=[1.0, 9.0, 2.0, 5.0]))

    np.testing.assert_allclose(truth.brighter_distance, [5.0, np.nan, 1.0, np.nan])


def test_brighter_sources_of_other_blends_do_not_count(blends, as_truth):
    truth = as_truth(blends([0, 0, 1], [10.0, 16.0, 11.0], [10.0, 18.0, 10.0], flux=[1.0, 2.0, 99.0]))

    np.testing.assert_allclose(truth.brighter_distance, [10.0, np.nan, np.nan])
