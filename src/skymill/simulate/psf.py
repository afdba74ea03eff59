"""The PSF of a survey as a GalSim profile."""

from __future__ import annotations

from functools import lru_cache
from math import exp
from typing import TYPE_CHECKING

import galsim
import numpy as np
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq
from scipy.special import j0

from skymill.data.survey import DoubleGaussianPsf, OpticalPsf, Psf
from skymill.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

HANKEL_STEPS = 1000
TRANSFER_NODES = 2000


@lru_cache(maxsize=16)
def effective_psf(psf: Psf) -> galsim.GSObject:
    """Return a survey's PSF with total flux 1, sizes in arcsec.

    It is the *effective* PSF (Anderson & King 2000, PASP 112, 1360): what a star looks like on the image, the
    response of the pixels included, because the widths that surveys quote and that ingest measures are of that kind.
    It is therefore sampled at pixel centres and never integrated over pixels a second time (``method="no_pixel"``).

    Parameters
    ----------
    psf : Psf
        Form and width.

    Returns
    -------
    galsim.GSObject
        Round, centred on (0, 0).

    Raises
    ------
    ConfigError
        If an optical PSF is asked to be narrower than diffraction allows.
    """
    if psf.kind == "gaussian":
        return galsim.Gaussian(fwhm=psf.fwhm_arcsec)
    if psf.kind == "moffat":
        return galsim.Moffat(fwhm=psf.fwhm_arcsec, beta=psf.beta)
    if psf.kind == "double_gaussian":
        return _double_gaussian(psf)
    return _optical(psf)


def transfer_function(psf: galsim.GSObject, wave_number: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the transfer function of a round PSF of flux 1: 1 at wave number 0, 0 beyond GalSim's ``maxk``.

    Parameters
    ----------
    psf : galsim.GSObject
        Sizes in arcsec.
    wave_number : ndarray
        Radians per arcsec.
    """
    nodes = np.linspace(0, psf.maxk * 1.001, TRANSFER_NODES)
    values = [psf.kValue(float(node), 0.0).real for node in nodes]
    inside = wave_number <= nodes[-1]
    return np.where(inside, CubicSpline(nodes, values)(np.where(inside, wave_number, 0.0)), 0.0)


def _double_gaussian(psf: DoubleGaussianPsf) -> galsim.GSObject:
    """Add up the parts, each with the flux that its peak and width give it."""

    def profile(radius: float) -> float:
        """Return the brightness over the inner Gaussian's peak; the radius is in units of its sigma."""
        power = 1 + radius**2 / (psf.wing_slope * psf.wing_width**2)
        outer = psf.outer_peak * exp(-(radius**2) / (2 * psf.outer_width**2))
        return exp(-(radius**2) / 2) + outer + psf.wing_peak * power ** (-psf.wing_slope / 2)

    half = profile(0) / 2
    sigma = psf.fwhm_arcsec / 2 / brentq(lambda radius: profile(radius) - half, 0.0, 10 * psf.outer_width)
    inner = galsim.Gaussian(sigma=sigma)
    outer = galsim.Gaussian(sigma=psf.outer_width * sigma)
    # The power law is a Moffat profile of half the slope; GalSim needs an end to it where the slope is shallow.
    core = psf.wing_width * sigma * psf.wing_slope**0.5
    wing = galsim.Moffat(beta=psf.wing_slope / 2, scale_radius=core, trunc=psf.wing_end_arcsec)
    peaks = {inner: 1.0, outer: psf.outer_peak, wing: psf.wing_peak}
    return galsim.Add([part * (peak / part.xValue(0, 0)) for part, peak in peaks.items()]).withFlux(1)


def _optical(psf: OpticalPsf) -> galsim.GSObject:
    """Convolve an Airy pattern with the Gaussian that brings it to the wanted width."""
    airy = galsim.Airy(lam=psf.wavelength_nm, diam=psf.diameter_m, obscuration=psf.obscuration)
    narrowest = _fwhm(airy, 0.0)
    if psf.fwhm_arcsec < narrowest:
        raise ConfigError(
            "survey.psf.fwhm_arcsec",
            expected=f"at least the diffraction limit, {narrowest:.4f} arcsec",
            found=f"{psf.fwhm_arcsec:g}",
            remedy="Correct the width, the wavelength or the mirror of the survey.",
        )
    sigma = brentq(lambda width: _fwhm(airy, width) - psf.fwhm_arcsec, 0.0, psf.fwhm_arcsec, xtol=1e-6)
    return galsim.Convolve([airy, galsim.Gaussian(sigma=sigma)]) if sigma > 0 else airy


def _fwhm(airy: galsim.Airy, sigma: float) -> float:
    """Return the full width at half maximum of an Airy pattern convolved with a Gaussian, arcsec.

    The profile is the Hankel transform of the two transfer functions' product, which ends at the diffraction limit.
    """
    k = np.linspace(0, airy.maxk, HANKEL_STEPS)
    transfer = np.array([airy.kValue(one, 0).real for one in k]) * np.exp(-0.5 * (k * sigma) ** 2) * k

    def above_half(radius: float) -> float:
        return float(transfer @ j0(k * radius) - 0.5 * transfer.sum())

    return 2 * brentq(above_half, 0.0, 2 / airy.maxk * np.pi + 3 * sigma)
