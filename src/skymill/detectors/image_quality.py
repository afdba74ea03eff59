"""How good deblended images are, beside the blends that they were taken out of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skymill.metrics.growth import radius_of_fraction
from skymill.metrics.images import aperture_flux, linear, peak, psnr, ssim, stamp_flux
from skymill.metrics.moments import ellipticity_error, moments, size_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

APERTURE_RADII = 2.0
"""Radius of the aperture, half-light radii of the true image."""
LEAST_WINDOW_PX = 1.0
"""Narrowest window of the moments: a narrower one would see its own pixels."""


def image_quality(
    images: NDArray, blends: NDArray, true: NDArray, x: NDArray, y: NDArray
) -> dict[str, NDArray[np.float64]]:
    """Return the errors of deblended images and of the blends themselves.

    Pixels are linear and sky-subtracted; the range of PSNR and SSIM is the true image's brightest pixel.

    Parameters
    ----------
    images, blends, true : ndarray (n, y, x)
        The galaxies as they were taken out of their blends, the blends, and the galaxies without noise and
        neighbours; the same pixels and unit.
    x, y : ndarray (n,)
        True centres on these stamps, 0-based px.

    Returns
    -------
    dict of str to ndarray (n,)
        Columns of the schema ``deblended``, without those that identify the galaxy and those of :func:`conservation`.
    """
    half_px = radius_of_fraction(true, x, y, 0.5, np.inf)
    window_px = np.maximum(half_px, LEAST_WINDOW_PX)
    radius_px = APERTURE_RADII * window_px
    aim = {
        "flux": stamp_flux(true),
        "aperture": aperture_flux(true, x, y, radius_px),
        "moments": moments(true, x, y, window_px),
    }
    given = {"data_range": peak(true), "background": 0.0, "stretch": linear}
    columns = {}
    for name, seen in (("image", images), ("blend", blends)):
        ratio = psnr(seen, true, **given)
        found = moments(seen, x, y, window_px)
        columns |= {
            # An exact image has an infinite ratio, which no mean survives.
            f"{name}_psnr": np.where(np.isinf(ratio), np.nan, ratio),
            f"{name}_ssim": ssim(seen, true, **given),
            f"{name}_flux_error": _relative(stamp_flux(seen), aim["flux"]),
            f"{name}_aperture_error": _relative(aperture_flux(seen, x, y, radius_px), aim["aperture"]),
            f"{name}_size_error": size_error(found, aim["moments"]),
            f"{name}_ellipticity_error": ellipticity_error(found, aim["moments"]),
        }
    return columns


def conservation(images: NDArray, blends: NDArray, true: NDArray) -> dict[str, NDArray[np.float64]]:
    """Return how much light is lost or made up.

    Parameters
    ----------
    images, blends, true : ndarray (n, y, x)
        The sum of the images of the central galaxies and of their neighbours, the blends, and the light of all galaxies
        without noise; the same pixels and unit.

    Returns
    -------
    dict of str to ndarray (n,)
        ``image_conservation_error`` and ``blend_conservation_error``: light over the true light, minus 1. The blend's
        own is the sum of its noise.
    """
    aim = stamp_flux(true)
    seen = {"image": images, "blend": blends}
    return {f"{name}_conservation_error": _relative(stamp_flux(light), aim) for name, light in seen.items()}


def _relative(value: NDArray, true: NDArray) -> NDArray[np.float64]:
    """Return ``value / true - 1``; NaN without true light."""
    return value / np.where(true > 0, true, np.nan) - 1.0
