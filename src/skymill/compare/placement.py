"""Where galaxies are injected, and which of them have the place to themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from skymill.data.tile import MaskBit, Tile, cutouts

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: No bad or saturated pixel this near to the position of an injected galaxy.
CORE_PX = 3
#: Pixels that are cut out at once.
BATCH_PIXELS = 20_000_000


def is_free(tile: Tile, x: NDArray, y: NDArray, edge_px: int) -> NDArray[np.bool_]:
    """Whether the tile has data around positions.

    Parameters
    ----------
    tile : Tile
        The image.
    x, y : ndarray (n,)
        Positions in pixels.
    edge_px : int
        Distance to be kept from the edges and from pixels without data.

    Returns
    -------
    ndarray (n,), bool
        False also where a bad or saturated pixel is within 3 px.
    """
    no_data, any_bit = int(MaskBit.NO_DATA), int(MaskBit.NO_DATA | MaskBit.BAD | MaskBit.SATURATED)
    reach = max(edge_px, CORE_PX)

    def far_from_edges(stamps: NDArray) -> NDArray[np.bool_]:
        core = stamps[:, reach - CORE_PX : reach + CORE_PX + 1, reach - CORE_PX : reach + CORE_PX + 1]
        border = stamps[:, reach - edge_px : reach + edge_px + 1, reach - edge_px : reach + edge_px + 1]
        return ~((border & no_data).any(axis=(1, 2)) | (core & any_bit).any(axis=(1, 2)))

    return _over_cutouts(far_from_edges, tile, x, y, 2 * reach + 1)


def spaced(x: NDArray, y: NDArray, min_distance_px: float) -> NDArray[np.bool_]:
    """Choose positions that keep a distance: each is taken unless an earlier one that was taken is too near.

    Taken in order, uniformly drawn candidates become a simple sequential inhibition process (Diggle 2013,
    *Statistical Analysis of Spatial and Spatio-Temporal Point Patterns*, section 6.5.2).

    Parameters
    ----------
    x, y : ndarray (n,), float64
        Candidates in pixels.
    min_distance_px : float
        Positions nearer than this exclude each other.

    Returns
    -------
    ndarray (n,), bool
        Whether each is taken.
    """
    from scipy.spatial import cKDTree

    taken = np.ones(len(x), dtype=bool)
    if len(x) < 2:
        return taken
    # Just below the distance: pairs at exactly the distance are allowed.
    pairs = cKDTree(np.column_stack([x, y])).query_pairs(
        np.nextafter(min_distance_px, 0), output_type="ndarray"
    )
    pairs.sort(axis=1)
    for earlier, later in pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))].tolist():
        if taken[earlier]:
            taken[later] = False
    return taken


def is_isolated(tile: Tile, x: NDArray, y: NDArray, radius_px: float, snr: float) -> NDArray[np.bool_]:
    """Whether nothing is near each position: no other position, and nothing on the tile.

    Something on the tile is a 3×3 px sum of `snr` times its noise. Where the noise is correlated (drizzled images)
    the sum is noisier than that and some blank places count as occupied, never the other way round.

    Parameters
    ----------
    tile : Tile
        The tile **before** anything is injected.
    x, y : ndarray (n,), float64
        Positions in pixels.
    radius_px : float
        What is near.
    snr : float
        Signal to noise of what counts.

    Returns
    -------
    ndarray (n,), bool
    """
    from scipy.spatial import cKDTree

    reach = int(np.ceil(radius_px))
    size = 2 * reach + 3
    alone = np.ones(len(x), dtype=bool)
    if len(x) > 1:
        neighbour = cKDTree(np.column_stack([x, y])).query(np.column_stack([x, y]), k=2)[0][:, 1]
        alone = neighbour > radius_px
    offset = np.arange(-reach, reach + 1)
    near = np.hypot(offset[:, np.newaxis], offset) <= radius_px

    def is_blank(science: NDArray, rms: NDArray) -> NDArray[np.bool_]:
        noise = np.sqrt(_sum_3x3(rms.astype(np.float64) ** 2))
        return ~((_sum_3x3(science.astype(np.float64)) > snr * noise) & near).any(axis=(1, 2))

    return alone & _over_cutouts(is_blank, tile, x, y, size, images=("science", "rms"))


def _sum_3x3(stamps: NDArray) -> NDArray:
    """Sum 3×3 px around each pixel that has them: (n, s, s) to (n, s - 2, s - 2)."""
    rows = stamps[:, :-2] + stamps[:, 1:-1] + stamps[:, 2:]
    return rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]


def _over_cutouts(
    function: Callable[..., NDArray[np.bool_]],
    tile: Tile,
    x: NDArray,
    y: NDArray,
    size: int,
    images: tuple[str, ...] = ("mask",),
) -> NDArray[np.bool_]:
    """Apply `function` to cutouts of the tile's images, in batches of bounded size; outside the tile is NO_DATA."""
    fill = {"mask": int(MaskBit.NO_DATA), "science": 0.0, "rms": 1.0}
    answers = [
        function(*(cutouts(getattr(tile, name), x[part], y[part], size, fill[name]) for name in images))
        for part in _batches(len(x), size**2)
    ]
    return np.concatenate(answers) if answers else np.empty(0, dtype=bool)


def _batches(n: int, pixels: int) -> Iterator[slice]:
    step = max(1, BATCH_PIXELS // pixels)
    return (slice(start, start + step) for start in range(0, n, step))
