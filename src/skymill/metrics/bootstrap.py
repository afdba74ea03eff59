"""Confidence intervals by resampling, in arrays of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Resampled values that are held at once: 8 bytes each, a handful of temporaries, below 100 MB together.
MAX_ELEMENTS = 2_000_000

#: Bootstrap counts, shape (k, n), to the statistic of each replicate, shape (k,).
Statistic = Callable[[NDArray], NDArray]


def bootstrap_intervals(
    statistics: Mapping[str, Statistic],
    groups: ArrayLike,
    generator: np.random.Generator,
    *,
    n_resamples: int = 1000,
    level: float = 0.95,
    max_elements: int = MAX_ELEMENTS,
) -> dict[str, tuple[float, float]]:
    """Return percentile bootstrap intervals of statistics of the same rows (Efron & Tibshirani 1993, ch. 13).

    Parameters
    ----------
    statistics : mapping of str to callable
        Each takes counts of shape (k, n), how often each of the n rows is in each of k replicates, and returns the
        k values; the functions of :mod:`skymill.metrics.photometry` with their columns filled in are such.
    groups : array_like, shape (n,)
        What is drawn with replacement: rows with one label (galaxies of one blend, whose errors are not independent)
        are drawn together. ``numpy.arange(n)`` resamples rows.
    generator : numpy.random.Generator
        Gives the same intervals for the same state, whatever `max_elements`.
    n_resamples : int
        Number of replicates.
    level : float
        Probability that the interval shall hold.
    max_elements : int
        Bound of the replicates × rows held at once.

    Returns
    -------
    dict of str to (float, float)
        Low and high of each statistic; NaN where no replicate has a value.

    Raises
    ------
    ValueError
        If there are no rows, or fewer than two replicates.
    """
    labels, group_of_row = np.unique(np.asarray(groups), return_inverse=True)
    if not labels.size or n_resamples < 2:
        raise ValueError(
            f"expected rows and at least 2 resamples, found {labels.size} groups, {n_resamples} resamples"
        )
    rows = max(1, max_elements // group_of_row.size)
    replicates: dict[str, list[NDArray]] = {name: [] for name in statistics}
    for start in range(0, n_resamples, rows):
        counts = draw_counts(generator, min(rows, n_resamples - start), labels.size)[:, group_of_row]
        for name, statistic in statistics.items():
            replicates[name].append(np.asarray(statistic(counts), dtype=np.float64))
    return {name: percentile_interval(np.concatenate(parts), level) for name, parts in replicates.items()}


def draw_counts(generator: np.random.Generator, n_replicates: int, n_groups: int) -> NDArray[np.float64]:
    """Draw `n_groups` groups with replacement, `n_replicates` times; return the counts (n_replicates, n_groups).

    How often each group is in each replicate, as float64: the form that statistics take.
    """
    drawn = generator.integers(0, n_groups, size=(n_replicates, n_groups))
    drawn += np.arange(n_replicates)[:, np.newaxis] * n_groups
    counts = np.bincount(drawn.ravel(), minlength=n_replicates * n_groups)
    return counts.reshape(n_replicates, n_groups).astype(np.float64)


def percentile_interval(replicates: NDArray, level: float) -> tuple[float, float]:
    """Return low and high of the central `level` of the replicates (k,) that have a value; NaN if none has."""
    valid = replicates[~np.isnan(replicates)]
    if not valid.size:
        return float("nan"), float("nan")
    # An order statistic, not an interpolation: infinite replicates are legitimate and inf - inf is not.
    low, high = np.quantile(valid, [0.5 - level / 2, 0.5 + level / 2], method="inverted_cdf")
    return float(low), float(high)
