"""Detections that carry a score: what is found, and how much of it is real, at every threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Ranking:
    """Purity and completeness at the threshold of each detection, the highest score first.

    Parameters
    ----------
    score : ndarray (n,), float64
        The scores, falling.
    purity, completeness : ndarray (n,), float64
        Fraction of the detections with at least that score that are real; fraction of the objects that they find.
    """

    score: NDArray[np.float64]
    purity: NDArray[np.float64]
    completeness: NDArray[np.float64]

    def average_precision(self) -> float:
        """Return the area under purity as a function of completeness.

        The purity is the best at that completeness or beyond, as in PASCAL VOC since 2010 (Everingham et al. 2015,
        IJCV 111, 98, section 4.2).
        """
        if not len(self.score):
            return 0.0
        best = np.maximum.accumulate(self.purity[::-1])[::-1]
        return float(np.sum(np.diff(self.completeness, prepend=0.0) * best))

    def completeness_at(self, purity: float) -> float:
        """Return the largest completeness with at least that purity; 0 if there is none."""
        return float(self.completeness[self.purity >= purity].max(initial=0.0))

    def threshold_of_purity(self, purity: float) -> float:
        """Return the lowest score with at least that purity; the highest there is if none has it."""
        enough = np.flatnonzero(self.purity >= purity)
        return float(self.score[enough[-1] if len(enough) else 0])

    def threshold_of_best_f1(self) -> float:
        """Return the score with the largest harmonic mean of purity and completeness."""
        total = np.maximum(self.purity + self.completeness, 1e-12)
        return float(self.score[np.argmax(2 * self.purity * self.completeness / total)])


def rank(score: NDArray, is_real: NDArray[np.bool_], n_objects: int) -> Ranking:
    """Rank detections.

    Parameters
    ----------
    score : ndarray (n,)
        Larger is more certain. Detections of one score share their threshold.
    is_real : ndarray (n,), bool
        Whether each is an object, none of which has two detections.
    n_objects : int
        Number of objects, found or not.
    """
    order = np.argsort(-np.asarray(score), kind="stable")
    score, real = np.asarray(score, dtype=np.float64)[order], np.cumsum(np.asarray(is_real)[order])
    last = np.flatnonzero(np.append(np.diff(score) != 0, True)) if len(score) else np.empty(0, dtype=np.int64)
    # Every detection has the figures of the last one with its score.
    end = np.repeat(last, np.diff(last, prepend=-1))
    return Ranking(score, real[end] / (end + 1.0), real[end] / max(n_objects, 1))
