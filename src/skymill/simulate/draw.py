"""Drawing of one profile on one stamp."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import galsim
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDING_THRESHOLD = 5e-3
"""Light that may be folded back from beyond the Fourier image. Most of it does not reach the stamp: fluxes in stamps
are right to 1e-3 (a test), at twice the speed of 1e-3 here."""
MAXK_THRESHOLD = 1e-3
XVALUE_ACCURACY = 1e-12
"""GalSim cuts Moffat wings off where they hold this fraction of the light; its default shows around bright stars."""

FAILURES = (galsim.GalSimError, galsim.GalSimWarning, ArithmeticError, LookupError, OSError, ValueError)
"""What the drawing of one galaxy may raise without ending the others."""


def drawing_parameters(fft_max_px: int) -> galsim.GSParams:
    """Return GalSim's settings with the largest allowed Fourier transform; equal ones share GalSim's caches."""
    return galsim.GSParams(
        folding_threshold=FOLDING_THRESHOLD,
        maxk_threshold=MAXK_THRESHOLD,
        xvalue_accuracy=XVALUE_ACCURACY,
        maximum_fft_size=fft_max_px,
    )


def draw(
    profile: galsim.GSObject, size: int, dx: float, dy: float, pixel_scale_arcsec: float
) -> NDArray[np.float32]:
    """Draw a profile that holds the effective PSF already.

    Parameters
    ----------
    profile : galsim.GSObject
        Sizes in arcsec, flux in image units.
    size : int
        Side of the stamp in pixels.
    dx, dy : float
        Offset of the profile's centre from the centre of pixel ``size // 2``, px.
    pixel_scale_arcsec : float
        Side of a pixel.

    Returns
    -------
    ndarray (size, size), float32
        The sum over all pixels is the flux less what lies outside the stamp.

    Raises
    ------
    galsim.GalSimError, galsim.GalSimWarning
        If the drawing needs a larger Fourier transform than allowed, or fails otherwise.
    ValueError
        If a pixel is not finite.
    """
    # GalSim places profiles at the middle of the stamp, (size - 1) / 2.
    middle = size // 2 - (size - 1) / 2
    image = galsim.ImageF(size, size, scale=pixel_scale_arcsec)
    with warnings.catch_warnings():
        # Newer versions of GalSim warn of a transform that is too large and then make it.
        warnings.filterwarnings("error", message=".*very large FFT", category=galsim.GalSimWarning)
        profile.drawImage(image=image, method="no_pixel", offset=(middle + dx, middle + dy))
    if not np.isfinite(image.array).all():
        raise ValueError("the drawing has pixels that are not finite")
    return image.array
