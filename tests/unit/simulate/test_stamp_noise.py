from __future__ import annotations

import galsim
import numpy as np
import pytest

from skymill.simulate.psf import effective_psf
from skymill.simulate.stamp_noise import brightest_mag, fine_psf, white_noise_rms


@pytest.mark.parametrize("pixel_arcsec", [0.05, 0.1])
def test_white_noise_after_the_psf_is_that_of_drawn_noise(survey, pixel_arcsec: float):
    """2 %: 250 PSFs side by side in the drawn image have 1 % of scatter in their rms."""
    psf = effective_psf(survey.psf)
    noise = np.random.default_rng(3).normal(0, 2.0, (600, 600))
    image = galsim.InterpolatedImage(galsim.Image(noise), scale=pixel_arcsec)
    size = int(600 * pixel_arcsec / survey.pixel_scale_arcsec) - 30
    drawn = galsim.Convolve([image, psf], gsparams=galsim.GSParams(maximum_fft_size=8192)).drawImage(
        nx=size, ny=size, scale=survey.pixel_scale_arcsec, method="no_pixel"
    )

    assert drawn.array.std() == pytest.approx(white_noise_rms(2.0, pixel_arcsec, survey, psf), rel=0.04)


def test_a_gaussian_psf_has_the_noise_of_the_formula(make_survey):
    """The integral of the square of a Gaussian PSF is 1 / (4 pi sigma**2)."""
    survey = make_survey(psf={"kind": "gaussian", "fwhm_arcsec": 0.8})
    sigma = 0.8 / 2.35482
    expected = 0.2**2 * 3.0 / 0.05 / np.sqrt(4 * np.pi) / sigma

    assert white_noise_rms(3.0, 0.05, survey, effective_psf(survey.psf)) == pytest.approx(expected, rel=1e-3)


def test_the_fine_psf_is_centred_and_whole(survey):
    image, scale = fine_psf(effective_psf(survey.psf), survey.psf.fwhm_arcsec)

    assert np.unravel_index(image.argmax(), image.shape) == (64, 64)
    assert image.sum() == pytest.approx(1, abs=0.02)  # the wings beyond four widths
    assert scale * 16 == pytest.approx(0.7)


def test_the_brightest_magnitude_has_the_largest_noise(survey):
    noise = np.array([1e-3, 1e-2, np.inf])
    mag = brightest_mag(noise, survey, 0.3)

    flux = 10 ** (0.4 * (survey.zero_point_mag - mag[:2]))
    np.testing.assert_allclose(noise[:2] * flux, 0.3 * survey.background_rms)
    assert mag[2] == np.inf
