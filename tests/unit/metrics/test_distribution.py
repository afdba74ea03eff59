"""The probability integral transform on distributions whose answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kstest, norm

from skymill.metrics import distribution
from skymill.metrics.distribution import LEVELS, normal_quantiles, pit, pit_distance


@given(
    flux=arrays(float, 20, elements=st.floats(-1e4, 1e6)),
    error=arrays(float, 20, elements=st.floats(0.1, 1e4)),
    score=arrays(float, 20, elements=st.floats(-6, 6)),
)
def test_of_a_normal_distribution_it_is_its_cumulative_function(flux, error, score):
    true = flux + score * error
    found = pit(normal_quantiles(flux, error), true)
    np.testing.assert_allclose(found, norm.cdf(true, flux, error), rtol=1e-6, atol=1e-9)


def test_quantiles_of_a_normal_distribution_are_at_their_levels():
    quantiles = normal_quantiles(np.array([10.0, -3.0]), np.array([2.0, 0.5]))
    np.testing.assert_allclose(norm.cdf(quantiles, [[10.0], [-3.0]], [[2.0], [0.5]]), [LEVELS, LEVELS])


@pytest.mark.parametrize("number", range(5))
def test_at_a_quantile_it_is_its_level(number):
    quantiles = np.array([[1.0, 2.0, 5.0, 6.0, 100.0]])
    assert pit(quantiles, quantiles[:, number])[0] == pytest.approx(LEVELS[number])


@given(
    st.lists(st.integers(-1000, 1000), min_size=5, max_size=5).map(sorted),
    st.lists(st.integers(-2000, 2000), min_size=2, max_size=20).map(sorted),
)
def test_it_is_a_probability_that_grows_with_the_truth(quantiles, true):
    found = pit(np.tile(np.array(quantiles, float), (len(true), 1)), np.array(true, float))
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found) >= 0).all()


def test_errors_of_zero_are_certain():
    found = pit(normal_quantiles(np.full(3, 5.0), np.zeros(3)), np.array([4.9, 5.0, 5.1]))
    assert found.tolist() == [0.0, 1.0, 1.0]


@pytest.mark.parametrize(("flux", "error", "true"), [(np.nan, 1, 1), (1, np.nan, 1), (1, 1, np.nan)])
def test_without_a_measurement_or_a_truth_there_is_none(flux, error, true):
    quantiles = normal_quantiles(np.array([flux]), np.array([error]))
    assert np.isnan(pit(quantiles, np.array([true], float))).all()


@pytest.mark.parametrize("n", [1, 2, 17, 500])
@pytest.mark.parametrize("power", [0.5, 1.0, 3.0])
def test_the_distance_is_that_of_kolmogorov_and_smirnov(n, power):
    values = np.random.default_rng(n).uniform(size=n) ** power
    assert pit_distance(values) == pytest.approx(kstest(values, "uniform").statistic, abs=1e-12)


def test_bootstrap_counts_are_repeated_values():
    random = np.random.default_rng(3)
    values, counts = random.uniform(size=40), random.integers(0, 4, (6, 40))
    expected = [kstest(np.repeat(values, row), "uniform").statistic for row in counts]
    np.testing.assert_allclose(pit_distance(values, counts), expected, atol=1e-12)


def test_the_distance_of_honest_and_of_wrong_distributions():
    random = np.random.default_rng(4)
    error = random.uniform(0.5, 5, 4000)
    flux = 100 + error * random.normal(size=4000)
    true = np.full(4000, 100.0)
    distances = [
        pit_distance(pit(normal_quantiles(flux + shift * error, width * error), true))
        for shift, width in ((0, 1), (0, 0.5), (0, 2), (0.5, 1))
    ]
    # 1.36 / sqrt(4000), and the largest differences between normal distributions of these widths and shifts.
    assert distances[0] < 1.36 / 4000**0.5
    assert distances[1:] == pytest.approx([0.16, 0.16, 0.197], abs=0.02)


def test_levels_are_symmetric_about_the_median():
    assert LEVELS[2] == 0.5
    np.testing.assert_allclose(np.array(LEVELS) + LEVELS[::-1], 1.0)
    np.testing.assert_allclose(distribution.SCORES, norm.ppf(LEVELS))
