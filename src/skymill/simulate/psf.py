"""The PSF of a survey as a GalSim profile."""

from __future__ import annotations

from functools import lru_cache

import galsim
import numpy as np
from scipy.optimize import brentq
from scipy.special import j0

from skymill.data.survey import OpticalPsf, Psf
from skymill.errors import ConfigError

HANKEL_STEPS = 1000


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
    return _optical(psf)


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
