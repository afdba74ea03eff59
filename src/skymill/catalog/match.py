"""Matching positions one to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Match:
    """Pairs of rows of two catalogues.

    Parameters
    ----------
    index1, index2 : ndarray (n,), int64
        Row numbers in the first and the second catalogue, sorted by `index1`; no row stands twice.
    distance : ndarray (n,), float64
        Distance of each pair, in the unit of the positions.
    """

    index1: NDArray[np.int64]
    index2: NDArray[np.int64]
    distance: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.index1)


def match_positions(x1: NDArray, y1: NDArray, x2: NDArray, y2: NDArray, max_distance: float) -> Match:
    """Match two lists of positions one to one.

    All pairs closer than `max_distance` are sorted by distance and taken in that order, each row once, as STILTS does
    with ``find=best`` (Taylor 2006, ASP Conf. Ser. 351, 666). The result does not depend on the order of the rows,
    but for pairs of exactly equal distance, where lower row numbers come first.

    Parameters
    ----------
    x1, y1 : ndarray (n,)
        First positions. NaN positions match nothing.
    x2, y2 : ndarray (m,)
        Second positions, in the same unit.
    max_distance : float
        Largest distance of a pair, inclusive.

    Returns
    -------
    Match
        The pairs, sorted by the row in the first list.
    """
    from scipy.spatial import cKDTree

    first, rows1 = _finite(x1, y1)
    second, rows2 = _finite(x2, y2)
    if not len(first) or not len(second):
        none = np.empty(0, dtype=np.int64)
        return Match(none, none.copy(), np.empty(0))
    pairs = cKDTree(first).sparse_distance_matrix(cKDTree(second), max_distance, output_type="ndarray")
    pairs = pairs[np.lexsort((pairs["j"], pairs["i"], pairs["v"]))]
    taken = _each_once(pairs["i"], pairs["j"], len(first), len(second))
    chosen = pairs[taken]
    chosen = chosen[np.argsort(chosen["i"], kind="stable")]
    return Match(rows1[chosen["i"]], rows2[chosen["j"]], chosen["v"].astype(np.float64))


def _finite(x: NDArray, y: NDArray) -> tuple[NDArray, NDArray[np.int64]]:
    positions = np.column_stack([np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)])
    rows = np.flatnonzero(np.isfinite(positions).all(axis=1))
    return positions[rows], rows


def _each_once(i: NDArray, j: NDArray, n: int, m: int) -> list[int]:
    """Go through sorted pairs and keep those neither of whose rows is taken yet."""
    free1, free2 = [True] * n, [True] * m
    kept = []
    for pair, (row1, row2) in enumerate(zip(i.tolist(), j.tolist(), strict=True)):
        if free1[row1] and free2[row2]:
            free1[row1] = free2[row2] = False
            kept.append(pair)
    return kept
