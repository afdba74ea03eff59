"""What a detector found in each blend: the classes of Boucaud et al. 2020 (MNRAS 491, 2481)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BOTH, CENTRAL_ONLY, COMPANION_ONLY = "both", "central_only", "companion_only"
PARTIAL, MORE, NOTHING = "partial", "more", "nothing"

MEANING = {
    BOTH: "every galaxy of the blend and nothing else",
    CENTRAL_ONLY: "the central galaxy but no companion",
    COMPANION_ONLY: "a companion but not the central galaxy",
    PARTIAL: "the central galaxy and some of several companions",
    MORE: "more sources than the blend has galaxies",
    NOTHING: "none of its galaxies",
}
"""The outcomes and one line for each. The paper's pairs know the first three and MORE."""


def blend_outcomes(
    stamp_id: NDArray[np.int64],
    is_central: NDArray[np.bool_],
    is_matched: NDArray[np.bool_],
    detected_stamp_id: NDArray[np.int64],
) -> NDArray[np.str_]:
    """Say for each galaxy what was found in its blend.

    Parameters
    ----------
    stamp_id : ndarray (n,), int64
        Blend of each true galaxy.
    is_central, is_matched : ndarray (n,), bool
        Whether it is the central one; whether it was found.
    detected_stamp_id : ndarray (m,), int64
        Blend of each detection, matched or not.

    Returns
    -------
    ndarray (n,), str
        A key of :data:`MEANING`; the same for all galaxies of a blend.
    """
    stamps, blend = np.unique(stamp_id, return_inverse=True)
    galaxies = np.bincount(blend, minlength=len(stamps))
    found = np.bincount(blend, weights=is_matched, minlength=len(stamps)).astype(np.int64)
    central = np.bincount(blend, weights=is_matched & is_central, minlength=len(stamps)) > 0
    detections = _count(stamps, detected_stamp_id)
    outcome = np.select(
        [
            detections > galaxies,
            found == galaxies,
            central & (found == 1),
            central,
            found > 0,
        ],
        [MORE, BOTH, CENTRAL_ONLY, PARTIAL, COMPANION_ONLY],
        NOTHING,
    )
    return outcome[blend]


def _count(stamps: NDArray[np.int64], stamp_id: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the rows of each of the (sorted) stamps."""
    values, counts = np.unique(stamp_id, return_counts=True)
    number = np.zeros(len(stamps), dtype=np.int64)
    known = np.isin(values, stamps)
    number[np.searchsorted(stamps, values[known])] = counts[known]
    return number
