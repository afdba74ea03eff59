"""Which positions lie in which ellipses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


def contained(
    x: NDArray, y: NDArray, sources: Mapping[str, NDArray]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the positions that lie in the Kron ellipses of sources.

    Parameters
    ----------
    x, y : ndarray (n,)
        Positions (px).
    sources : mapping of str to ndarray (m,)
        Columns ``x``, ``y``, ``a``, ``b`` (px), ``theta`` (degrees) and ``kron_radius`` (in units of a and b).

    Returns
    -------
    position, source : ndarray (k,), int64
        Row numbers of each pair of a position and an ellipse that holds it, border included.
    """
    from scipy.spatial import cKDTree

    none = np.empty(0, dtype=np.int64)
    radius = sources["kron_radius"] * sources["a"]
    centres = np.column_stack([sources["x"], sources["y"]])
    usable = np.flatnonzero(np.isfinite(radius) & (sources["b"] > 0))
    if not len(x) or not len(usable):
        return none, none
    near = cKDTree(np.column_stack([x, y])).query_ball_point(
        centres[usable], radius[usable], return_sorted=True
    )
    source = np.repeat(usable, [len(rows) for rows in near])
    position = np.concatenate([none, *(np.asarray(rows, dtype=np.int64) for rows in near)])
    inside = elliptical_radius(x[position], y[position], sources, source) <= sources["kron_radius"][source]
    return position[inside], source[inside]


def elliptical_radius(
    x: NDArray, y: NDArray, sources: Mapping[str, NDArray], row: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the distance of positions from the sources in `row`, in units of their a and b."""
    dx, dy = x - sources["x"][row], y - sources["y"][row]
    theta = np.deg2rad(sources["theta"][row].astype(np.float64))
    along = (dx * np.cos(theta) + dy * np.sin(theta)) / sources["a"][row]
    across = (dy * np.cos(theta) - dx * np.sin(theta)) / sources["b"][row]
    return np.hypot(along, across)
