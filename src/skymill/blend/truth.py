"""What is true of blends, one row a galaxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skymill.blend.galaxies import Galaxies
from skymill.blend.groups import Group
from skymill.data.stamps import centre_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODERATE_CONTAMINATION = 0.02
STRONG_CONTAMINATION = 1 / 3
"""Classes by contamination (:func:`skymill.blend.compose.contamination`), from the noise-free images: ``isolated``
below 2 % of foreign light in the galaxy's own mask, ``moderate`` below a third, ``strong`` from there. With a third an
aperture as large as the mask is wrong by 0.44 mag."""
COPIED = ("galaxy_id", "mag", "flux", "re", "kind", "bulge_to_total")


def blend_class(contamination: NDArray) -> NDArray[np.str_]:
    """Return ``isolated``, ``moderate`` or ``strong``."""
    mild = np.where(contamination < MODERATE_CONTAMINATION, "isolated", "moderate")
    return np.where(contamination < STRONG_CONTAMINATION, mild, "strong")


def group_truth(
    stamp_id: int, group: Group, galaxies: Galaxies, canvas_px: int, contamination: NDArray
) -> dict[str, Any]:
    """Return the columns of the schema ``blends`` for the galaxies of one blend, the central one first."""
    members = group.members
    count = len(members)
    x = centre_index(canvas_px) + group.shift_x + galaxies.dx[members]
    y = centre_index(canvas_px) + group.shift_y + galaxies.dy[members]
    copied = {name: galaxies.table[name][members] for name in COPIED}
    return {
        **copied,
        "stamp_id": np.full(count, stamp_id),
        "role": np.array(["central"] + ["companion"] * (count - 1)),
        "n_galaxies": np.full(count, count),
        "x": x,
        "y": y,
        **_relations(x, y, galaxies.mag[members], galaxies.radius_px[members]),
        "blend_class": blend_class(contamination),
    }


def _relations(x: NDArray, y: NDArray, mag: NDArray, radius_px: NDArray) -> dict[str, NDArray]:
    """Return distances to the nearest other galaxy and the difference to the brightest other one; NaN when alone."""
    count = len(x)
    if count == 1:
        return {name: np.array([np.nan]) for name in ("separation", "separation_re", "delta_mag")}
    distance = np.hypot(x[:, None] - x, y[:, None] - y)
    distance[np.diag_indices(count)] = np.inf
    nearest = distance.argmin(axis=1)
    separation = distance[np.arange(count), nearest]
    others = np.where(np.eye(count, dtype=bool), np.inf, mag)  # (m, m)
    return {
        "separation": separation,
        "separation_re": separation / np.maximum(radius_px, radius_px[nearest]),
        "delta_mag": mag - others.min(axis=1),
    }
