"""The expectation of a pair of which the larger number is seen."""

import numpy as np
import pytest
from scipy.stats import norm

from skymill.metrics.larger import expected_of_pair


def test_equal_numbers_share_the_chance_of_being_the_larger_one():
    found = expected_of_pair([0.5], [[0.0, 0.0]], [[1.0, 1.0]])
    below = -norm.pdf(0.5) / norm.cdf(0.5)

    np.testing.assert_allclose(found, [[(0.5 + below) / 2] * 2], rtol=1e-12)


def test_what_is_far_brighter_is_what_is_seen_and_the_other_one_stays_unknown():
    np.testing.assert_allclose(
        expected_of_pair([51.0], [[50.0, 10.0]], [[1.0, 2.0]]), [[51.0, 10.0]], atol=1e-12
    )
    # Also where neither is likely.
    assert np.isfinite(expected_of_pair([-80.0], [[50.0, 10.0]], [[1.0, 2.0]])).all()


def test_it_is_the_mean_of_the_pairs_with_that_larger_number():
    random = np.random.default_rng(1)
    mean, sigma = np.array([1.0, 0.0]), np.array([1.0, 2.0])
    pairs = random.normal(mean, sigma, (400_000, 2))
    near = np.abs(pairs.max(axis=1) - 1.5) < 0.02
    found = expected_of_pair([1.5], mean[None], sigma[None])[0]

    np.testing.assert_allclose(found, pairs[near].mean(axis=0), atol=5 * 2 / np.sqrt(near.sum()))


def test_no_other_estimate_of_a_pair_has_a_smaller_error():
    random = np.random.default_rng(2)
    pairs = random.normal(0, 1, (200_000, 2))
    larger = pairs.max(axis=1)
    found = expected_of_pair(larger, np.zeros((len(larger), 2)), np.ones((len(larger), 2)))
    error = ((found - pairs) ** 2).mean()
    # The best line through the larger number leaves 1 - 0.5² / Var(larger), Var(larger) = 1 - 1 / pi.
    line = 1 - 0.25 / (1 - 1 / np.pi)

    assert error < line and error == pytest.approx(line, rel=0.05)
