"""Composition of one blend from shifted stamps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skymill.data.stamps import centre_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

CENTRAL = 1
"""Bit of a mask's pixels that belong to the central galaxy."""
NEIGHBOUR = 2
"""Bit of a mask's pixels that belong to neighbours; pixels with both bits are the overlap."""


@dataclass(frozen=True)
class Layers:
    """The noise-free layers of one blend.

    Parameters
    ----------
    central, neighbours : ndarray (y, x), float64
        Light of the central galaxy and the sum of the others', image units.
    masks : ndarray (y, x), uint8
        Bits :data:`CENTRAL` and :data:`NEIGHBOUR`.
    contamination : ndarray (m,), float64
        For each galaxy: the fraction of the light within its own mask that is not its own.
    """

    central: NDArray[np.float64]
    neighbours: NDArray[np.float64]
    masks: NDArray[np.uint8]
    contamination: NDArray[np.float64]


def shifted(stamp: NDArray, shift_x: int, shift_y: int, canvas_px: int) -> NDArray:
    """Move a stamp by whole pixels and cut it to the canvas.

    Parameters
    ----------
    stamp : ndarray (size, size)
        A galaxy at pixel ``size // 2``.
    shift_x, shift_y : int
        Where it goes, from the canvas's pixel ``canvas_px // 2``.
    canvas_px : int
        Side of the canvas; what the stamp does not cover is 0.

    Returns
    -------
    ndarray (canvas_px, canvas_px)
        A view where the stamp covers the whole canvas, else a copy.
    """
    size = len(stamp)
    x0 = centre_index(size) - centre_index(canvas_px) - shift_x
    y0 = centre_index(size) - centre_index(canvas_px) - shift_y
    if min(x0, y0) >= 0 and max(x0, y0) + canvas_px <= size:
        return stamp[y0 : y0 + canvas_px, x0 : x0 + canvas_px]
    canvas = np.zeros((canvas_px, canvas_px), dtype=stamp.dtype)
    xa, xb = max(x0, 0), min(x0 + canvas_px, size)
    ya, yb = max(y0, 0), min(y0 + canvas_px, size)
    if xa < xb and ya < yb:
        canvas[ya - y0 : yb - y0, xa - x0 : xb - x0] = stamp[ya:yb, xa:xb]
    return canvas


def compose(
    stamps: NDArray, shift_x: NDArray, shift_y: NDArray, canvas_px: int, mask_threshold: float
) -> Layers:
    """Add shifted stamps up.

    Parameters
    ----------
    stamps : ndarray (m, size, size)
        Noise-free galaxies, the central one first.
    shift_x, shift_y : ndarray (m,), int
        Their shifts from the middle of the canvas.
    canvas_px : int
        Side of the canvas.
    mask_threshold : float
        Light above this belongs to a mask, image units.

    Returns
    -------
    Layers
        Central galaxy, neighbours, masks and contamination.
    """
    parts = [
        shifted(stamp, int(dx), int(dy), canvas_px)
        for stamp, dx, dy in zip(stamps, shift_x, shift_y, strict=True)
    ]
    light = np.stack(parts).astype(np.float64)  # (m, y, x)
    neighbours = light[1:].sum(axis=0)
    masks = CENTRAL * (light[0] > mask_threshold) + NEIGHBOUR * (neighbours > mask_threshold)
    return Layers(light[0], neighbours, masks.astype(np.uint8), contamination(light, mask_threshold))


def contamination(light: NDArray, mask_threshold: float) -> NDArray[np.float64]:
    """Return for each galaxy which fraction of the light within its mask is its neighbours'.

    Parameters
    ----------
    light : ndarray (m, y, x)
        Noise-free image of each galaxy.
    mask_threshold : float
        A galaxy's mask is where its own light exceeds this; for galaxies that hardly reach it, half of their peak.

    Returns
    -------
    ndarray (m,)
        From 0 (nothing else there) towards 1 (drowned).
    """
    peaks = light.max(axis=(1, 2), keepdims=True)
    own = light > np.minimum(mask_threshold, 0.5 * peaks)  # (m, y, x)
    total = (own * np.clip(light.sum(axis=0), 0, None)).sum(axis=(1, 2))
    mine = (own * light).sum(axis=(1, 2))
    foreign = np.divide(total - mine, total, out=np.zeros_like(total), where=total > 0)
    return np.clip(foreign, 0, 1)
