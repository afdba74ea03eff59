"""Metrics records of a matched table."""

import numpy as np
import pytest

from skymill.catalog.catalogue import Catalogue
from skymill.compare.figures import records
from skymill.compare.matched import match_dataset, with_reference_outcome
from skymill.config.compare import CompareConfig
from skymill.data.survey import mag_to_njy
from skymill.metrics.record import to_json

CONFIG = CompareConfig(bootstrap_resamples=200, mag_edges_mag=(18, 20, 22, 24))


def found(figures):
    return {(record.metric, record.subset): record for record in figures}


@pytest.fixture
def truth(blends, as_truth):
    """Sixty pairs 12 px apart; separation_re 0.5 in the first half, 1.5 in the second."""
    stamp = np.repeat(np.arange(60), 2)
    mag = np.random.default_rng(17).uniform(18.5, 23.5, 120)
    return as_truth(
        blends(
            stamp,
            np.tile([20.0, 32.0], 60),
            np.full(120, 20.0),
            flux=mag_to_njy(mag),
            separation_re=np.repeat([0.5, 1.5], 60),
        )
    )


@pytest.fixture
def measured(truth, measurement):
    """Measure some rows of the truth with given relative errors; `given` as networks do, at known positions."""

    def make(name, rows, errors, given=False):
        catalogue = measurement(
            truth.x[rows],
            truth.y[rows],
            stamp_id=truth.stamp_id[rows],
            galaxy_id=truth.truth_id[rows] if given else np.full(len(rows), -1),
            flux=truth.flux[rows] * (1 + np.asarray(errors)),
            flux_err=np.full(len(rows), np.nan) if given else 0.1 * truth.flux[rows],
        )
        return match_dataset("test_blends", name, truth, catalogue, 3.0)

    return make


def test_a_detector_that_finds_three_of_four(truth, measured):
    """In the first thirty pairs the central alone is found, in the others both; every flux is 20 % too high."""
    rows = np.flatnonzero((truth.role == "central") | (truth.stamp_id >= 30))
    matched = measured("sep", rows, np.full(90, 0.2))
    figures = found(records(with_reference_outcome(matched, matched), "test_blends", "sep", CONFIG, 1))
    mape = figures["flux_mape", "all"]
    assert (mape.value, mape.low, mape.high) == pytest.approx((20.0, 20.0, 20.0))
    assert (mape.unit, mape.n, mape.detector, mape.dataset) == ("percent", 90, "sep", "test_blends")
    assert figures["mag_bias", "all"].value == pytest.approx(-2.5 * np.log10(1.2))
    assert figures["outlier_fraction", "all"].value == 0
    assert figures["coverage_68", "all"].value == 0
    assert figures["completeness", "all"].value == 0.75
    assert figures["completeness", "companion"].value == 0.5
    assert figures["completeness", "all"].n == 120
    assert figures["purity", "all"].value == 1
    assert figures["found_both", "all"].value == 0.5
    assert figures["found_both", "all"].n == 60
    assert figures["found_central_only", "separation:0-0.8"].value == 1
    assert figures["found_both", "separation:1.2-2"].value == 1
    assert figures["flux_mape", "both_found"].n == 60
    assert figures["flux_mape", "central_found"].n == 60
    assert figures["flux_mape", "companion_found"].n == 30


def test_networks_are_compared_on_the_galaxies_that_the_reference_found(truth, measured):
    """A network is 5 % off where both were found and 50 % elsewhere."""
    rows = np.flatnonzero(truth.stamp_id < 20)
    reference = measured("sep", rows, np.zeros(40))
    errors = np.where(truth.stamp_id < 20, 0.05, 0.5)
    unet = with_reference_outcome(measured("unet", np.arange(120), errors, given=True), reference)
    figures = found(records(unet, "test_blends", "unet", CONFIG, 1))
    assert figures["flux_mape", "both_found"].value == pytest.approx(5.0)
    assert figures["flux_mape", "both_found"].n == 40
    assert figures["flux_mape", "all"].value == pytest.approx(5 / 3 + 100 / 3)
    metrics = {metric for metric, _ in figures}
    assert not metrics & {"completeness", "purity", "found_both"}
    assert "coverage_68" not in metrics  # no uncertainties were given


def test_intervals_hold_the_value_and_resample_whole_blends(truth, measured):
    """Errors that the two galaxies of a blend share make the interval wider than independent ones of one size."""
    generator = np.random.default_rng(18)
    alone = generator.normal(0, 0.1, 120)
    shared = np.repeat(generator.permutation(alone)[:60], 2)
    widths = []
    for errors in (alone, shared):
        figures = found(records(measured("sep", np.arange(120), errors), "test_blends", "sep", CONFIG, 1))
        record = figures["flux_mape", "all"]
        assert record.low < record.value < record.high
        widths.append(record.high - record.low)
    # Sixty independent errors instead of 120: wider by sqrt 2 but for the scatter of both widths.
    assert widths[1] / widths[0] == pytest.approx(np.sqrt(2), rel=0.25)


def test_injected_pairs_are_drawn_together(sources, measurement, as_truth):
    """Sixty pairs with one error each: intervals are wider by sqrt 2 than those of as many galaxies alone."""
    x = 40.0 * np.arange(120)
    shared = np.repeat(np.random.default_rng(19).exponential(0.2, 60), 2)
    catalogue = measurement(x, np.zeros(120), flux=100 * (1 + shared))
    widths = []
    for pair_id in (np.zeros(120), 1 + np.arange(120) // 2):
        truth = as_truth(sources(x, np.zeros(120), pair_id=pair_id))
        matched = match_dataset("injected:t", "sep", truth, catalogue, 3.0)
        record = found(records(matched, "injected:t", "sep", CONFIG, 1))["flux_mape", "all"]
        assert (record.value, record.n) == (pytest.approx(100 * shared.mean()), 120)
        widths.append(record.high - record.low)
    assert widths[1] / widths[0] == pytest.approx(np.sqrt(2), rel=0.2)


def test_the_same_figures_in_any_company_and_other_ones_for_another_seed(truth, measured):
    matched = measured("sep", np.arange(120), np.random.default_rng(19).normal(0, 0.1, 120))
    first = records(matched, "test_blends", "sep", CONFIG, 1)
    assert records(matched, "test_blends", "sep", CONFIG, 1) == first
    other = found(records(matched, "test_blends", "sep", CONFIG, 2))
    key = ("flux_mape", "all")
    assert other[key].value == found(first)[key].value
    assert other[key].low != found(first)[key].low


def test_tiles(sources, measurement, as_truth):
    """Of fifty sources the 25 brighter ones are found, 0.1 mag too faint; ten detections are none of them."""
    mag = np.linspace(18.1, 21.9, 50)
    truth = as_truth(sources(50.0 * np.arange(50), np.zeros(50), flux=mag_to_njy(mag)))
    x = np.concatenate([50.0 * np.arange(25), 25 + 50.0 * np.arange(10)])
    catalogue = measurement(
        x, np.zeros(35), flux=np.concatenate([mag_to_njy(mag[:25] + 0.1), np.full(10, mag_to_njy(21.0))])
    )
    for dataset in ("reference:t", "injected:t"):
        figures = found(
            records(match_dataset(dataset, "sep", truth, catalogue, 3.0), dataset, "sep", CONFIG, 1)
        )
        assert figures["completeness", "all"].value == 0.5
        assert figures["completeness", "bright"].value == 1
        assert figures["completeness", "mag:18-20"].value == 1
        assert figures["completeness", "mag:20-22"].value == 0
        assert figures["mag_abs_median", "isolated_bright_galaxies"].value == pytest.approx(0.1)
        assert figures["mag_bias", "isolated_bright"].value == pytest.approx(0.1)
        assert (("purity", "all") in figures) == (dataset == "reference:t")
        if dataset == "reference:t":
            assert figures["purity", "all"].value == pytest.approx(25 / 35)
            assert figures["purity", "mag:20-22"].value == pytest.approx(0.0, abs=0.12)
        assert not any(metric.startswith("found_") for metric, _ in figures)


def test_few_rows_have_no_photometric_figures(sources, measurement, as_truth):
    truth = as_truth(sources(50.0 * np.arange(4), np.zeros(4)))
    catalogue = measurement(50.0 * np.arange(4), np.zeros(4))
    figures = found(
        records(match_dataset("injected:t", "sep", truth, catalogue, 3.0), "injected:t", "sep", CONFIG, 1)
    )
    assert {metric for metric, _ in figures} == {"completeness"}


def test_fluxes_below_zero_never_reach_the_file_as_infinities(truth, measured):
    errors = np.where(np.arange(120) % 3 > 0, -2.0, 0.0)
    figures = records(measured("sep", np.arange(120), errors), "test_blends", "sep", CONFIG, 1)
    assert ("mag_bias", "all") not in found(figures)
    assert found(figures)["outlier_fraction", "all"].value == pytest.approx(2 / 3)
    assert "Infinity" not in to_json(figures)


def test_nothing_at_all(as_truth):
    empty = as_truth(Catalogue.empty("sources"))
    matched = match_dataset("reference:t", "sep", empty, Catalogue.empty("measurement"), 3.0)
    assert records(matched, "reference:t", "sep", CONFIG, 1) == []


def test_errors_are_set_beside_the_bounds(blends, bounds, as_truth, measurement):
    """Every flux is 3 too high; the bound is 2 for the first forty galaxies and unknown for the others."""
    stamp, x = np.repeat(np.arange(30), 2), np.tile([20.0, 32.0], 30)
    flux = np.linspace(100, 400, 60)
    truth = as_truth(
        blends(stamp, x, np.full(60, 20.0), flux=flux), bounds(stamp[:40], np.arange(40), np.full(40, 2.0))
    )
    catalogue = measurement(x, np.full(60, 20.0), stamp_id=stamp, flux=flux + 3)
    matched = match_dataset("test_blends", "sep", truth, catalogue, 3.0)
    figures = found(records(matched, "test_blends", "sep", CONFIG, 1))
    ratio = figures["flux_error_over_bound", "all"]
    assert (ratio.value, ratio.unit, ratio.n) == (pytest.approx(1.5 / 0.67449), "ratio", 40)
    assert figures["flux_mape_bound", "all"].value == pytest.approx(79.788 * np.mean(2 / flux[:40]), rel=1e-4)
    assert figures["flux_bound_median", "all"].value == pytest.approx(100 * np.median(2 / flux[:40]))
    assert figures["flux_mape", "all"].n == 60
    assert ("flux_error_over_bound", "separation:0.8-1.2") in figures
    assert not any(
        metric.endswith("bound")
        for metric, _ in found(
            records(
                match_dataset("test_blends", "sep", as_truth(blends(stamp, x, x)), catalogue, 60.0),
                "test_blends",
                "sep",
                CONFIG,
                1,
            )
        )
    )


def test_completeness_and_purity_at_detection_probabilities(sources, measurement, as_truth):
    truth = as_truth(sources(np.arange(4) * 20.0, np.zeros(4)))
    x, probability = [0.0, 20.0, 40.0, 200.0, 300.0], [0.95, 0.6, 0.3, 0.7, 0.2]
    catalogue = measurement(x, np.zeros(5), detection_probability=probability)
    config = CONFIG.model_copy(update={"probabilities": (0.25, 0.5, 0.9, 0.99)})
    figures = found(
        records(match_dataset("reference:t", "unet", truth, catalogue, 3.0), "reference:t", "unet", config, 1)
    )

    completeness = [figures["completeness", f"probability:{limit}"].value for limit in config.probabilities]
    assert completeness == [3 / 4, 2 / 4, 1 / 4, 0.0]
    purity = [figures["purity", f"probability:{limit}"].value for limit in config.probabilities[:3]]
    assert purity == pytest.approx([3 / 4, 2 / 3, 1.0])
    assert ("purity", "probability:0.99") not in figures  # no detection is that sure


def test_detectors_without_probabilities_have_no_such_figures(truth, measured):
    figures = records(measured("sep", np.arange(40), np.zeros(40)), "test_blends", "sep", CONFIG, 1)

    assert not any(record.subset.startswith("probability") for record in figures)
