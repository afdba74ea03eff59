"""The pixels of an image: brought to a unit near their noise, and masked where they cannot be used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skymill.config.ingest import TileFacts
from skymill.data.fits_image import FitsImage
from skymill.data.tile import MaskBit, bands
from skymill.errors import DataError
from skymill.ingest.checks import Checks
from skymill.ingest.mask import read_mask
from skymill.ingest.no_data import Empty, mark_no_data, rough_sky

if TYPE_CHECKING:
    from numpy.typing import NDArray

MANY_SATURATED, MOST_SATURATED = 0.05, 0.5
"""Parts of an image at the saturation that are said, and that cannot be."""


@dataclass
class Raw:
    """An image in a unit near its noise: whatever the file's, detectors and networks work on numbers of like size.

    Parameters
    ----------
    data : ndarray (y, x), float32
        The image.
    unit : float
        One unit of `data` in the file's: a power of two, so that no digit of a float32 changes.
    where : str
        File and HDU.
    """

    data: NDArray[np.float32]
    unit: float
    where: str

    @classmethod
    def of(cls, image: FitsImage) -> Raw:
        """Scale an image as its file has it."""
        noise = rough_sky(image.data).noise
        unit = 2.0 ** np.rint(np.log2(noise)) if noise > 0 else 1.0
        return cls(image.scaled(1.0 / unit), float(unit), image.where)


def count_pixels(mask: NDArray[np.uint8], bit: MaskBit) -> int:
    """Count the pixels of a mask, (y, x), that have a bit."""
    return sum(int(np.count_nonzero(mask[rows] & int(bit))) for rows in bands(len(mask)))


def mask_pixels(
    raw: Raw,
    image: FitsImage,
    row: TileFacts,
    mask_file: str | Path | None,
    saturation: float | None,
    checks: Checks,
) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Find the pixels not to be used, by the image itself and by its mask; empty ones become 0.

    Parameters
    ----------
    raw : Raw
        The image; changed.
    image : FitsImage
        The same as its file has it.
    row : TileFacts
        HDU and planes of the mask.
    mask_file : str or Path or None
        File of the mask; None if there is none.
    saturation : float or None
        Value from which a pixel is saturated, in the file's unit, sky included.
    checks : Checks
        Account of the tile.

    Returns
    -------
    mask : ndarray (y, x), uint8
        Bits of :class:`~skymill.data.tile.MaskBit`.
    facts : dict
        What is to be recorded of the mask's planes.

    Raises
    ------
    DataError
        If no pixel holds data or is good, the saturation is below the sky, or the mask cannot be taken.
    """
    mask = np.zeros(raw.data.shape, dtype=np.uint8)
    if saturation is not None:
        mask[raw.data >= saturation / raw.unit] |= np.uint8(MaskBit.SATURATED)
        _check_saturation(count_pixels(mask, MaskBit.SATURATED) / mask.size, saturation, checks)
    empty = mark_no_data(raw.data, mask)
    _note_empty(empty, raw, mask, checks)
    facts: dict[str, Any] = {}
    if mask_file is None:
        checks.note("mask", "none", "assumed", "the table names none")
    else:
        given = read_mask(mask_file, row, image)
        mask |= given.bits
        facts = given.facts
        checks.warnings += given.warnings
        checks.note("mask", given.summary, "read")
        raw.data[(mask & int(MaskBit.NO_DATA)) > 0] = 0.0
    if (mask > 0).all():
        raise DataError(raw.where, expected="good pixels", found="none that is not masked")
    return mask, facts


def _check_saturation(fraction: float, saturation: float, checks: Checks) -> None:
    """Refuse a saturation below the sky; warn of one that many pixels reach."""
    if fraction > MOST_SATURATED:
        raise DataError(
            checks.where,
            expected="a saturation above the sky",
            found=f"{saturation:.5g}, which {fraction:.1%} of the pixels reach",
            remedy="Check zero_point_mag and the survey, or give ingest.saturation in the image's unit.",
        )
    if fraction > MANY_SATURATED:
        checks.warn(f"{fraction:.1%} of the pixels reach the saturation {saturation:.5g}")


def _note_empty(empty: Empty, raw: Raw, mask: NDArray[np.uint8], checks: Checks) -> None:
    """Say what was taken for empty; without any pixel left, that is an error."""
    mask[(mask & int(MaskBit.NO_DATA)) > 0] = np.uint8(MaskBit.NO_DATA)
    percent = 100 / mask.size
    found = [
        f"{percent * pixels:.2f} % exactly {value * raw.unit:g}" for value, pixels in empty.filled.items()
    ]
    found += [f"{percent * empty.not_finite:.2f} % NaN or infinite"] * (empty.not_finite > 0)
    found += [f"{empty.extreme} pixels beyond any signal"] * (empty.extreme > 0)
    note = "too few distinct values to tell empty blocks" if empty.cannot_tell else ""
    checks.note("no data", ", ".join(found) or "none", "measured", note)
    if count_pixels(mask, MaskBit.NO_DATA) == mask.size:
        raise DataError(raw.where, expected="an image with data", found=", ".join(found))
    if empty.filled or empty.extreme:
        checks.warn(f"taken for empty: {', '.join(found)}")
    if empty.plateaus:
        pixels, value = sum(empty.plateaus.values()), min(empty.plateaus) * raw.unit
        checks.warn(f"{pixels} bright pixels are exactly alike, from {value:g} on: taken for saturated")
