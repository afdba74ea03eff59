"""Distributions of fluxes that are given by their quantiles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

LEVELS = (0.025, 0.16, 0.5, 0.84, 0.975)
"""Levels of the quantiles that catalogues hold; the third is the flux itself."""
SCORES = ndtri(np.array(LEVELS))
"""The levels in standard deviations of a normal distribution."""


def normal_quantiles(flux: NDArray, flux_err: NDArray) -> NDArray[np.float64]:
    """Return the quantiles of normal distributions at :data:`LEVELS`, (n, 5)."""
    return np.asarray(flux)[:, None] + np.asarray(flux_err)[:, None] * SCORES


def pit(quantiles: NDArray, flux_true: NDArray) -> NDArray[np.float64]:
    """Return the probability integral transform: the probability that each distribution gives to lower fluxes.

    Parameters
    ----------
    quantiles : ndarray, shape (n, 5)
        Quantiles at :data:`LEVELS`, not decreasing. Between them the normal score runs linearly with the flux, beyond
        them on with the slope of the outer pair: exact for normal distributions.
    flux_true : ndarray, shape (n,)
        True fluxes.

    Returns
    -------
    ndarray, shape (n,)
        0 to 1; evenly distributed if the distributions are honest (Dawid 1984, J. R. Stat. Soc. A 147, 278). NaN where
        a quantile is NaN.
    """
    quantiles, true = np.asarray(quantiles, dtype=np.float64), np.asarray(flux_true, dtype=np.float64)
    segment = np.clip((true[:, None] >= quantiles).sum(axis=1) - 1, 0, len(LEVELS) - 2)
    row = np.arange(len(true))
    low, high = quantiles[row, segment], quantiles[row, segment + 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(high > low, (true - low) / (high - low), np.where(true >= high, np.inf, -np.inf))
    score = SCORES[segment] + part * (SCORES[segment + 1] - SCORES[segment])
    return np.where(np.isnan(quantiles).any(axis=1) | np.isnan(true), np.nan, ndtr(score))


def pit_distance(values: NDArray, weights: NDArray | None = None) -> NDArray | np.floating:
    """Return the largest distance of the distribution of PIT values from an even one (Kolmogorov–Smirnov).

    Parameters
    ----------
    values : ndarray, shape (n,)
        From :func:`pit`.
    weights : ndarray, shape (..., n), optional
        Bootstrap counts.

    Returns
    -------
    float or ndarray
        0 for a flat distribution, 1 at most; that of n values drawn evenly is below 1.36 / sqrt(n) in 95 % of cases.
    """
    order = np.argsort(values, kind="stable")
    ordered = np.asarray(values, dtype=np.float64)[order]
    counts = np.ones(len(ordered)) if weights is None else np.asarray(weights, dtype=np.float64)[..., order]
    below = np.cumsum(counts, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        after = below / below[..., -1:]
        before = (below - counts) / below[..., -1:]
    return np.maximum(np.abs(after - ordered), np.abs(before - ordered)).max(axis=-1)
