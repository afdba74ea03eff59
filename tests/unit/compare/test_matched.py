"""The matched table: a row for every true source, and for every detection that is none."""

import numpy as np
import pytest
from scipy.stats import norm

from skymill.catalog.catalogue import Catalogue
from skymill.catalog.flags import Flag
from skymill.compare.matched import is_of_blends, match_dataset, with_images, with_reference_outcome
from skymill.errors import DataError


@pytest.fixture
def two_blends(blends, as_truth):
    """Blend 0 with galaxies at x = 10 and 20, blend 1 with galaxies at x = 10 and 14."""
    return as_truth(
        blends([0, 0, 1, 1], [10.0, 20.0, 10.0, 14.0], [10.0] * 4, flux=[100.0, 50.0, 80.0, 40.0])
    )


def test_kinds_of_datasets():
    assert is_of_blends("test_blends")
    assert is_of_blends("real_blends")
    assert not is_of_blends("injected:field")
    assert not is_of_blends("reference:field")


def test_rows_of_true_sources_come_first_and_in_their_order(two_blends, measurement):
    found = measurement(
        [14.2, 10.0, 20.0, 60.0], [10.0] * 4, stamp_id=[1, 0, 0, 1], flux=[44.0, 100.0, -3.0, 7.0]
    )
    matched = match_dataset("test_blends", "sep", two_blends, found, 3.0)
    assert matched["truth_id"].tolist() == [0, 1, 2, 3, -1]
    assert matched["object_id"].tolist() == [1, 2, -1, 0, 3]
    assert matched["is_matched"].tolist() == [True, True, False, True, False]
    assert matched["delta_mag"][0] == 0
    assert matched["delta_mag"][1] == np.inf
    assert matched["delta_mag"][3] == pytest.approx(-2.5 * np.log10(1.1))
    assert np.isnan(matched["delta_mag"][[2, 4]]).all()
    assert np.isnan(matched["flux"][2])
    assert matched["flux"][4] == 7.0
    assert matched["role"].tolist() == ["central", "companion", "central", "companion", "none"]
    assert matched["outcome"].tolist() == ["both", "both", "companion_only", "companion_only", "none"]
    assert matched["distance"][3] == pytest.approx(0.2)


def test_a_detectors_own_distribution_is_taken_and_else_a_normal_one(two_blends, measurement):
    positions = ([10.0, 20.0, 10.0, 14.0], [10.0] * 4)
    own = {"flux_q025": 60.0, "flux_q16": 80.0, "flux_q84": 100.0, "flux_q975": 200.0}
    columns = {name: np.array([value, np.nan, np.nan, np.nan]) for name, value in own.items()}
    found = measurement(
        *positions, stamp_id=[0, 0, 1, 1], flux=[90.0, 45.0, 80.0, 40.0], flux_err=[5.0] * 4, **columns
    )
    matched = match_dataset("test_blends", "unet", two_blends, found, 3.0)
    assert [matched[name][0] for name in own] == list(own.values())
    # The truth of 100 is the first one's 84 % point; the second's 50 is one sigma above 45.
    np.testing.assert_allclose(matched["pit"], [0.84, norm.cdf(1.0), 0.5, 0.5])
    assert matched["flux_q84"][1] == pytest.approx(45 + 5 * norm.ppf(0.84))


def test_what_was_not_measured_has_no_distribution(two_blends, measurement):
    found = measurement([10.0, 60.0], [10.0] * 2, stamp_id=[0, 1], flux=[100.0, 7.0], flux_err=[5.0] * 2)
    matched = match_dataset("test_blends", "sep", two_blends, found, 3.0)
    assert np.isnan(matched["pit"][1:]).all() and matched["pit"][0] == 0.5
    assert np.isnan(matched["flux_q16"][1:4]).all()


def test_given_positions_have_no_outcome(two_blends, measurement):
    found = measurement([10.0] * 4, [10.0] * 4, stamp_id=[0, 0, 1, 1], galaxy_id=[0, 1, 2, 3])
    matched = match_dataset("test_blends", "unet", two_blends, found, 3.0)
    assert matched["is_matched"].all()
    assert set(matched["outcome"]) == {"none"}


def test_a_failed_measurement_is_a_detection_without_a_flux(two_blends, measurement):
    found = measurement([10.0], [10.0], stamp_id=[0], flux=[np.nan], flags=[int(Flag.FAILED)])
    matched = match_dataset("test_blends", "sep", two_blends, found, 3.0)
    assert matched["is_matched"].tolist() == [True, False, False, False]
    assert np.isnan(matched["delta_mag"][0])
    assert matched["flags"][0] == Flag.FAILED


def test_duplicates_from_other_windows_are_left_out(sources, measurement, as_truth):
    truth = as_truth(sources([10.0], [10.0]))
    found = measurement([10.0, 10.3, 40.0], [10.0] * 3, is_primary=[False, True, False])
    matched = match_dataset("reference:t", "sep", truth, found, 3.0)
    assert matched["object_id"].tolist() == [1]


def test_injected_tiles_say_nothing_about_other_detections(sources, measurement, as_truth):
    truth = as_truth(sources([10.0], [10.0]))
    found = measurement([10.0, 90.0], [10.0, 90.0])
    assert len(match_dataset("injected:t", "sep", truth, found, 3.0)) == 1
    assert len(match_dataset("reference:t", "sep", truth, found, 3.0)) == 2


def test_what_lies_on_bad_pixels_is_not_counted(sources, measurement, as_truth):
    """Neither a flagged true source with its detection, nor a flagged detection without a true source."""
    truth = as_truth(sources([10.0, 30.0], [10.0, 30.0], flags=[int(Flag.SATURATED), int(Flag.BLENDED)]))
    found = measurement(
        [10.0, 30.0, 60.0, 90.0], [10.0, 30.0, 60.0, 90.0], flags=[0, int(Flag.MASKED), int(Flag.MASKED), 0]
    )
    matched = match_dataset("reference:t", "sep", truth, found, 3.0)
    assert matched["is_counted"].tolist() == [False, True, False, True]


@pytest.mark.parametrize("dataset", ["test_blends", "injected:t", "reference:t"])
def test_an_empty_catalogue_finds_nothing(dataset, blends, sources, as_truth):
    truth = as_truth(
        blends([0, 0], [1.0, 2.0], [1.0, 2.0]) if is_of_blends(dataset) else sources([1.0], [1.0])
    )
    matched = match_dataset(dataset, "sep", truth, Catalogue.empty("measurement"), 3.0)
    assert len(matched) == len(truth)
    assert not matched["is_matched"].any()
    assert set(matched["outcome"]) == ({"nothing"} if is_of_blends(dataset) else {"none"})


def test_the_reference_detectors_outcome_goes_to_every_row_of_its_blend(two_blends, measurement):
    reference = match_dataset(
        "test_blends",
        "sep",
        two_blends,
        measurement([10.0, 20.0, 14.0, 50.0], [10.0] * 4, stamp_id=[0, 0, 1, 0], flags=[0] * 4),
        3.0,
    )
    given = measurement([10.0] * 4, [10.0] * 4, stamp_id=[0, 0, 1, 1], galaxy_id=[0, 1, 2, 3])
    matched = with_reference_outcome(match_dataset("test_blends", "unet", two_blends, given, 3.0), reference)
    assert matched["reference_outcome"].tolist() == ["more", "more", "companion_only", "companion_only"]
    assert set(matched["outcome"]) == {"none"}
    itself = with_reference_outcome(reference, reference)
    assert np.array_equal(itself["reference_outcome"][:4], itself["outcome"][:4])


def test_without_a_reference_detector_the_table_stays_as_it_is(two_blends):
    matched = match_dataset("test_blends", "unet", two_blends, Catalogue.empty("measurement"), 3.0)
    assert with_reference_outcome(matched, None) is matched
    assert len(with_reference_outcome(Catalogue.empty("matched"), matched)) == 0
    assert with_reference_outcome(matched, Catalogue.empty("matched")) is matched


def test_errors_of_images_stand_beside_their_galaxies_and_nowhere_else(two_blends, measurement, deblended):
    found = measurement([14.2, 10.0, 60.0], [10.0] * 3, stamp_id=[1, 0, 1], flux=[44.0, 100.0, 7.0])
    matched = match_dataset("test_blends", "unet", two_blends, found, 3.0)
    assert np.isnan(matched["image_psnr"]).all()
    with_errors = with_images(matched, deblended([1, 0], [2, 0], image_psnr=[30.0, 50.0]))
    np.testing.assert_array_equal(with_errors["image_psnr"], [50.0, np.nan, 30.0, np.nan, np.nan])
    np.testing.assert_array_equal(with_errors["blend_psnr"], [20.0, np.nan, 20.0, np.nan, np.nan])
    assert with_errors["image_size_error"][0] == pytest.approx(-0.03)
    np.testing.assert_array_equal(with_errors["flux"], matched["flux"])
    # What was given stays as it was.
    assert np.isnan(matched["image_psnr"]).all()


def test_images_of_other_blends_are_refused(two_blends, deblended):
    matched = match_dataset("test_blends", "unet", two_blends, Catalogue.empty("measurement"), 3.0)
    with pytest.raises(DataError, match="galaxy 7 of blend 1"):
        with_images(matched, deblended([0, 1], [0, 7]))
