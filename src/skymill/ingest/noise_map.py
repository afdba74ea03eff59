"""Noise maps beside the pixels that they belong to: whose noise they hold, and whether they can be of this image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skymill.config.ingest import IngestConfig
from skymill.data.tile import bands
from skymill.errors import DataError
from skymill.ingest.background import sky_pixels
from skymill.ingest.checks import Checks

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOW_PX = 1536
"""Side of the part of an image, its middle, that is looked at."""
FEWEST_PIXELS = 1000
LOWEST_RATIO = 1 / 1.5
"""Least noise of a map, in units of the image's own scatter."""
HIGHEST_RATIO, LARGEST_CORRELATION = 1.5, 4.0
"""Largest noise of a map in those units, times what the correlation of pixels explains; and the largest in all.
Drizzling lowers the scatter of single pixels (Casertano et al. 2000, AJ 120, 2747), often two to four times."""
BLOCK_PX = 8
"""Side of the blocks whose scatter tells how far pixels are correlated."""
RISE, LEAST_ORDER = 0.1, 0.7
"""A map holds the sources' photons if its variance rises under the brighter half of bright pixels by a tenth of the
sky's at least, and in the order of their light (Spearman's coefficient)."""
FEWEST_BRIGHT = 30
BRIGHT_RMS = 10.0
BELOW_SOURCES = 0.05
"""Where sources' photons would add this part of the sky's variance, the sky's noise is that of its surroundings."""
CELL_PX, SKY_RMS = 64, 2.0
"""Cells in which the sky's noise is the median of the pixels whose light is within so many times their noise."""
OWN_GAIN = 1.3
"""The gain that a map shows is taken for another one beyond this factor."""


@dataclass(frozen=True)
class Scatter:
    """How an image's sky pixels scatter.

    Parameters
    ----------
    ratio : float
        Typical scatter of a pixel in units of what the noise map says.
    correlation : float
        How many times larger the noise of the mean of a block is than if its pixels were independent.
    pixels : int
        Pixels that it rests on.
    """

    ratio: float
    correlation: float
    pixels: int


def middle(shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return the part of an image that is looked at."""
    starts = [max(0, (side - WINDOW_PX) // 2) for side in shape]
    return tuple(
        slice(start, min(side, start + WINDOW_PX)) for start, side in zip(starts, shape, strict=True)
    )


def measure_scatter(
    science: NDArray[np.float32], rms: NDArray[np.float32], mask: NDArray[np.uint8], config: IngestConfig
) -> Scatter:
    """Compare the scatter of sky pixels with a noise map.

    Parameters
    ----------
    science, rms : ndarray (y, x), float32
        Image without its sky and the map, the same unit.
    mask : ndarray (y, x), uint8
        Pixels to leave out: those that are not 0.
    config : IngestConfig
        The mesh, on which sources are found.
    """
    box = middle(science.shape)
    image, bad = np.ascontiguousarray(science[box]), mask[box] != 0
    sky, level = sky_pixels(image, bad, config)
    residual = (image - level) / rms[box]
    values = residual[sky]
    if len(values) < FEWEST_PIXELS:
        return Scatter(np.nan, 1.0, len(values))
    ratio = _scatter(values)
    return Scatter(ratio, _correlation(residual, sky, ratio), len(values))


def _scatter(values: NDArray) -> float:
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def _correlation(residual: NDArray, sky: NDArray[np.bool_], scatter: float) -> float:
    height, width = (side // BLOCK_PX * BLOCK_PX for side in residual.shape)
    shape = (height // BLOCK_PX, BLOCK_PX, width // BLOCK_PX, BLOCK_PX)
    # Blocks with holes count by the pixels that they have.
    count = sky[:height, :width].reshape(shape).sum(axis=(1, 3))
    total = np.where(sky, residual, 0)[:height, :width].reshape(shape).sum(axis=(1, 3))
    whole = count > BLOCK_PX**2 / 2
    if np.count_nonzero(whole) < 20 or not scatter > 0:
        return 1.0
    return max(1.0, _scatter(total[whole] / np.sqrt(count[whole])) / scatter)


def check_scatter(scatter: Scatter, where: str, config: IngestConfig, checks: Checks) -> str:
    """Refuse a noise map that cannot be this image's; returns what was compared, in words.

    Raises
    ------
    DataError
        With both numbers, if the map's noise is too low or too high for the image's own scatter, unless
        ``on_mismatch`` is ``go_on``.
    """
    if not scatter.ratio > 0:
        return "too few sky pixels to compare it with the image"
    noise = 1 / scatter.ratio
    highest = min(HIGHEST_RATIO * scatter.correlation, LARGEST_CORRELATION)
    if not LOWEST_RATIO <= noise <= highest:
        error = DataError(
            where,
            expected=f"a noise of {LOWEST_RATIO:.2f} to {highest:.2f} times the scatter of the image's own sky pixels "
            f"(correlated {scatter.correlation:.2f} times)",
            found=f"{noise:.3g} times",
            remedy="Check rms_kind (rms, variance, inverse_variance), the map's unit and that it is the image's.",
        )
        checks.refuse(error, config)
    return f"{noise:.2f} times the image's own scatter"


def photons_in_map(science: NDArray[np.float32], rms: NDArray[np.float32], mask: NDArray[np.uint8]) -> float:
    """Find out whether a noise map holds the sources' photon noise.

    Parameters
    ----------
    science, rms, mask
        As for :func:`measure_scatter`.

    Returns
    -------
    float
        Electrons for one image unit that the rise of the variance under bright sources stands for; NaN where the map
        does not rise as photons would make it.
    """
    from scipy.stats import spearmanr

    box = middle(science.shape)
    light, noise, good = science[box], rms[box].astype(np.float64), mask[box] == 0
    sky = _expanded(_sky_mesh(light, noise, mask[box]), slice(0, len(light)), light.shape[1])
    bright = good & (light > BRIGHT_RMS * sky)
    if np.count_nonzero(bright) < FEWEST_BRIGHT:
        return np.nan
    rise, light, sky = (noise**2 - sky**2)[bright], light[bright].astype(np.float64), sky[bright]
    brightest = light >= np.median(light)
    is_large = np.median((rise / sky**2)[brightest]) > RISE
    if not is_large or spearmanr(rise, light).statistic < LEAST_ORDER:
        return np.nan
    return float(1 / np.median((rise / light)[brightest]))


def take_photons_out(
    science: NDArray[np.float32],
    rms: NDArray[np.float32],
    mask: NDArray[np.uint8],
    gain: float,
) -> None:
    """Turn a map of the total noise into one of the sky's: under sources, that of their surroundings.

    Not by subtracting the photons: in a core that leaves the difference of two large numbers.

    Parameters
    ----------
    science, rms, mask
        As for :func:`measure_scatter`; `rms` is changed.
    gain : float
        Electrons for one image unit.
    """
    mesh = _sky_mesh(science, rms, mask)
    for rows in bands(len(rms), CELL_PX):
        sky = _expanded(mesh, rows, rms.shape[1])
        lower = (science[rows] / gain > BELOW_SOURCES * sky**2) & (sky < rms[rows])
        rms[rows][lower] = sky[lower]


def _sky_mesh(science: NDArray, rms: NDArray, mask: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the median noise of sky pixels in cells of the image; cells without any have the median of the others."""
    from scipy.ndimage import median_filter

    mesh = []
    for rows in bands(len(rms), CELL_PX):
        noise = np.asarray(rms[rows], dtype=np.float64)
        is_sky = (np.abs(science[rows]) < SKY_RMS * noise) & (mask[rows] == 0)
        noise = np.where(is_sky, noise, np.nan)
        mesh.append(
            [_median(noise[:, start : start + CELL_PX]) for start in range(0, noise.shape[1], CELL_PX)]
        )
    mesh = np.array(mesh)
    return median_filter(np.where(np.isfinite(mesh), mesh, _median(mesh)), 3, mode="nearest")


def _median(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else np.nan


def _expanded(mesh: NDArray[np.float64], rows: slice, width: int) -> NDArray[np.float64]:
    """Return the values of the cells that rows of the image lie in (y, x)."""
    return mesh[np.arange(rows.start, rows.stop) // CELL_PX][:, np.arange(width) // CELL_PX]
