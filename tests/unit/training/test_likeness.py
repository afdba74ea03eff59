from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from skymill.metrics.morphology import morphology
from skymill.training.likeness import NO_GALAXIES, Likeness

SIDE = 40


def galaxies(axis_ratios, sigma=3.0):
    y, x = np.indices((SIDE, SIDE)) - SIDE // 2
    q = np.asarray(axis_ratios)[:, None, None]
    return 100 * np.exp(-0.5 * (q * x**2 + y**2 / q) / sigma**2)


def place(count):
    return np.full(count, SIDE // 2), np.full(count, SIDE // 2)


@pytest.fixture
def ratios():
    return np.random.default_rng(3).uniform(0.3, 1.0, 40)


def updated(likeness, drawn, real):
    likeness.update(galaxies(drawn), galaxies(real), place(len(real)), np.ones(len(real)))
    return likeness


def test_the_same_galaxies_are_no_distance_apart(ratios):
    likeness = updated(Likeness(), ratios[::-1], ratios)

    assert likeness.mean() == pytest.approx(0, abs=1e-9)
    assert likeness.compute()["largest_distance"] == pytest.approx(0, abs=1e-9)


def test_distances_are_in_standard_deviations_of_the_real_ones(ratios):
    rounder = np.sqrt(ratios)
    likeness = updated(Likeness(), rounder, ratios)
    one, other = (
        morphology(galaxies(each), *place(40), threshold=3.0, background_rms=0.0)["ellipticity"]
        for each in (rounder, ratios)
    )
    expected = wasserstein_distance(one, other) / other.std()

    assert likeness.compute()["distance_ellipticity"] == pytest.approx(expected)
    assert expected > 0.5


def test_batches_count_together_and_epochs_apart(ratios):
    whole = updated(Likeness(), np.sqrt(ratios), ratios).compute()
    parts = Likeness()
    for _ in range(2):
        for rows in (slice(0, 15), slice(15, 40)):
            updated(parts, np.sqrt(ratios[rows]), ratios[rows])
        assert parts.compute() == pytest.approx(whole)
        parts.reset()


def test_galaxies_that_cannot_be_measured_are_far_away(ratios):
    likeness = Likeness()
    likeness.update(0 * galaxies(ratios), galaxies(ratios), place(40), np.ones(40))

    assert likeness.compute()["largest_distance"] == NO_GALAXIES
