"""The mask that comes with an image: read, translated and judged."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skymill.config.ingest import TileFacts
from skymill.data.fits_image import FitsImage, read_image
from skymill.errors import DataError
from skymill.ingest.mask_check import MaskedFractions, check_mask, masked_fractions
from skymill.ingest.mask_conventions import MASK_CONVENTIONS, SDSS_FPM, Convention, recognise
from skymill.ingest.mask_planes import Translation, translate
from skymill.ingest.sdss_mask import is_fpm, read_fpm

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GivenMask:
    """A mask in skymill's bits, with what is to be said about it.

    Parameters
    ----------
    where : str
        File and HDU.
    translation : Translation
        The bits, and the planes that were taken and left.
    fractions : MaskedFractions
        How much of the image it takes.
    warnings : tuple of str
        What is unusual about it.
    """

    where: str
    translation: Translation
    fractions: MaskedFractions
    warnings: tuple[str, ...]

    @property
    def bits(self) -> NDArray[np.uint8]:
        """Bits of :class:`~skymill.data.tile.MaskBit`, (y, x)."""
        return self.translation.bits

    @property
    def summary(self) -> str:
        """One line: planes taken and left, with their pixels."""
        taken, left = (
            ", ".join(f"{plane}: {pixels} px" for plane, pixels in planes.items()) or "none"
            for planes in (self.translation.taken, self.translation.left)
        )
        return f"{self.where}: mask planes ({self.translation.convention}) taken {taken}; left {left}"

    @property
    def facts(self) -> dict[str, Any]:
        """What was read and found, for the provenance record."""
        return {
            "mask_convention": self.translation.convention,
            "mask_planes_taken": self.translation.taken,
            "mask_planes_left": self.translation.left,
            "mask_fraction": self.fractions.of_pixels,
            "mask_fraction_of_bright": self.fractions.of_bright,
            "mask_warnings": list(self.warnings),
        }


def read_mask(path: str | Path, row: TileFacts, image: FitsImage) -> GivenMask:
    """Read the mask of an image; says in the log what was taken, and what is unusual.

    Parameters
    ----------
    path : str or Path
        A FITS image of flags, or SDSS's fpM file.
    row : TileFacts
        HDU, planes and convention, where the tile table gives them.
    image : FitsImage
        What is masked, with its background.

    Returns
    -------
    GivenMask
        Bits and account.

    Raises
    ------
    DataError
        If the file is no mask of the image's shape, if nothing says which of its values are bad, if a plane is unknown,
        or if it masks most of an image without being told so.
    """
    data, convention, where = _read(path, row, image)
    if data.shape != image.data.shape:
        raise DataError(
            where,
            expected=f"the shape {image.data.shape} of {image.where}",
            found=f"{data.shape}",
            remedy="Name the map that belongs to the image.",
        )
    made = translate(data, convention, row.mask_planes, where)
    fractions = masked_fractions(made.bits, image.data)
    warnings = check_mask(fractions, where, is_meant=row.mask_planes is not None)
    given = GivenMask(where, made, fractions, tuple(warnings))
    log.info("%s", given.summary)
    for warning in warnings:
        log.warning("%s", warning)
    return given


def _read(path: str | Path, row: TileFacts, image: FitsImage) -> tuple[NDArray, Convention | None, str]:
    if is_fpm(path):
        if row.mask_hdu is not None:
            raise DataError(
                path,
                expected="no mask_hdu for SDSS's fpM, which is one mask",
                found=f"{row.mask_hdu}",
                remedy="Choose with mask_planes.",
            )
        return read_fpm(path, image.header), SDSS_FPM, str(path)
    given = read_image(path, row.mask_hdu)
    data = np.asarray(given.data, dtype=given.data.dtype.newbyteorder("="))
    if row.mask_convention is not None:
        return data, MASK_CONVENTIONS[row.mask_convention], given.where
    return data, recognise(dict(given.primary) | dict(given.header), given.where), given.where
