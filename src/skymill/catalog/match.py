"""Matching positions one to one."""

from __future__ import annotations

from dataclasses import dataclass, replace
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


def match_positions(
    x1: NDArray,
    y1: NDArray,
    x2: NDArray,
    y2: NDArray,
    max_distance: float,
    brightness1: NDArray | None = None,
) -> Match:
    """Match two lists of positions one to one.

    All pairs closer than `max_distance` are sorted by distance and taken in that order, each row once, as STILTS does
    with ``find=best`` (Taylor 2006, ASP Conf. Ser. 351, 666). The result does not depend on the order of the rows,
    but for pairs of exactly equal distance, where lower row numbers come first.

    With `brightness1` the sources of the first list choose in the order of their brightness instead, each the closest
    that is left: a detection that holds two of them is the brighter one's, though the fainter one be nearer by chance.

    Parameters
    ----------
    x1, y1 : ndarray (n,)
        First positions. NaN positions match nothing.
    x2, y2 : ndarray (m,)
        Second positions, in the same unit.
    max_distance : float
        Largest distance of a pair, inclusive.
    brightness1 : ndarray (n,), optional
        Flux of the first sources, in any unit; NaN is fainter than all. Sources of one flux choose as if it were not
        given.

    Returns
    -------
    Match
        The pairs, sorted by the row in the first list.
    """
    first, rows1 = _finite(x1, y1)
    second, rows2 = _finite(x2, y2)
    brightness = (
        np.zeros(len(rows1)) if brightness1 is None else np.asarray(brightness1, dtype=np.float64)[rows1]
    )
    return _match(first, rows1, second, rows2, max_distance, np.nan_to_num(brightness, nan=-np.inf))


def match_sky(ra1: NDArray, dec1: NDArray, ra2: NDArray, dec2: NDArray, max_distance_arcsec: float) -> Match:
    """Match two lists of sky positions one to one, as :func:`match_positions` does; right at the poles and at 0 h too.

    Parameters
    ----------
    ra1, dec1 : ndarray (n,)
        First positions in degrees. NaN positions match nothing.
    ra2, dec2 : ndarray (m,)
        Second positions in degrees.
    max_distance_arcsec : float
        Largest distance of a pair on the sphere, inclusive.

    Returns
    -------
    Match
        The pairs, with distances in arcsec.
    """
    first, rows1 = _unit_vectors(ra1, dec1)
    second, rows2 = _unit_vectors(ra2, dec2)
    # A chord c of the unit sphere belongs to the angle 2 arcsin(c / 2).
    chord = 2 * np.sin(np.radians(max_distance_arcsec / 3600) / 2)
    match = _match(first, rows1, second, rows2, chord, np.zeros(len(rows1)))
    return replace(match, distance=3600 * np.degrees(2 * np.arcsin(match.distance / 2)))


def _match(
    first: NDArray,
    rows1: NDArray[np.int64],
    second: NDArray,
    rows2: NDArray[np.int64],
    max_distance: float,
    brightness: NDArray,
) -> Match:
    from scipy.spatial import cKDTree

    if not len(first) or not len(second):
        none = np.empty(0, dtype=np.int64)
        return Match(none, none.copy(), np.empty(0))
    pairs = cKDTree(first).sparse_distance_matrix(cKDTree(second), max_distance, output_type="ndarray")
    pairs = pairs[np.lexsort((pairs["j"], pairs["i"], pairs["v"], -brightness[pairs["i"]]))]
    taken = _each_once(pairs["i"], pairs["j"], len(first), len(second))
    chosen = pairs[taken]
    chosen = chosen[np.argsort(chosen["i"], kind="stable")]
    return Match(rows1[chosen["i"]], rows2[chosen["j"]], chosen["v"].astype(np.float64))


def _finite(x: NDArray, y: NDArray) -> tuple[NDArray, NDArray[np.int64]]:
    positions = np.column_stack([np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)])
    rows = np.flatnonzero(np.isfinite(positions).all(axis=1))
    return positions[rows], rows


def _unit_vectors(ra: NDArray, dec: NDArray) -> tuple[NDArray, NDArray[np.int64]]:
    angles, rows = _finite(np.radians(ra), np.radians(dec))
    cos_dec = np.cos(angles[:, 1])
    x, y = cos_dec * np.cos(angles[:, 0]), cos_dec * np.sin(angles[:, 0])
    return np.column_stack([x, y, np.sin(angles[:, 1])]), rows


def _each_once(i: NDArray, j: NDArray, n: int, m: int) -> list[int]:
    """Go through sorted pairs and keep those neither of whose rows is taken yet."""
    free1, free2 = [True] * n, [True] * m
    kept = []
    for pair, (row1, row2) in enumerate(zip(i.tolist(), j.tolist(), strict=True)):
        if free1[row1] and free2[row2]:
            free1[row1] = free2[row2] = False
            kept.append(pair)
    return kept
