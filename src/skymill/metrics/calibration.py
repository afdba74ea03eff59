"""Scores as probabilities: logistic calibration, and how reliable probabilities are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ITERATIONS = 100
TOLERANCE = 1e-10
RIDGE = 1e-6


def fit_logistic(score: NDArray, is_real: NDArray[np.bool_]) -> tuple[float, float]:
    """Fit ``P(real) = 1 / (1 + exp(-(slope * score + intercept)))``.

    Maximum likelihood by Newton's method with the targets of Platt (1999, Advances in Large Margin Classifiers, 61),
    (n₊ + 1) / (n₊ + 2) and 1 / (n₋ + 2) in place of 1 and 0: they keep the fit finite where scores separate the two.

    Parameters
    ----------
    score : ndarray (n,)
        Scores, such as logits.
    is_real : ndarray (n,), bool
        What they belong to.

    Returns
    -------
    slope, intercept : float

    Raises
    ------
    ValueError
        If there are no scores.
    """
    if not len(score):
        raise ValueError("expected scores to calibrate with, found none")
    positive = int(np.count_nonzero(is_real))
    target = np.where(is_real, (positive + 1) / (positive + 2), 1 / (len(score) - positive + 2))
    design = np.column_stack([np.asarray(score, dtype=np.float64), np.ones(len(score))])
    weights = np.zeros(2)
    for _ in range(ITERATIONS):
        chance = _sigmoid(design @ weights)
        curvature = design.T @ (design * (chance * (1 - chance))[:, None]) + RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, design.T @ (target - chance) - RIDGE * weights)
        # Far from the solution a full step can overshoot.
        weights += step / max(1.0, np.abs(step).max())
        if np.abs(step).max() < TOLERANCE:
            break
    return float(weights[0]), float(weights[1])


def logistic(score: NDArray, slope: float, intercept: float) -> NDArray[np.float64]:
    """Return the probabilities of scores, as :func:`fit_logistic` means them."""
    return _sigmoid(slope * np.asarray(score, dtype=np.float64) + intercept)


def _sigmoid(value: NDArray) -> NDArray[np.float64]:
    return 0.5 * (1 + np.tanh(0.5 * value))


def reliability(probability: NDArray, is_real: NDArray[np.bool_], bins: int = 10) -> list[dict[str, float]]:
    """Compare probabilities with what they promise.

    Returns
    -------
    list of dict
        For each of `bins` equal bins of the probability that holds any: ``probability`` (their mean), ``fraction`` (of
        them that are real) and ``n``.
    """
    which = np.minimum((np.asarray(probability) * bins).astype(np.int64), bins - 1)
    rows = [np.flatnonzero(which == number) for number in range(bins)]
    return [
        {
            "probability": float(np.mean(probability[row])),
            "fraction": float(np.mean(is_real[row])),
            "n": float(len(row)),
        }
        for row in rows
        if len(row)
    ]


def calibration_error(table: list[dict[str, float]]) -> float:
    """Return the mean of ``|probability - fraction|`` of a table of :func:`reliability`, weighted by `n`.

    The expected calibration error of Naeini, Cooper & Hauskrecht (2015, AAAI 29, 2901).
    """
    total = sum(row["n"] for row in table)
    return sum(row["n"] * abs(row["probability"] - row["fraction"]) for row in table) / max(total, 1.0)
