"""The galaxies that the blends of one side are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skymill.catalog.catalogue import Catalogue
from skymill.catalog.flags import Flag
from skymill.data.survey import Survey
from skymill.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Galaxies:
    """Galaxies that may be drawn, as arrays of one length.

    Parameters
    ----------
    table : Catalogue
        Their rows of the catalogue ``galaxies``.
    galaxy_id : ndarray (n,), int64
        Numbers, which are those of their stamps, too.
    mag, flux : ndarray (n,), float64
        AB magnitude, nJy.
    radius_px : ndarray (n,), float64
        Half-light radius as seen on the image, px: ``hypot(re, psf_fwhm / 2)``. The half-light radius of a Gaussian
        is half of its width, and those of Gaussians add in quadrature.
    dx, dy : ndarray (n,), float64
        Offset of the centre from the stamp's nominal pixel, px.
    """

    table: Catalogue
    galaxy_id: NDArray[np.int64]
    mag: NDArray[np.float64]
    flux: NDArray[np.float64]
    radius_px: NDArray[np.float64]
    dx: NDArray[np.float64]
    dy: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of galaxies."""
        return len(self.galaxy_id)


def galaxies_of_side(truth: Catalogue, side: str, survey: Survey, largest_group: int) -> Galaxies:
    """Choose the galaxies of one side whose drawing has not failed.

    Parameters
    ----------
    truth : Catalogue
        Schema ``galaxies``.
    side : str
        ``train``, ``validation``, ``test``, or ``all`` of them.
    survey : Survey
        Pixel scale and PSF.
    largest_group : int
        Galaxies that the largest blend needs.

    Raises
    ------
    ConfigError
        If the side has fewer galaxies than that.
    """
    usable = ((truth["side"] == side) | (side == "all")) & ((truth["flags"] & Flag.FAILED) == 0)
    count = int(usable.sum())
    if count < largest_group:
        raise ConfigError(
            "populations" if side == "all" else f"split.{side}",
            expected=f"at least {largest_group} galaxies, as many as the largest of blend.group_sizes",
            found=f"{count} of {len(truth)}",
            remedy="Raise populations.*.n_galaxies or this side's fraction.",
        )
    chosen = truth.select(usable)
    return Galaxies(
        chosen,
        chosen["galaxy_id"],
        chosen["mag"],
        chosen["flux"],
        np.hypot(chosen["re"], survey.psf.fwhm_arcsec / 2) / survey.pixel_scale_arcsec,
        chosen["dx"].astype(np.float64),
        chosen["dy"].astype(np.float64),
    )
