"""Whether a mask can be right: how much of the image, and of its bright pixels, it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skymill.data.tile import MaskBit, bands
from skymill.errors import DataError
from skymill.ingest.noise import grid_step

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNUSABLE = int(MaskBit.BAD | MaskBit.NO_DATA)
UNUSUAL_FRACTION = 0.05
"""A mask that takes more of an image than this is said; bad pixels, cosmic rays and edges are mostly fewer."""
MOST = 0.5
BRIGHT_RMS = 5.0
MIN_BRIGHT = 50
"""With fewer bright pixels, a few hot ones would be most of them."""


@dataclass(frozen=True)
class MaskedFractions:
    """What a mask takes.

    Parameters
    ----------
    of_pixels : float
        Fraction of the pixels with data; 0 if there are none.
    of_bright : float
        Fraction of those `BRIGHT_RMS` above the sky that are not marked as saturated; 0 if there are fewer than
        `MIN_BRIGHT`.
    """

    of_pixels: float
    of_bright: float


def masked_fractions(bits: NDArray[np.uint8], science: NDArray[np.float32]) -> MaskedFractions:
    """Measure how much of an image a mask makes unusable.

    Pixels that hold nothing (NaN, infinite, one value that does not change from pixel to pixel) do not count: a
    mosaic's empty corners are masked with good reason.

    Parameters
    ----------
    bits : ndarray (y, x), uint8
        Bits of :class:`~skymill.data.tile.MaskBit`, from the mask alone.
    science : ndarray (y, x), float32
        The image, with its background.

    Returns
    -------
    MaskedFractions
        Of all pixels with data and of the bright ones.
    """
    threshold = _bright_level(science)
    count = np.zeros(4, dtype=np.int64)
    for rows in bands(len(bits)):
        has_data = _has_data(science[rows])
        is_masked = (bits[rows] & UNUSABLE) > 0
        is_bright = has_data & (science[rows] > threshold) & ((bits[rows] & int(MaskBit.SATURATED)) == 0)
        parts = (has_data & is_masked, has_data, is_bright & is_masked, is_bright)
        count += [np.count_nonzero(part) for part in parts]
    masked, pixels, masked_bright, bright = count.tolist()
    return MaskedFractions(masked / max(pixels, 1), masked_bright / bright if bright >= MIN_BRIGHT else 0.0)


def check_mask(fractions: MaskedFractions, where: str, *, is_meant: bool) -> list[str]:
    """Judge what a mask takes of its image.

    Parameters
    ----------
    fractions : MaskedFractions
        What it takes.
    where : str
        File and HDU of the mask, for messages.
    is_meant : bool
        The tile table names the planes, so that a mask of most of the image is a warning as well.

    Returns
    -------
    list of str
        Warnings.

    Raises
    ------
    DataError
        If more than half of the pixels with data are masked and nobody said so.
    """
    of_pixels, of_bright = fractions.of_pixels, fractions.of_bright
    if of_pixels > MOST and not is_meant:
        raise DataError(
            where,
            expected="good pixels in most of the image that holds data",
            found=f"{of_pixels:.1%} of it masked and {1 - of_pixels:.1%} left, as by a mask whose 1 is good",
            remedy="If 0 marks bad pixels, write 'zero' into mask_planes; if so much is meant to be masked, name the"
            " planes there ('nonzero': all).",
        )
    warnings = []
    if of_pixels > UNUSUAL_FRACTION:
        warnings.append(
            f"{where}: the mask takes {of_pixels:.1%} of the pixels with data (more than {UNUSUAL_FRACTION:.0%})"
        )
    if of_bright > MOST:
        warnings.append(
            f"{where}: the mask takes {of_bright:.0%} of the pixels {BRIGHT_RMS:g} times the noise above the sky: does"
            " one of its planes mark sources? Name those to take in mask_planes"
        )
    return warnings


def _bright_level(science: NDArray[np.float32]) -> float:
    """Return the value from which a pixel is bright: the sky and its noise by medians of pixels with data."""
    step = grid_step(science.size) ** 2
    values = np.concatenate([science[rows][_has_data(science[rows])][::step] for rows in bands(len(science))])
    if not values.size:
        return np.inf
    sky = np.median(values)
    noise = 1.4826 * np.median(np.abs(values - sky))
    return float(sky + BRIGHT_RMS * noise)


def _has_data(image: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Find the pixels that hold something: finite, and not of one value with neighbours beside and above or below."""
    beside = _equals_a_neighbour(image)
    return np.isfinite(image) & ~(beside & _equals_a_neighbour(image.T).T)


def _equals_a_neighbour(image: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Find the pixels of the same value as the one to the left or to the right."""
    same = image[:, 1:] == image[:, :-1]
    found = np.zeros(image.shape, dtype=bool)
    found[:, 1:] |= same
    found[:, :-1] |= same
    return found
