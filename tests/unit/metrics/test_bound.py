"""Errors in units of the least possible ones."""

import numpy as np
import pytest

from skymill.metrics.bound import flux_bound_median, flux_error_over_bound, flux_mape_bound
from skymill.metrics.photometry import flux_mape

N = 200_000


@pytest.fixture
def fluxes():
    """True fluxes over a factor of a hundred and bounds of 1 to 10 % of them."""
    generator = np.random.default_rng(21)
    true = 10 ** generator.uniform(0, 2, N)
    return generator, true, true * generator.uniform(0.01, 0.1, N)


@pytest.mark.parametrize("factor", [1.0, 2.5])
def test_normal_errors_are_as_many_bounds_as_they_are(fluxes, factor):
    generator, true, bound = fluxes
    measured = true + factor * bound * generator.normal(size=N)

    # The median of N absolute normal numbers is known to 0.18 %: four standard errors.
    assert flux_error_over_bound(measured, true, bound) == pytest.approx(factor, rel=0.008)


def test_the_floor_is_the_mape_of_errors_at_the_bound(fluxes):
    generator, true, bound = fluxes
    measured = true + bound * generator.normal(size=N)

    assert flux_mape_bound(true, bound) == pytest.approx(flux_mape(measured, true), rel=0.01)
    assert flux_bound_median(true, bound) == pytest.approx(5.5, rel=0.01)


def test_bias_counts_and_a_few_wild_galaxies_do_not(fluxes):
    generator, true, bound = fluxes
    measured = true + bound * generator.normal(size=N)
    wild = np.where(np.arange(N) % 50 == 0, 100 * measured, measured)

    assert flux_error_over_bound(measured + 10 * bound, true, bound) == pytest.approx(10 / 0.6745, rel=0.01)
    assert flux_error_over_bound(wild, true, bound) == pytest.approx(1, rel=0.04)
