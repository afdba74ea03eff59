"""Bootstrap intervals: known widths, groups, coverage, and bits that do not depend on memory."""

from functools import partial

import numpy as np
import pytest

from skymill.metrics import weighted
from skymill.metrics.bootstrap import bootstrap_intervals
from skymill.metrics.photometry import flux_mape


def bootstrap_interval(statistic, groups, generator, **options):
    return bootstrap_intervals({"": statistic}, groups, generator, **options)[""]


def interval(values, groups=None, seed=5, **options):
    groups = np.arange(len(values)) if groups is None else groups
    return bootstrap_interval(partial(weighted.mean, values), groups, np.random.default_rng(seed), **options)


def test_the_interval_of_a_mean_has_the_width_of_the_normal_theory():
    values = np.random.default_rng(6).normal(size=2000)
    low, high = interval(values, n_resamples=4000)
    half = 1.96 * values.std() / np.sqrt(2000)
    # A 2.5 % quantile of 4000 replicates has a relative error of ~2.5 %; four of them.
    assert high - values.mean() == pytest.approx(half, rel=0.1)
    assert values.mean() - low == pytest.approx(half, rel=0.1)


def test_rows_of_one_group_count_once():
    """Each value four times in a group of its own tells no more than the values alone."""
    values = np.random.default_rng(7).normal(size=300)
    alone = interval(values)
    together = interval(np.repeat(values, 4), np.repeat(np.arange(300), 4))
    as_if_independent = interval(np.repeat(values, 4))
    assert together == pytest.approx(alone, abs=1e-12)
    assert np.diff(as_if_independent) < 0.6 * np.diff(alone)


def test_groups_of_different_sizes_and_any_labels():
    values = np.array([1.0, 1.0, 5.0])
    low, high = interval(values, np.array([90, 90, -4]), n_resamples=500)
    assert (low, high) == (1.0, 5.0)
    assert interval(values, np.array(["b", "b", "a"]), n_resamples=500) == (low, high)


def test_the_same_bits_whatever_the_memory():
    values = np.random.default_rng(8).normal(size=77)
    reference = interval(values)
    assert [interval(values, max_elements=bound) for bound in (1, 1000, 10**7)] == [reference] * 3
    assert interval(values, seed=9) != reference


@pytest.mark.parametrize("level", [0.68, 0.95])
def test_it_holds_as_often_as_it_says(level):
    generator = np.random.default_rng(10)
    hits = 0
    for _ in range(400):
        low, high = bootstrap_interval(
            partial(weighted.median, generator.normal(size=80)),
            np.arange(80),
            generator,
            n_resamples=300,
            level=level,
        )
        hits += low <= 0 <= high
    # Three standard deviations of 400 trials, and the percentile method's own ~1 % at n = 80.
    assert hits / 400 == pytest.approx(level, abs=3 * np.sqrt(level * (1 - level) / 400) + 0.01)


def test_several_statistics_share_one_set_of_replicates():
    true = np.linspace(1, 2, 50)
    flux = true * np.random.default_rng(11).normal(1, 0.1, 50)
    twice = {"a": partial(flux_mape, flux, true), "b": partial(flux_mape, flux, true)}
    intervals = bootstrap_intervals(twice, np.arange(50), np.random.default_rng(12))
    assert intervals["a"] == intervals["b"]
    assert intervals["a"][0] < flux_mape(flux, true) < intervals["a"][1]


def test_replicates_without_a_value_are_left_out():
    def only_of_first_row(weights):
        return weighted.mean(np.array([3.0, np.nan])[:1], weights[:, :1])

    generator = np.random.default_rng(13)
    assert bootstrap_interval(only_of_first_row, np.arange(2), generator) == (3.0, 3.0)
    nothing = bootstrap_interval(lambda weights: np.full(len(weights), np.nan), np.arange(2), generator)
    assert np.isnan(nothing).all()


def test_infinite_replicates_reach_the_interval_without_a_warning():
    assert interval(np.array([np.inf, np.inf, np.inf]))[1] == np.inf


@pytest.mark.parametrize(("n", "resamples"), [(0, 100), (5, 1)])
def test_nothing_to_resample_is_refused(n, resamples):
    with pytest.raises(ValueError, match="at least 2 resamples"):
        interval(np.zeros(n), n_resamples=resamples)
