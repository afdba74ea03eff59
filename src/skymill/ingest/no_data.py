"""Pixels that hold no data although they hold a number: fill values, marks, numbers that no detector gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from skymill.data.tile import MaskBit, bands
from skymill.ingest.noise import grid_step

if TYPE_CHECKING:
    from numpy.typing import NDArray

HIGHEST_NOISE, LOWEST_NOISE = 1e7, -1e3
"""Largest distances from the sky, in units of the noise. A stack of exposures of a full well each reaches 10^6; nothing
that shines goes 1,000 times below the noise, but marks (-9999, -1e30) do."""
BLOCK_PX, RUN_PX = 8, 64
"""A square of one exact value, or a row or column of as many pixels, is where an image's empty part is recognised."""
BLOCK_OF_FEW_VALUES_PX = 32
FEW_VALUES = 0.01
"""Part of neighbouring pixels that are equal by chance, above which a square must be the larger one: images of integers
with little noise, and those that were clipped, have small squares of one value."""
LEAST_CHANCE = 1e-3
"""Expected number of squares by chance, above which an image's values are too few to tell."""
BRIGHT_NOISE = 10.0
"""A plateau this far above the sky, with pixels as bright around it, is saturated and not empty."""
MOST_VALUES = 4
"""Fill values of one image; each takes the memory of a mask while it is looked for."""


@dataclass(frozen=True)
class RoughSky:
    """Level and noise of an image's sky, good to some ten percent, without a look at its sources.

    Parameters
    ----------
    level, noise : float
        Median, and scatter of the difference of neighbours, of pixels that differ from their neighbour; image units.
        Both are 0 for an image without any.
    """

    level: float
    noise: float


@dataclass
class Empty:
    """What was taken for empty, pixels by reason."""

    not_finite: int = 0
    extreme: int = 0
    filled: dict[float, int] = field(default_factory=dict)
    plateaus: dict[float, int] = field(default_factory=dict)
    """Saturated plateaus: pixels by value."""
    cannot_tell: bool = False


def rough_sky(image: NDArray) -> RoughSky:
    """Measure level and noise of the sky from a grid of rows.

    Parameters
    ----------
    image : ndarray (y, x)
        Any type and unit; NaN and infinite pixels are left out.
    """
    rows = np.asarray(image[:: grid_step(image.size) ** 2], dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.diff(rows, axis=1)
        telling = np.isfinite(difference) & (difference != 0)
    if not telling.any():
        return RoughSky(0.0, 0.0)
    # Of differences of two pixels: sqrt(2) times the noise of one.
    noise = 1.4826 * np.median(np.abs(difference[telling])) / np.sqrt(2)
    return RoughSky(float(np.median(rows[:, 1:][telling])), float(noise))


def mark_no_data(image: NDArray[np.float32], mask: NDArray[np.uint8]) -> Empty:
    """Set NO_DATA for pixels without data, SATURATED for plateaus of bright ones; empty pixels become 0.

    Parameters
    ----------
    image : ndarray (y, x), float32
        The image with its sky; changed.
    mask : ndarray (y, x), uint8
        Bits of :class:`~skymill.data.tile.MaskBit`; changed.

    Returns
    -------
    Empty
        Pixels by reason.
    """
    found, sky = Empty(), rough_sky(image)
    for rows in bands(len(image)):
        finite = np.isfinite(image[rows])
        found.not_finite += int(np.count_nonzero(~finite))
        mask[rows][~finite] |= np.uint8(MaskBit.NO_DATA)
        image[rows][~finite] = 0.0
    _mark_filled(image, mask, sky, found)
    for rows in bands(len(image)):
        empty = (mask[rows] & int(MaskBit.NO_DATA)) > 0
        extreme = _beyond_any_signal(image[rows], sky) & ~empty
        found.extreme += int(np.count_nonzero(extreme))
        mask[rows][extreme] |= np.uint8(MaskBit.NO_DATA)
        image[rows][empty | extreme] = 0.0
    return found


def _beyond_any_signal(image: NDArray[np.float32], sky: RoughSky) -> NDArray[np.bool_]:
    if not sky.noise > 0:
        return np.zeros(image.shape, dtype=bool)
    with np.errstate(over="ignore"):
        distance = (image - np.float32(sky.level)) / np.float32(sky.noise)
    return (distance > HIGHEST_NOISE) | (distance < LOWEST_NOISE)


def _mark_filled(image: NDArray[np.float32], mask: NDArray[np.uint8], sky: RoughSky, found: Empty) -> None:
    for side in (BLOCK_PX, BLOCK_OF_FEW_VALUES_PX):
        regions = _regions(image, mask, side)
        if not regions:
            return
        chance = _chance_of_equal(image, np.any([region for _, region in regions], axis=0))
        if side == BLOCK_PX and chance > FEW_VALUES:
            continue
        # Of a square's pixels all but one must equal it by chance.
        if image.size * chance ** (side**2 - 1) > LEAST_CHANCE:
            found.cannot_tell = True
            return
        for value, region in regions:
            _mark_region(image, mask, sky, found, (value, region))
        return


def _mark_region(
    image: NDArray[np.float32],
    mask: NDArray[np.uint8],
    sky: RoughSky,
    found: Empty,
    filled: tuple[float, NDArray[np.bool_]],
) -> None:
    from scipy.ndimage import binary_dilation, label, labeled_comprehension

    value, region = filled
    if value > sky.level + BRIGHT_NOISE * sky.noise:
        labels, count = label(region, np.ones((3, 3)))
        # A pixel beside two plateaus counts for one of them.
        around, _ = label(binary_dilation(region, np.ones((3, 3))), np.ones((3, 3)))
        ring = np.where(region, 0, around)
        numbers = np.arange(1, count + 1)
        bright = labeled_comprehension(image, ring, numbers, np.median, np.float64, -np.inf)
        own = labeled_comprehension(around, labels, numbers, np.max, np.int64, 0)
        is_bright = np.concatenate([[False], bright[own - 1] > sky.level + BRIGHT_NOISE * sky.noise])
        saturated = is_bright[labels]
        mask[saturated] |= np.uint8(MaskBit.SATURATED)
        if saturated.any():
            found.plateaus[value] = int(np.count_nonzero(saturated))
        region = region & ~saturated
    mask[region] |= np.uint8(MaskBit.NO_DATA)
    if region.any():
        found.filled[value] = int(np.count_nonzero(region))


def _regions(
    image: NDArray[np.float32], mask: NDArray[np.uint8], side: int
) -> list[tuple[float, NDArray[np.bool_]]]:
    """Return values, and the pixels of each that are connected with a square or a run of it."""
    from scipy.ndimage import binary_propagation

    y, x = _seeds(image, mask, side)
    values, first = np.unique(image[y, x], return_inverse=True)
    most = np.argsort(-np.bincount(first, minlength=len(values)), kind="stable")[:MOST_VALUES]
    regions = []
    for number in most:
        equal = (image == values[number]) & ((mask & int(MaskBit.NO_DATA)) == 0)
        seeds = np.zeros_like(equal)
        seeds[y[first == number], x[first == number]] = True
        regions.append((float(values[number]), binary_propagation(seeds, np.ones((3, 3)), mask=equal)))
    return regions


def _seeds(image: NDArray[np.float32], mask: NDArray[np.uint8], side: int) -> tuple[NDArray, NDArray]:
    """Return a corner of each square, and an end of each run, of one exact value."""
    run = max(RUN_PX, side**2 // 4)
    height, width = image.shape
    # Small images' rims are shorter than a run.
    run_x, run_y = min(run, width), min(run, height)
    found = []
    for rows in bands(height):
        wide = slice(rows.start, min(height, rows.stop + run))
        usable = (mask[wide] & int(MaskBit.NO_DATA)) == 0
        beside, below = _equal(image[wide], usable)
        if max(np.count_nonzero(beside), np.count_nonzero(below)) < min(
            side * (side - 1), run_x - 1, run_y - 1
        ):
            continue
        square = _all_ahead(_all_ahead(beside, side - 1, 1), side, 0)
        square &= _all_ahead(_all_ahead(below, side - 1, 0), side, 1)
        seeds = square | _all_ahead(beside, run_x - 1, 1) | _all_ahead(below, run_y - 1, 0)
        y, x = np.nonzero(seeds[: rows.stop - rows.start])
        found.append((y + rows.start, x))
    return (
        tuple(np.concatenate(part) for part in zip(*found, strict=True))
        if found
        else ((np.zeros(0, int),) * 2)
    )


def _equal(
    image: NDArray[np.float32], usable: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return whether each pixel equals the next one to the right, and the next one above it."""
    beside, below = np.zeros(image.shape, dtype=bool), np.zeros(image.shape, dtype=bool)
    beside[:, :-1] = (image[:, 1:] == image[:, :-1]) & usable[:, 1:] & usable[:, :-1]
    below[:-1] = (image[1:] == image[:-1]) & usable[1:] & usable[:-1]
    return beside, below


def _all_ahead(true: NDArray[np.bool_], count: int, axis: int) -> NDArray[np.bool_]:
    """Return where this and the next pixels along an axis, `count` in all, are true; False where there are fewer."""
    from scipy.ndimage import minimum_filter1d

    ahead = minimum_filter1d(
        true.astype(np.uint8), count, axis, mode="constant", cval=0, origin=-(count // 2)
    )
    return ahead.astype(bool)


def _chance_of_equal(image: NDArray[np.float32], inside: NDArray[np.bool_]) -> float:
    """Return the part of pixels outside the regions that equal their right neighbour."""
    step = grid_step(image.size) ** 2
    rows, outside = image[::step], ~inside[::step]
    pairs = outside[:, 1:] & outside[:, :-1]
    equal = (rows[:, 1:] == rows[:, :-1]) & pairs
    return float(np.count_nonzero(equal) / max(1, np.count_nonzero(pairs)))
