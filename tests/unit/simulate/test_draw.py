from __future__ import annotations

import galsim
import numpy as np
import pytest

from skymill.simulate.draw import FAILURES, draw, drawing_parameters


@pytest.mark.parametrize("size", [31, 32])
@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (0.3, -0.4)])
def test_the_centre_is_the_nominal_pixel_plus_the_offset(size: int, dx: float, dy: float):
    image = draw(galsim.Gaussian(fwhm=0.7), size, dx, dy, pixel_scale_arcsec=0.2)
    rows, columns = np.indices(image.shape)

    # A Gaussian sampled at 3.5 px per width has its centroid right to 1e-4 px.
    assert (image * columns).sum() / image.sum() == pytest.approx(size // 2 + dx, abs=1e-4)
    assert (image * rows).sum() / image.sum() == pytest.approx(size // 2 + dy, abs=1e-4)


def test_the_sum_is_the_flux():
    assert draw(galsim.Gaussian(fwhm=0.7, flux=123.0), 32, 0.1, 0.2, 0.2).sum() == pytest.approx(
        123, rel=1e-5
    )


def test_images_are_single_precision():
    assert draw(galsim.Gaussian(fwhm=0.7), 8, 0, 0, 0.2).dtype == np.float32


def test_a_transform_beyond_the_cap_fails_at_once():
    parameters = drawing_parameters(fft_max_px=128)
    huge = galsim.Convolve(
        [galsim.Sersic(4, half_light_radius=30), galsim.Gaussian(fwhm=0.7)], gsparams=parameters
    )

    with pytest.raises(FAILURES, match="large FFT"):
        draw(huge, 32, 0, 0, 0.2)


def test_pixels_that_are_not_finite_fail():
    with pytest.raises(FAILURES):
        draw(galsim.Gaussian(fwhm=0.7, flux=np.inf), 8, 0, 0, 0.2)
