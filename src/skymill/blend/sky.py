"""Patches of blank sky of a tile, as real noise."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import maximum_filter

from skymill.config.blend import RealNoise
from skymill.data.survey import flux_scale
from skymill.data.tile import Tile
from skymill.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST_WINDOW_PX = 4096
"""Of larger tiles only the middle is searched, so that memory does not grow with the tile."""
FEWEST_PATCHES = 16
MEASURED_PATCHES = 4096
DETECTION_AREA_PX = 4
PIXEL_STACK = 10_000_000


@dataclass(frozen=True)
class BlankSky:
    """Squares of blank sky of one image; they may overlap.

    Parameters
    ----------
    science : ndarray (y, x), float32
        The image, in the unit that the sky is wanted in.
    y, x : ndarray (n,), int64
        First row and column of each square.
    side : int
        Side of the squares, px.
    """

    science: NDArray[np.float32]
    y: NDArray[np.int64]
    x: NDArray[np.int64]
    side: int

    def __len__(self) -> int:
        """Return the number of squares."""
        return len(self.y)

    def patch(self, number: int) -> NDArray[np.float32]:
        """Return one square (side, side) less its mean."""
        y, x = self.y[number], self.x[number]
        square = self.science[y : y + self.side, x : x + self.side]
        return square - square.mean()

    def measure_rms(self) -> float:
        """Return the standard deviation of the squares' pixels, from up to 4,096 squares all over the image."""
        chosen = np.unique(np.linspace(0, len(self) - 1, MEASURED_PATCHES).astype(np.int64))
        return float(np.sqrt(np.mean([self.patch(number).var(dtype=np.float64) for number in chosen])))

    def stitch(self, shape: tuple[int, int], generator: np.random.Generator) -> NDArray[np.float64]:
        """Lay squares beside each other, drawn with replacement and flipped at random.

        Within a square the noise keeps the correlation of its pixels; across a border there is none.
        """
        rows, columns = ceil(shape[0] / self.side), ceil(shape[1] / self.side)
        canvas = np.empty((rows * self.side, columns * self.side))
        chosen = generator.integers(len(self), size=(rows, columns))
        flips = generator.integers(2, size=(rows, columns, 2)) * 2 - 1
        for row, column in np.ndindex(rows, columns):
            flip_y, flip_x = flips[row, column]
            y, x = row * self.side, column * self.side
            patch = self.patch(chosen[row, column])[::flip_y, ::flip_x]
            canvas[y : y + self.side, x : x + self.side] = patch
        return canvas[: shape[0], : shape[1]]


def find_blank_sky(tile: Tile, config: RealNoise, zero_point_mag: float) -> BlankSky:
    """Cut the squares without sources and bad pixels out of a tile.

    Parameters
    ----------
    tile : Tile
        Background-subtracted, as ingest makes it.
    config : RealNoise
        Size of the patches and what counts as a source.
    zero_point_mag : float
        Zero-point of the unit that the sky is given in: that of the light it will be added to.

    Raises
    ------
    DataError
        If there are fewer than :data:`FEWEST_PATCHES` patches.
    """
    window = _middle(tile)
    science = np.ascontiguousarray(window.science, dtype=np.float32)
    blocked = _blocked(window, science, config)
    side = config.patch_px
    y, x = _free_corners(blocked, side, step=max(1, side // 4))
    if len(y) < FEWEST_PATCHES:
        raise DataError(
            f"tile {tile.meta.tile_id}",
            expected=f"at least {FEWEST_PATCHES} squares of {side} px of blank sky",
            found=f"{len(y)}; {100 * blocked.mean():.0f} % of its pixels hold sources or are bad",
            remedy="Lower blend.noise.patch_px or growth_px, raise detection_sigma, or take an emptier tile.",
        )
    scale = flux_scale(tile.meta.zero_point_mag, zero_point_mag)
    return BlankSky(science * np.float32(scale), y, x, side)


def _middle(tile: Tile) -> Tile:
    height, width = tile.shape
    y0, x0 = max(0, (height - LARGEST_WINDOW_PX) // 2), max(0, (width - LARGEST_WINDOW_PX) // 2)
    return tile.window(y0, min(height, y0 + LARGEST_WINDOW_PX), x0, min(width, x0 + LARGEST_WINDOW_PX))


def _blocked(tile: Tile, science: NDArray[np.float32], config: RealNoise) -> NDArray[np.bool_]:
    """Return pixels that are bad or near a source."""
    import sep

    bad = np.asarray(tile.mask) > 0
    rms = np.ascontiguousarray(tile.rms, dtype=np.float32)
    stack = sep.get_extract_pixstack()
    sep.set_extract_pixstack(PIXEL_STACK)
    try:
        # deblend_cont=1: sources need not be told apart here, and deblending can overflow.
        _, segments = sep.extract(
            science,
            config.detection_sigma,
            err=rms,
            mask=bad,
            minarea=DETECTION_AREA_PX,
            deblend_cont=1.0,
            segmentation_map=True,
        )
    finally:
        sep.set_extract_pixstack(stack)
    return maximum_filter((segments > 0) | bad, size=2 * config.growth_px + 1)


def _free_corners(blocked: NDArray[np.bool_], side: int, step: int) -> tuple[NDArray, NDArray]:
    """Return the first row and column of each square on a grid that holds no blocked pixel."""
    height, width = blocked.shape
    if side > min(height, width):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    # Sums over squares from the running sum over rectangles.
    total = np.zeros((height + 1, width + 1), dtype=np.int64)
    total[1:, 1:] = blocked.cumsum(axis=0, dtype=np.int64).cumsum(axis=1)
    count = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    y, x = np.nonzero(count[::step, ::step] == 0)
    return y * step, x * step
