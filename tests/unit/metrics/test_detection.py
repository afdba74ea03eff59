"""Fractions of found and real sources, and their intervals."""

import numpy as np
import pytest
from astropy.stats import binom_conf_interval

from skymill.metrics.detection import binomial_interval, completeness, purity


def test_fractions():
    assert completeness(np.array([True, True, False, True])) == 0.75
    assert purity(np.array([False, True])) == 0.5


@pytest.mark.parametrize("level", [0.68, 0.95])
def test_the_interval_is_astropys_wilson_interval(level):
    successes = np.array([0, 1, 5, 17, 20])
    expected = binom_conf_interval(successes, 20, level, interval="wilson")
    assert np.allclose(binomial_interval(successes, 20, level), expected, atol=1e-12)


def test_without_trials_nothing_is_known():
    assert [float(bound) for bound in binomial_interval(0, 0)] == [0.0, 1.0]


def test_the_ends_are_exact():
    low, high = binomial_interval([0, 7], [7, 7])
    assert low[0] == 0
    assert high[1] == 1
    assert 0 < high[0] < 1
    assert 0 < low[1] < 1


def test_it_holds_as_often_as_it_says():
    generator = np.random.default_rng(4)
    successes = generator.binomial(60, 0.93, 20_000)
    low, high = binomial_interval(successes, 60)
    # Wilson's interval covers 0.95 within some 2 points at n = 60 (Brown et al. 2001, figure 5).
    assert np.mean((low <= 0.93) & (high >= 0.93)) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(("successes", "trials", "level"), [(3, 2, 0.95), (-1, 2, 0.95), (1, 2, 1.0)])
def test_impossible_counts_are_refused(successes, trials, level):
    with pytest.raises(ValueError, match="expected"):
        binomial_interval(successes, trials, level)
