"""The noise that an image brings along when it is drawn with a survey's PSF, and how bright that lets a galaxy be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import galsim
import numpy as np

from skymill.data.survey import Survey
from skymill.simulate.draw import draw

if TYPE_CHECKING:
    from numpy.typing import NDArray

PSF_GRID = 16
"""Pixels per width of the PSF where its profile is summed over."""
PSF_WIDTHS = 8
"""Side of the image of the PSF that is summed over, in its widths."""


def fine_psf(psf: galsim.GSObject, fwhm_arcsec: float) -> tuple[NDArray[np.float32], float]:
    """Return an image of a PSF of flux 1, centred, on a grid much finer than it, and that grid's step in arcsec."""
    scale = fwhm_arcsec / PSF_GRID
    return draw(psf, PSF_WIDTHS * PSF_GRID + 1, 0, 0, scale), scale


def white_noise_rms(sigma: float, pixel_arcsec: float, survey: Survey, psf: galsim.GSObject) -> float:
    """Return the noise per pixel of the survey that an image with white noise has after convolution with its PSF.

    Each pixel of the image is a point of random flux, there are ``1 / pixel_arcsec**2`` of them in a square arcsec, and
    the variances of what they leave in one place add up: ``rms = S**2 sigma / pixel_arcsec * sqrt(integral of PSF**2)``
    with the survey's pixel scale S.

    Parameters
    ----------
    sigma : float
        Noise per pixel of the image.
    pixel_arcsec : float
        Side of the image's pixels as drawn; small against the PSF.
    survey : Survey
        Pixel scale and width of the PSF.
    psf : galsim.GSObject
        The survey's PSF.

    Returns
    -------
    float
        In the unit of `sigma`.
    """
    image, scale = fine_psf(psf, survey.psf.fwhm_arcsec)
    squared = float((image.astype(np.float64) ** 2).sum()) / scale**2  # 1 / arcsec^2
    return survey.pixel_scale_arcsec**2 * sigma / pixel_arcsec * squared**0.5


def brightest_mag(noise_of_unit_flux: NDArray, survey: Survey, max_noise_rms: float) -> NDArray[np.float64]:
    """Return the brightest magnitude at which an image's noise stays small beside the survey's.

    Parameters
    ----------
    noise_of_unit_flux : ndarray
        Noise per pixel of the survey when the galaxy is drawn with a flux of 1 image unit; infinite for galaxies that
        cannot be used.
    survey : Survey
        Zero-point and background_rms.
    max_noise_rms : float
        Largest noise in units of background_rms.
    """
    largest_flux = max_noise_rms * survey.background_rms / np.asarray(noise_of_unit_flux, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return survey.zero_point_mag - 2.5 * np.log10(largest_flux)
