"""Matching of detections that carry a score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def match_ranked(
    x: NDArray, y: NDArray, score: NDArray, x_true: NDArray, y_true: NDArray, max_distance: NDArray | float
) -> NDArray[np.int64]:
    """Match detections to objects one to one, the surest detection first.

    Each takes the nearest object within `max_distance` that none has taken. So what is found at a threshold does not
    depend on the detections below it, and one matching serves all thresholds (as Everingham et al. 2015, IJCV 111, 98,
    section 4.2, do it).

    Parameters
    ----------
    x, y, score : ndarray (n,)
        Detections, px.
    x_true, y_true : ndarray (m,)
        Objects, px.
    max_distance : float or ndarray (m,)
        Largest distance of a pair, px; one for all or each object's own.

    Returns
    -------
    ndarray (n,), int64
        Row of each detection's object; -1 where there is none.
    """
    from scipy.spatial import cKDTree

    row = np.full(len(x), -1, dtype=np.int64)
    if not len(x) or not len(x_true):
        return row
    allowed = np.broadcast_to(max_distance, np.shape(x_true))
    pairs = cKDTree(np.column_stack([x, y])).sparse_distance_matrix(
        cKDTree(np.column_stack([x_true, y_true])), float(allowed.max()), output_type="ndarray"
    )
    pairs = pairs[pairs["v"] <= allowed[pairs["j"]]]
    order = np.lexsort((pairs["j"], pairs["v"], pairs["i"], -np.asarray(score)[pairs["i"]]))
    taken = np.zeros(len(x_true), dtype=bool)
    for detection, true in zip(pairs["i"][order].tolist(), pairs["j"][order].tolist(), strict=True):
        if row[detection] < 0 and not taken[true]:
            row[detection], taken[true] = true, True
    return row
