"""Statistics of repeated observations: the one form that serves both a sample and its bootstrap replicates.

A bootstrap replicate is the sample with every row repeated 0, 1, 2, … times. Written as weights, replicates of one
sample are the rows of a matrix, and a statistic of all of them is one array operation, whatever the sizes of the
groups that are resampled.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Standard deviation of a normal distribution over its median absolute deviation.
NORMAL_MAD = 1.4826
#: Halvings after which a radius is known to the last digit of double precision.
BISECTIONS = 60


def mean(values: NDArray, weights: NDArray | None = None) -> NDArray | np.floating:
    """Return the mean along the last axis.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Numbers or booleans; for booleans the mean is the fraction that is true.
    weights : ndarray, shape (..., n), optional
        How often each value counts. Without weights each counts once.

    Returns
    -------
    float or ndarray, shape (...)
        NaN where nothing counts.
    """
    values = np.asarray(values, dtype=np.float64)
    if weights is None:
        weights = np.ones(values.size)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (weights @ values) / np.sum(weights, axis=-1)


def standard_deviation(values: NDArray, weights: NDArray | None = None) -> NDArray | np.floating:
    """Return the population standard deviation (no Bessel correction) along the last axis.

    Parameters and shapes are those of :func:`mean`.
    """
    values = np.asarray(values, dtype=np.float64)
    # Centred first: the difference of two nearly equal squares would lose all digits of a narrow distribution.
    centred = values - (values.mean() if values.size else 0.0)
    variance = mean(centred**2, weights) - mean(centred, weights) ** 2
    return np.sqrt(np.maximum(variance, 0.0))


def median(values: NDArray, weights: NDArray | None = None) -> NDArray | np.floating:
    """Return the median along the last axis: the mean of the two middle values where their number is even.

    Parameters and shapes are those of :func:`mean`; `weights` are whole numbers. Infinite values take their place at
    the ends.
    """
    values = np.asarray(values, dtype=np.float64)
    if weights is None:
        return np.median(values) if values.size else np.float64(np.nan)
    if not values.size:
        return np.full(np.shape(weights)[:-1], np.nan)
    order = np.argsort(values, kind="stable")
    return _middle(values[order], np.asarray(weights)[..., order])


def nmad(values: NDArray, weights: NDArray | None = None) -> NDArray | np.floating:
    """Return 1.4826 times the median absolute deviation from the median, along the last axis.

    The factor makes it the standard deviation of a normal distribution (Hoaglin, Mosteller & Tukey 1983,
    *Understanding Robust and Exploratory Data Analysis*, ch. 12; used as NMAD by Brammer et al. 2008, ApJ 686, 1503).
    Parameters and shapes are those of :func:`median`; values are finite.
    """
    values = np.asarray(values, dtype=np.float64)
    if weights is None:
        return NORMAL_MAD * median(np.abs(values - median(values)))
    weights = np.asarray(weights)
    if not values.size:
        return np.full(weights.shape[:-1], np.nan)
    order = np.argsort(values, kind="stable")
    replicates = weights.reshape(-1, values.size)[:, order]
    deviation = _median_deviation(values[order], replicates, _middle(values[order], replicates))
    return NORMAL_MAD * deviation.reshape(weights.shape[:-1])


def _median_deviation(ordered: NDArray, weights: NDArray, centre: NDArray) -> NDArray:
    """Return the weighted median distance of sorted values (n,) from the centre (k,) of each of k replicates.

    How much lies within a radius is a difference of two cumulative weights, so the radius that holds half is found by
    bisection, some fifty times faster than by sorting the distances of each replicate.
    """
    below = np.concatenate([np.zeros((len(weights), 1)), np.cumsum(weights, axis=1)], axis=1)
    half, row = 0.5 * below[:, -1], np.arange(len(weights))
    radii = []
    for holds_half in (np.greater_equal, np.greater):
        low, high = np.zeros(len(weights)), np.maximum(centre - ordered[0], ordered[-1] - centre)
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            first = np.searchsorted(ordered, centre - middle, side="left")
            last = np.searchsorted(ordered, centre + middle, side="right")
            holds = holds_half(below[row, last] - below[row, first], half)
            low, high = np.where(holds, low, middle), np.where(holds, middle, high)
        radii.append(high)
    return np.where(half > 0, 0.5 * (radii[0] + radii[1]), np.nan)


def _middle(ordered: NDArray, weights: NDArray) -> NDArray:
    """Return the weighted middle of values in increasing order (shape (..., n) or (n,)); NaN where nothing counts."""
    below = np.cumsum(weights, axis=-1)
    half = 0.5 * below[..., -1:]
    last = below.shape[-1] - 1
    lower = np.sum(below < half, axis=-1, keepdims=True)
    upper = np.minimum(np.sum(below <= half, axis=-1, keepdims=True), last)
    ordered = np.broadcast_to(ordered, below.shape)
    middle = 0.5 * (np.take_along_axis(ordered, lower, -1) + np.take_along_axis(ordered, upper, -1))
    return np.where(half > 0, middle, np.nan)[..., 0]
