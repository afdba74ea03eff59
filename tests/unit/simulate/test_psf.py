from __future__ import annotations

import numpy as np
import pytest

from skymill.data.survey import DoubleGaussianPsf, GaussianPsf, MoffatPsf, OpticalPsf
from skymill.errors import ConfigError
from skymill.simulate.psf import effective_psf

DOUBLE = DoubleGaussianPsf(
    kind="double_gaussian",
    fwhm_arcsec=1.4296,
    outer_peak=0.0492294,
    outer_width=2.0094,
    wing_peak=0.0104952,
    wing_width=1.9412,
    wing_slope=3.2638,
    wing_end_arcsec=7.4,
)
REFERENCE_GROWTH = {2.0: 0.9228, 3.0: 0.9699, 5.0: 0.9915}
PSFS = [
    GaussianPsf(kind="gaussian", fwhm_arcsec=0.5),
    MoffatPsf(kind="moffat", fwhm_arcsec=0.7, beta=3.0),
    OpticalPsf(kind="optical", fwhm_arcsec=0.18, wavelength_nm=1537, diameter_m=2.4, obscuration=0.33),
    OpticalPsf(kind="optical", fwhm_arcsec=0.16, wavelength_nm=750, diameter_m=1.2, obscuration=0.36),
    DOUBLE,
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


def test_a_double_gaussian_has_the_flux_ratios_of_its_parts():
    without_wing = DOUBLE.model_copy(update={"wing_peak": 0.0})
    # A Gaussian's flux is its peak times 2 pi sigma^2: a twentieth of the peak at twice the width is a fifth of it.
    seen = effective_psf(without_wing.model_copy(update={"outer_peak": 0.05, "outer_width": 2.0}))
    inner, outer, _ = seen.original.obj_list
    sigmas = [part.original.sigma for part in (inner, outer)]

    assert sigmas[1] / sigmas[0] == pytest.approx(2)
    assert outer.flux / inner.flux == pytest.approx(0.05 * 4)


def test_the_wings_of_sdss_hold_the_light_that_its_pipeline_gives_them():
    drawn = effective_psf(DOUBLE).drawImage(nx=75, ny=75, scale=0.396, method="no_pixel").array
    offset = 0.396 * np.hypot(*(np.indices(drawn.shape) - 37))

    # Integrals of the three parts of psField-000094-1-0012.fit (r) over circles, as the pipeline's formula gives them.
    for radius, expected in REFERENCE_GROWTH.items():
        assert drawn[offset < radius].sum() == pytest.approx(expected, abs=5e-3)
    assert drawn[offset > 7.8].sum() == pytest.approx(0, abs=1e-3)
