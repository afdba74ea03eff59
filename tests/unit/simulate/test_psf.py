from __future__ import annotations

import numpy as np
import pytest

from skymill.data.survey import GaussianPsf, MoffatPsf, OpticalPsf
from skymill.errors import ConfigError
from skymill.simulate.psf import effective_psf

PSFS = [
    GaussianPsf(kind="gaussian", fwhm_arcsec=0.5),
    MoffatPsf(kind="moffat", fwhm_arcsec=0.7, beta=3.0),
    OpticalPsf(kind="optical", fwhm_arcsec=0.18, wavelength_nm=1537, diameter_m=2.4, obscuration=0.33),
    OpticalPsf(kind="optical", fwhm_arcsec=0.16, wavelength_nm=750, diameter_m=1.2, obscuration=0.36),
]


@pytest.mark.parametrize("psf", PSFS, ids=lambda psf: f"{psf.kind}-{psf.fwhm_arcsec}")
def test_the_width_is_the_survey_s(psf):
    scale = psf.fwhm_arcsec / 20
    row = effective_psf(psf).drawImage(nx=61, ny=61, scale=scale, method="no_pixel").array[30]
    # Where the profile crosses half of its peak, interpolated: right to a small part of the grid's 1/20 FWHM.
    right = np.interp(-row.max() / 2, -row[30:], np.arange(31.0))

    assert 2 * right * scale == pytest.approx(psf.fwhm_arcsec, rel=3e-3)


@pytest.mark.parametrize("psf", PSFS, ids=lambda psf: f"{psf.kind}-{psf.fwhm_arcsec}")
def test_the_flux_is_one(psf):
    assert effective_psf(psf).flux == pytest.approx(1, abs=1e-12)


def test_a_survey_s_psf_is_made_once():
    assert effective_psf(PSFS[2]) is effective_psf(PSFS[2].model_copy())


def test_no_telescope_beats_diffraction():
    psf = OpticalPsf(kind="optical", fwhm_arcsec=0.1, wavelength_nm=1537, diameter_m=2.4, obscuration=0.33)
    with pytest.raises(
        ConfigError, match=r"survey.psf.fwhm_arcsec: expected at least .* 0.1[23]\d* arcsec, found 0.1"
    ):
        effective_psf(psf)
