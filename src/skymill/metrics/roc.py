"""How well a score tells two kinds of objects apart."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata


class Auroc(NamedTuple):
    """Area under the receiver operating characteristic.

    Parameters
    ----------
    value, low, high : float
        The probability that an object of the first kind has a higher score than one of the second, ties counting half,
        and its 95 % interval (Hanley & McNeil 1982, Radiology 143, 29, eq. 2): 0.5 for a score that tells nothing.
    n : int
        Objects of both kinds.
    """

    value: float
    low: float
    high: float
    n: int


def auroc(first: NDArray, second: NDArray) -> Auroc:
    """Return the area under the curve of scores of two kinds of objects, (n,) and (m,), the first the higher ones.

    Raises
    ------
    ValueError
        If one of them has no object, or a score is NaN.
    """
    n, m = len(first), len(second)
    both = np.concatenate([first, second]).astype(np.float64)
    if not (n and m) or np.isnan(both).any():
        raise ValueError(
            f"expected scores of both kinds, found {n} and {m}, {np.isnan(both).sum()} of them NaN"
        )
    area = float((rankdata(both)[:n].sum() - n * (n + 1) / 2) / (n * m))
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + (n - 1) * (q1 - area**2) + (m - 1) * (q2 - area**2)) / (n * m)
    half = float(norm.ppf(0.975) * np.sqrt(max(variance, 0.0)))
    return Auroc(area, max(0.0, area - half), min(1.0, area + half), n + m)


def roc_curve(first: NDArray, second: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the fractions of the second and of the first kind that are at or above each score, from (0, 0) to (1, 1).

    Parameters
    ----------
    first, second : ndarray (n,), (m,)
        Scores, those of the first kind the higher ones.

    Returns
    -------
    false_positive, true_positive : ndarray (k,)
        One point for each different score, and (0, 0).
    """
    thresholds = np.unique(np.concatenate([first, second]))[::-1]
    parts = [
        1 - np.searchsorted(np.sort(scores), thresholds, side="left") / len(scores)
        for scores in (second, first)
    ]
    false_positive, true_positive = (np.concatenate([[0.0], part]) for part in parts)
    return false_positive, true_positive
