"""Working on a large image window by window, without losing or counting twice what lies at a seam.

Windows overlap by a margin on each side. Their cores tile the image: a source belongs to the window whose core holds
its centre, where it is seen with at least a margin of image around it. Centres that two windows measure a little
differently can straddle the seam between the cores: then neither or both would claim the source. So each window also
reports what it has just beyond its core, and :func:`stitch` pairs such double sightings up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from skymill.catalog.flags import Flag

if TYPE_CHECKING:
    from numpy.typing import NDArray

Columns = dict[str, "NDArray"]


@dataclass(frozen=True)
class Window:
    """A part of an image.

    Parameters
    ----------
    outer : tuple of int
        y0, y1, x0, x1 of what is read (half open, pixels).
    core : tuple of int
        y0, y1, x0, x1 of what the window answers for.
    """

    outer: tuple[int, int, int, int]
    core: tuple[int, int, int, int]

    def distance_to_core(self, x: NDArray, y: NDArray, shape: tuple[int, int]) -> NDArray[np.float64]:
        """Return how far positions on the image lie outside the core (px); 0 inside it.

        Positions outside the image count as on its edge. The core holds centres from ``y0 - 0.5`` up to, not
        including, ``y1 - 0.5``: a centre exactly on a seam lies in one core only.
        """
        y0, y1, x0, x1 = self.core
        beyond_y = _beyond(np.clip(y, -0.5, np.nextafter(shape[0] - 0.5, 0)), y0 - 0.5, y1 - 0.5)
        beyond_x = _beyond(np.clip(x, -0.5, np.nextafter(shape[1] - 0.5, 0)), x0 - 0.5, x1 - 0.5)
        return np.hypot(beyond_x, beyond_y)


def _beyond(position: NDArray, low: float, high: float) -> NDArray[np.float64]:
    # The upper border belongs to the next core: a position on it is outside by the least there is.
    above = np.where(position >= high, np.maximum(position - high, np.finfo(float).tiny), 0.0)
    return np.maximum(low - position, above)


def split(shape: tuple[int, int], window_px: int, margin_px: int, step_px: int = 1) -> list[Window]:
    """Split an image into windows.

    Parameters
    ----------
    shape : tuple of int
        (y, x) size of the image.
    window_px : int
        Largest side of a window, margins included.
    margin_px : int
        What a window sees beyond its core on each side, where there is image.
    step_px : int
        Windows begin at multiples of this, which must divide `margin_px`: for networks that halve the resolution, whose
        results depend on where their coarse pixels begin.

    Returns
    -------
    list of Window
        Row by row; their cores cover the image once. A single window if the image is no larger than `window_px`.
    """
    y_edges, x_edges = (_edges(length, window_px, margin_px, step_px) for length in shape)
    return [
        Window(
            (
                max(0, y0 - margin_px),
                min(shape[0], y1 + margin_px),
                max(0, x0 - margin_px),
                min(shape[1], x1 + margin_px),
            ),
            (y0, y1, x0, x1),
        )
        for y0, y1 in pairwise(y_edges)
        for x0, x1 in pairwise(x_edges)
    ]


def _edges(length: int, window_px: int, margin_px: int, step_px: int) -> list[int]:
    """Return the borders of cores of nearly equal length, the inner ones at multiples of `step_px`."""
    steps = ceil(length / step_px)
    count = 1 if length <= window_px else ceil(steps / ((window_px - 2 * margin_px) // step_px))
    inner = [step_px * round(steps * part / count) for part in range(1, count)]
    return [0, *inner, length]


def stitch(
    parts: Iterable[tuple[Window, Mapping[str, NDArray]]], shape: tuple[int, int], tolerance_px: float
) -> Columns:
    """Put the sources of overlapping windows together.

    Sources further than `tolerance_px` outside their window's core are dropped: the neighbour answers for them.
    Sightings by different windows that are nearer to each other than `tolerance_px`, with one of them in the band
    beside a seam, are the same source. Of them one in its own window's core is primary, else the first. Another one
    that is also in its own core stays as a duplicate (``is_primary`` False, flag DUPLICATE); the rest are dropped.

    Parameters
    ----------
    parts : iterable of (Window, mapping of str to ndarray (n,))
        Columns of each window's sources with ``x``, ``y`` in the image's pixels and ``flags``; all with the same keys.
    shape : tuple of int
        (y, x) size of the image.
    tolerance_px : float
        Largest difference between two windows' positions of one source.

    Returns
    -------
    dict of str to ndarray
        The same columns and ``is_primary`` (bool), sorted by window and within it as given.
    """
    kept = [
        _near_core(number, window, columns, shape, tolerance_px)
        for number, (window, columns) in enumerate(parts)
    ]
    merged = {name: np.concatenate([columns[name] for columns in kept]) for name in kept[0]}
    window, distance = merged.pop("_window"), merged.pop("_distance")
    group = _same_source(merged["x"], merged["y"], window, merged.pop("_at_seam"), tolerance_px)
    # The best of each group first: own core before margin, then the order of the windows.
    order = np.lexsort((window, distance > 0, group))
    is_first = np.ones(len(group), dtype=bool)
    is_first[order[1:]] = group[order[1:]] != group[order[:-1]]
    keep = is_first | (distance == 0)
    merged["flags"] = np.where(is_first, merged["flags"], merged["flags"] | int(Flag.DUPLICATE))
    merged["is_primary"] = is_first
    return {name: values[keep] for name, values in merged.items()}


def _near_core(
    number: int, window: Window, columns: Mapping[str, NDArray], shape: tuple[int, int], tolerance_px: float
) -> Columns:
    """Drop what lies well outside the core; note window, distance to the core and who lies beside a seam."""
    x, y = columns["x"], columns["y"]
    distance = window.distance_to_core(x, y, shape)
    near = distance <= tolerance_px
    y0, y1, x0, x1 = window.core
    at_seam = np.zeros(len(x), dtype=bool)
    for position, borders, length in ((y, (y0, y1), shape[0]), (x, (x0, x1), shape[1])):
        for border in borders:
            if 0 < border < length:
                # Twice: the partner of a sighting just beyond its core lies that much deeper in its own.
                at_seam |= np.abs(position - (border - 0.5)) <= 2 * tolerance_px
    notes = {"_window": np.full(len(x), number), "_distance": distance, "_at_seam": at_seam}
    return {name: np.asarray(values)[near] for name, values in {**columns, **notes}.items()}


def _same_source(
    x: NDArray, y: NDArray, window: NDArray, at_seam: NDArray[np.bool_], tolerance_px: float
) -> NDArray[np.int64]:
    """Return a number for each source that sightings of one source share.

    Pairs are joined from the nearest on; a group never holds two sightings of one window, which are two sources.
    """
    from scipy.spatial import cKDTree

    group = np.arange(len(x))
    rows = np.flatnonzero(at_seam)
    positions = np.column_stack([x[rows], y[rows]])
    pairs = rows[cKDTree(positions).query_pairs(tolerance_px, output_type="ndarray")].reshape(-1, 2)
    pairs = pairs[window[pairs[:, 0]] != window[pairs[:, 1]]]
    one, other = pairs.T
    length = np.hypot(x[one] - x[other], y[one] - y[other])
    members: dict[int, list[int]] = {}
    for one, other in pairs[np.lexsort((pairs[:, 1], pairs[:, 0], length))].tolist():
        left, right = group[one], group[other]
        mine, theirs = members.get(left, [one]), members.get(right, [other])
        if left != right and not set(window[mine]) & set(window[theirs]):
            members[left] = mine + theirs
            group[theirs] = left
    return group
