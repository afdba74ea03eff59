"""Which detection is which true source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skymill.catalog.match import match_positions
from skymill.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skymill.catalog.catalogue import Catalogue
    from skymill.compare.truth import Truth


@dataclass(frozen=True)
class Pairing:
    """The detection of each true source.

    Parameters
    ----------
    row : ndarray (n_truth,), int64
        Row of the detection; -1 where there is none. No row stands twice.
    distance : ndarray (n_truth,), float64
        Distance in pixels; NaN where there is none.
    """

    row: NDArray[np.int64]
    distance: NDArray[np.float64]

    @property
    def is_matched(self) -> NDArray[np.bool_]:
        """Whether each true source has a detection."""
        return self.row >= 0

    def unmatched(self, n_detections: int) -> NDArray[np.int64]:
        """Return the rows of the detections that belong to no true source."""
        free = np.ones(n_detections, dtype=bool)
        free[self.row[self.is_matched]] = False
        return np.flatnonzero(free)


def positions_are_given(detections: Catalogue) -> bool:
    """Whether the measurements were made at the true positions (networks on blends) instead of found."""
    return len(detections) > 0 and bool((detections["galaxy_id"] >= 0).all())


def pair(truth: Truth, detections: Catalogue, max_distance_px: float) -> Pairing:
    """Match detections with true sources, one to one, each within its own blend.

    Measurements that were made for a known galaxy are joined to it; detections are matched by position
    (:func:`~skymill.catalog.match.match_positions`). On blends the closest pairs come first, which gives the published
    figures of Boucaud et al. 2020 (MNRAS 491, 2481); on tiles the brightest true sources, each with the closest
    detection that is left. So a pair on a tile that is one detection is its brighter galaxy, measured, and the other
    one is not found.

    Parameters
    ----------
    truth : Truth
        The true sources.
    detections : Catalogue
        Schema ``measurement``.
    max_distance_px : float
        Largest distance of a pair.

    Raises
    ------
    DataError
        If two measurements were made for one galaxy of one blend, or some were made for galaxies and others not.
    """
    if positions_are_given(detections):
        return _by_galaxy(truth, detections)
    if (detections["galaxy_id"] >= 0).any():
        raise DataError(
            "column galaxy_id",
            expected="a galaxy for every measurement or for none",
            found=f"{int((detections['galaxy_id'] < 0).sum())} of {len(detections)} rows without",
        )
    return _by_position(truth, detections, max_distance_px)


def _by_position(truth: Truth, detections: Catalogue, max_distance_px: float) -> Pairing:
    x_true, x = _side_by_side(
        truth.stamp_id, truth.x, detections["stamp_id"], detections["x"], max_distance_px
    )
    # Sources of one brightness choose by distance alone.
    brightness = np.where(truth.stamp_id < 0, truth.flux, 0.0)
    match = match_positions(x_true, truth.y, x, detections["y"], max_distance_px, brightness)
    row, distance = np.full(len(truth), -1, dtype=np.int64), np.full(len(truth), np.nan)
    row[match.index1], distance[match.index1] = match.index2, match.distance
    return Pairing(row, distance)


def _side_by_side(
    stamps1: NDArray, x1: NDArray, stamps2: NDArray, x2: NDArray, gap: float
) -> tuple[NDArray, NDArray]:
    """Shift every blend along x to a place of its own, so that one search serves all of them.

    Whole pixels as steps keep the positions exact: a shift of up to 10^9 px costs 10^-7 px in double precision.
    """
    x = np.concatenate([x1, x2]).astype(np.float64)
    finite = x[np.isfinite(x)]
    if not finite.size:
        return x[: len(x1)], x[len(x1) :]
    step = np.ceil(finite.max() - finite.min() + 2 * gap + 1)
    place = np.unique(np.concatenate([stamps1, stamps2]), return_inverse=True)[1]
    shifted = x + place * step
    return shifted[: len(x1)], shifted[len(x1) :]


def _by_galaxy(truth: Truth, detections: Catalogue) -> Pairing:
    keys = np.concatenate(
        [
            np.column_stack([truth.stamp_id, truth.truth_id]),
            np.column_stack([detections["stamp_id"], detections["galaxy_id"]]),
        ]
    )
    key = np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)
    wanted, given = key[: len(truth)], key[len(truth) :]
    for where, column in (("truth", wanted), ("measurements", given)):
        if len(np.unique(column)) != len(column):
            stamp, galaxy = _first_double(keys, key, column)
            raise DataError(
                where, expected="each galaxy of a blend once", found=f"galaxy {galaxy} of blend {stamp} twice"
            )
    row_of_key = np.full(len(keys), -1, dtype=np.int64)
    row_of_key[given] = np.arange(len(given))
    row = row_of_key[wanted]
    distance = np.hypot(detections["x"][row] - truth.x, detections["y"][row] - truth.y)
    return Pairing(row, np.where(row >= 0, distance, np.nan))


def _first_double(keys: NDArray, key: NDArray, column: NDArray) -> tuple[int, int]:
    values, counts = np.unique(column, return_counts=True)
    stamp, galaxy = keys[np.flatnonzero(key == values[counts > 1][0])[0]]
    return int(stamp), int(galaxy)
