"""How many sources are found, and how many of the found ones are there."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skymill.metrics.weighted import mean


def completeness(is_found: NDArray, weights: NDArray | None = None) -> NDArray | np.floating:
    """Return the fraction of true sources that have a detection.

    Parameters
    ----------
    is_found : ndarray of bool, shape (n,)
        One entry for each **true** source.
    weights : ndarray, shape (..., n), optional
        Bootstrap counts.
    """
    return mean(is_found, weights)


def purity(is_real: NDArray, weights: NDArray | None = None) -> NDArray | np.floating:
    """Return the fraction of detections that belong to a true source.

    Parameters
    ----------
    is_real : ndarray of bool, shape (n,)
        One entry for each **detection**.
    weights : ndarray, shape (..., n), optional
        Bootstrap counts.
    """
    return mean(is_real, weights)


def binomial_interval(
    successes: ArrayLike, trials: ArrayLike, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the Wilson score interval of a fraction.

    Unlike the normal interval it stays inside [0, 1], has a width for 0 and `trials` successes, and covers close to
    its level for tens of trials (Wilson 1927, JASA 22, 209; Brown, Cai & DasGupta 2001, Statist. Sci. 16, 101,
    section 3.1.1).

    Parameters
    ----------
    successes, trials : array_like of int
        Counts, ``0 <= successes <= trials``.
    level : float
        Probability that the interval shall hold.

    Returns
    -------
    low, high : ndarray of float64
        Bounds of the fraction; 0 and 1 where there are no trials.

    Raises
    ------
    ValueError
        If the counts or the level are impossible.
    """
    successes, trials = np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    if np.any(successes < 0) or np.any(successes > trials):
        raise ValueError("expected 0 <= successes <= trials")
    if not 0 < level < 1:
        raise ValueError(f"expected a level between 0 and 1, found {level}")
    z = _normal_quantile(0.5 + level / 2)
    n = np.maximum(trials, 1)
    fraction = successes / n
    centre = (fraction + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(fraction * (1 - fraction) / n + z**2 / (4 * n**2))
    # At 0 and n successes the formula gives the end of the range up to rounding: say it exactly.
    low = np.where((successes == 0) | (trials == 0), 0.0, centre - half)
    high = np.where(successes == trials, 1.0, centre + half)
    return low, high


def _normal_quantile(probability: float) -> float:
    """Return the quantile of the standard normal distribution."""
    from statistics import NormalDist

    return NormalDist().inv_cdf(probability)
