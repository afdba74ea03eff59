"""Photometric metrics on numbers whose answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymill.metrics import photometry
from skymill.metrics.distribution import normal_quantiles

TRUE = np.array([1.0, 2.0, 4.0, 10.0])


def test_fluxes_that_are_ten_percent_wrong():
    flux = TRUE * [1.1, 0.9, 1.1, 0.9]
    assert photometry.flux_ape(flux, TRUE) == pytest.approx([0.1] * 4)
    assert photometry.flux_mape(flux, TRUE) == pytest.approx(10.0)


def test_perfect_fluxes():
    delta = photometry.mag_difference(TRUE, TRUE)
    assert not delta.any()
    for metric in (photometry.mag_bias, photometry.mag_abs_median, photometry.mag_sigma, photometry.mag_nmad):
        assert metric(delta) == 0
    assert photometry.outlier_fraction(delta) == 0


def test_a_measurement_that_is_too_faint_has_a_positive_difference():
    assert photometry.mag_difference([0.1], [1.0]) == pytest.approx([2.5])


def test_fluxes_without_a_magnitude():
    delta = photometry.mag_difference([0.0, -3.0, np.nan, 1.0], np.ones(4))
    assert delta[0] == delta[1] == np.inf
    assert np.isnan(delta[2])
    assert delta[3] == 0


def test_a_flux_below_zero_is_an_outlier_and_leaves_the_widths_alone():
    delta = np.array([np.inf, 0.1, -0.1, 0.1, -0.1])
    assert photometry.outlier_fraction(delta) == pytest.approx(0.2)
    assert photometry.mag_sigma(delta) == pytest.approx(0.1)
    assert photometry.mag_nmad(delta) == pytest.approx(0.14826)
    assert photometry.mag_bias(delta) == pytest.approx(0.1)


def test_the_bias_is_a_median_and_the_absolute_median_is_not_its_absolute_value():
    delta = np.array([-0.3, -0.1, 0.0, 0.1, 0.3])
    assert photometry.mag_bias(delta) == 0
    assert photometry.mag_abs_median(delta) == pytest.approx(0.1)


def test_an_outlier_is_off_by_more_than_the_limit():
    assert photometry.outlier_fraction(np.array([0.75, -0.75, 0.76, -0.76])) == 0.5
    assert photometry.outlier_fraction(np.array([0.2, 0.4]), limit_mag=0.3) == 0.5


@given(st.floats(0.01, 100.0), st.floats(0.01, 100.0), st.floats(1e-6, 1e6))
def test_the_unit_of_the_fluxes_does_not_matter(flux, true, unit):
    one, other = ([np.array([f * u]) for f in (flux, true)] for u in (1.0, unit))
    assert photometry.flux_mape(*one) == pytest.approx(photometry.flux_mape(*other), rel=1e-9, abs=1e-9)
    assert photometry.mag_difference(*one) == pytest.approx(photometry.mag_difference(*other), abs=1e-9)


@given(st.floats(-3.0, 3.0))
def test_percentage_error_and_magnitude_difference_say_the_same(delta):
    ape = photometry.flux_ape([10 ** (-0.4 * delta)], [1.0])
    assert ape == pytest.approx([abs(10 ** (-0.4 * delta) - 1)])


def test_honest_errors_cover_what_they_promise():
    generator = np.random.default_rng(3)
    n = 40_000
    error = generator.uniform(1, 5, n)
    true = np.full(n, 100.0)
    flux = true + error * generator.normal(size=n)
    # Three standard deviations of a binomial fraction of 40,000: 0.7 and 0.33 percentage points.
    q025, q16, _, q84, q975 = normal_quantiles(flux, error).T
    assert photometry.coverage(q16, q84, true) == pytest.approx(0.68, abs=0.007)
    assert photometry.coverage(q025, q975, true) == pytest.approx(0.95, abs=0.0033)
    _, q16, _, q84, _ = normal_quantiles(flux, error / 2).T
    assert photometry.coverage(q16, q84, true) < 0.4


def test_ends_of_an_interval_and_uneven_ones_count():
    low, high = np.array([1.0, 1.0, 1.0, 1.0]), np.array([2.0, 2.0, 9.0, 9.0])
    assert photometry.coverage(low, high, np.array([1.0, 2.0, 8.0, 9.5])) == pytest.approx(0.75)


@pytest.mark.parametrize("name", ["flux_mape", "coverage"])
def test_weights_reach_the_metrics_of_fluxes(name):
    columns = {
        "flux_mape": [np.array([1.0, 1.3]), np.ones(2)],
        "coverage": [np.array([0.5, 8.0]), np.array([1.5, 10.0]), np.ones(2)],
    }[name]
    values = getattr(photometry, name)(*columns, weights=np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    assert values[0] != values[1]
    assert values[2] == pytest.approx((values[0] + values[1]) / 2)
