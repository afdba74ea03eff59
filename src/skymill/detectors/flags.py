"""The flags of sources, by the definitions of :mod:`skymill.catalog.flags`, the same for every detector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skymill.catalog.flags import CORE_RADII, EXTENT_RADII, Flag
from skymill.data.tile import MaskBit, Tile, cutouts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

TOOL_FLAGS = Flag.FAILED | Flag.TRUNCATED
"""What only the tool itself can know: that it failed or ran into a limit of its own."""
LEAST_EXTENT_PX, LARGEST_EXTENT_PX = 3.0, 64.0
STAMP_STRIDE_PX = 1e6
CHUNK_PIXELS = 2**24


def source_flags(
    columns: Mapping[str, NDArray], psf_fwhm_px: float, shape: tuple[int, int]
) -> NDArray[np.int64]:
    """Return the flags of sources, (n,), without those of the mask (:func:`mask_flags`).

    Parameters
    ----------
    columns : mapping of str to ndarray (n,)
        ``x``, ``y`` (px), ``flux``, ``flux_err``, ``flux_radius`` (px), ``is_primary``, ``stamp_id`` (-1 on tiles);
        and ``flags``, of which the bits of :data:`TOOL_FLAGS` are kept.
    psf_fwhm_px : float
        FWHM of the PSF.
    shape : tuple of int
        (y, x) size of the tile, or of the blends' canvases.
    """
    x, y = columns["x"], columns["y"]
    half, extent = radii(columns["flux_radius"], psf_fwhm_px)
    flags = columns["flags"].astype(np.int64) & int(TOOL_FLAGS)
    flags[~(np.isfinite(columns["flux"]) & np.isfinite(columns["flux_err"]))] |= int(Flag.FAILED)
    flags[~columns["is_primary"]] |= int(Flag.DUPLICATE)
    flags[overlapping(columns, half, extent)] |= int(Flag.BLENDED)
    flags[_reaches_over(shape, x, y, extent)] |= int(Flag.EDGE)
    flags[_reaches_over(shape, x, y, CORE_RADII * half)] |= int(Flag.TRUNCATED)
    return flags


def radii(flux_radius: NDArray, psf_fwhm_px: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the half-light radius, at least a star's, and the radius of the extent (px).

    A source that the edge or a mask cuts looks smaller than it is; none is smaller than a star.
    """
    half = np.maximum(np.nan_to_num(flux_radius.astype(np.float64), posinf=0.0), psf_fwhm_px / 2)
    return half, np.clip(EXTENT_RADII * half, LEAST_EXTENT_PX, LARGEST_EXTENT_PX)


def _reaches_over(shape: tuple[int, int], x: NDArray, y: NDArray, radius: NDArray) -> NDArray[np.bool_]:
    height, width = shape
    low, high = np.minimum(x, y) - radius < -0.5, (x + radius > width - 0.5) | (y + radius > height - 0.5)
    return low | high


def overlapping(columns: Mapping[str, NDArray], half: NDArray, extent: NDArray) -> NDArray[np.int64]:
    """Return the rows that overlap with another primary source of the same stamp.

    Two overlap if the `extent` (px) of one reaches the half-light radius `half` (px) of the other.
    """
    from scipy.spatial import cKDTree

    # Canvases all begin at 0: they are laid side by side, far apart, before neighbours are looked for.
    x = columns["x"] + STAMP_STRIDE_PX * (columns["stamp_id"] + 1)
    place = np.column_stack([x, columns["y"]])
    primary = np.flatnonzero(columns["is_primary"])
    if len(primary) < 2:
        return np.empty(0, dtype=np.int64)
    # The largest extent would find far too many pairs: each source looks for those that are no larger than itself.
    tree = cKDTree(place[primary])
    near = tree.query_ball_point(place[primary], 2 * extent[primary])
    one = np.repeat(primary, [len(rows) for rows in near])
    other = primary[np.concatenate([np.asarray(rows, dtype=np.int64) for rows in near])]
    distance = np.hypot(*(place[one] - place[other]).T)
    reach = np.maximum(half[one] + extent[other], half[other] + extent[one])
    touching = (one != other) & (distance < reach)
    return np.unique(np.concatenate([one[touching], other[touching]]))


def mask_flags(tile: Tile, x: NDArray, y: NDArray, flux_radius: NDArray) -> NDArray[np.int64]:
    """Return MASKED, SATURATED and TRUNCATED of sources from the mask's bits around them.

    Parameters
    ----------
    tile : Tile
        Gives the mask and the PSF.
    x, y, flux_radius : ndarray (n,)
        Centres and half-light radii (px).

    Returns
    -------
    ndarray (n,), int64
        Flag bits.
    """
    half, extent = radii(flux_radius, tile.meta.psf_fwhm_px)
    flags, left = np.zeros(len(x), dtype=np.int64), np.lexsort((y, np.ceil(extent)))
    while len(left):
        # Extents of similar size go together: as many as fit into a chunk with the largest of them.
        size = 2 * np.ceil(extent[left]).astype(np.int64) + 1
        count = max(1, int(np.count_nonzero(np.arange(1, len(left) + 1) * size**2 <= CHUNK_PIXELS)))
        now, left = left[:count], left[count:]
        near = cutouts(tile.mask, x[now], y[now], int(size[count - 1]))
        flags[now] = _flags_of(near, x[now], y[now], CORE_RADII * half[now], extent[now])
        tile.release()
    return flags


def _flags_of(
    near: NDArray[np.uint8], x: NDArray, y: NDArray, core: NDArray, extent: NDArray
) -> NDArray[np.int64]:
    offset = np.arange(near.shape[-1]) - near.shape[-1] // 2
    dx, dy = offset - (x - np.rint(x))[:, None], offset - (y - np.rint(y))[:, None]
    distance2 = dy[:, :, None] ** 2 + dx[:, None, :] ** 2  # (n, s, s)
    unusable, saturated = int(MaskBit.BAD | MaskBit.NO_DATA), int(MaskBit.SATURATED)
    rules = (
        (unusable, extent, Flag.MASKED),
        (saturated, extent, Flag.SATURATED),
        (unusable, core, Flag.TRUNCATED),
    )
    flags = np.zeros(len(near), dtype=np.int64)
    for bits, radius, flag in rules:
        within = ((near & bits) > 0) & (distance2 <= radius[:, None, None] ** 2)
        flags[within.any(axis=(1, 2))] |= int(flag)
    return flags
