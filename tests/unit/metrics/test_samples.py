"""Distances of samples whose distributions are known."""

import numpy as np
import pytest
from scipy.stats import norm

from skymill.metrics.samples import sample_distances


@pytest.fixture
def random():
    return np.random.default_rng(40)


def distance(sample, reference, random, **settings):
    return sample_distances({"size": sample}, {"size": reference}, random, n_resamples=200, **settings)[
        "size"
    ]


def test_the_distance_of_shifted_normals_is_the_shift(random):
    reference, sample = random.normal(5, 2, 4000), random.normal(6, 2, 3000)
    found = distance(sample, reference, random)
    # A shift of 1 in units of the reference's 2.
    assert found.value == pytest.approx(0.5, abs=0.08)
    assert found.low < 0.5 < found.high
    assert found.differs
    assert (found.n, found.n_reference) == (3000, 4000)


def test_exactly_shifted_values_are_exactly_that_far(random):
    reference = random.normal(0, 3, 500)
    assert distance(reference + 0.7, reference, random).value == pytest.approx(0.7 / reference.std())


def test_the_distance_of_wider_normals_is_the_difference_of_widths(random):
    reference, sample = random.normal(0, 1, 5000), random.normal(0, 1.5, 5000)
    # The mean of |1.5 z - z|.
    expected = 0.5 * 2 * norm.pdf(0)
    assert distance(sample, reference, random).value == pytest.approx(expected, abs=0.05)


def test_the_unit_is_the_spread_of_the_reference(random):
    reference, sample = random.normal(5, 2, 300), random.normal(6, 4, 300)
    one = distance(sample, reference, np.random.default_rng(1))
    other = distance(1000 * sample, 1000 * reference, np.random.default_rng(1))
    assert one == pytest.approx(other)
    turned = distance(reference, sample, random)
    assert turned.value == pytest.approx(one.value * reference.std() / sample.std())


def test_samples_of_one_population_differ_by_chance_only():
    differs = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        found = distance(random.normal(size=80), random.normal(size=120), random)
        differs.append(found.differs)
    # 2 of 40 are expected.
    assert sum(differs) <= 6


def test_rows_without_a_value_are_left_out(random):
    sample, reference = random.normal(size=50), random.normal(size=60)
    found = distance(np.append(sample, [np.nan, np.inf]), reference, np.random.default_rng(1))
    assert found == distance(sample, reference, np.random.default_rng(1))


@pytest.mark.parametrize("reference", [{"gini": np.ones(3)}, {"size": np.ones(3)}, {"size": np.array([1.0])}])
def test_what_cannot_be_compared_is_refused(random, reference):
    with pytest.raises(ValueError, match=r"same statistics|two rows of each sample and a spread"):
        sample_distances({"size": np.arange(3.0)}, reference, random)
