"""A wider PSF: against GalSim, and undone again."""

from __future__ import annotations

import galsim
import numpy as np
import pytest
import torch

from skymill.models.degradation import added_sigma_px, blurred, reach_px, sharpened

FWHM_PX, SIDE = 3.0, 96


def drawn(fwhm_px: float) -> np.ndarray:
    """An inclined galaxy off the pixel's centre behind a Gaussian PSF; GalSim draws at the PSF's pixels."""
    galaxy = galsim.Exponential(half_light_radius=3.0, flux=1000).shear(g1=0.3, g2=0.1).shift(0.3, -0.2)
    seen = galsim.Convolve(galaxy, galsim.Gaussian(fwhm=fwhm_px))
    image = galsim.Image(SIDE + 1, SIDE + 1, scale=1, dtype=np.float64)
    return seen.drawImage(image, method="no_pixel").array[:-1, :-1].astype(np.float32)


@pytest.mark.parametrize("ratio", [1.3, 1.79])
def test_a_wider_psf_is_the_one_that_galsim_convolves_with(ratio):
    sigma_px = added_sigma_px(FWHM_PX, torch.tensor([ratio]))
    wide = blurred(torch.from_numpy(drawn(FWHM_PX))[None], sigma_px)[0].numpy()
    expected = drawn(ratio * FWHM_PX)

    # Both are good to the accuracy of GalSim's transforms.
    assert np.abs(wide - expected).max() < 1e-3 * expected.max()
    assert np.abs(wide - drawn(FWHM_PX)).max() > 0.05 * expected.max()


def test_widths_add_in_quadrature_and_nothing_is_added_to_the_survey_s_own():
    sigma_px = added_sigma_px(2.3548, torch.tensor([1.0, 2.0**0.5, 2.0]))

    assert sigma_px.tolist() == pytest.approx([0, 1, 3**0.5], abs=1e-4)
    assert reach_px(2.3548, 2**0.5) in (4, 5) and reach_px(3.0, 1.0) == 0


def test_each_image_has_a_width_of_its_own():
    light = torch.zeros(2, 32, 32)
    light[:, 16, 16] = 1.0
    wide = blurred(light, torch.tensor([0.0, 2.0]))

    assert torch.allclose(wide[0], light[0], atol=1e-6)
    assert float(wide[1, 16, 16]) == pytest.approx(1 / (2 * np.pi * 4), rel=1e-3)
    assert float(wide[1].sum()) == pytest.approx(1, abs=1e-5)


def test_sharpening_undoes_it_where_there_is_no_noise():
    light = torch.from_numpy(drawn(FWHM_PX))[None]
    sigma_px = added_sigma_px(FWHM_PX, torch.tensor([1.5]))
    wide = blurred(light, sigma_px)
    again = sharpened(wide, sigma_px, balance=1e-4, margin_px=8)

    assert float((again - light).abs().max()) < 0.1 * float((wide - light).abs().max())
    assert float(again.sum()) == pytest.approx(float(wide.sum()), rel=1e-3)


def test_a_larger_balance_lets_less_noise_through():
    noise = torch.from_numpy(np.random.default_rng(1).standard_normal((1, 64, 64), dtype=np.float32))
    spread = [
        float(sharpened(noise, torch.tensor([1.9]), balance, margin_px=8).std())
        for balance in (1e-3, 0.1, 10)
    ]

    assert spread[0] > 3 * spread[1] > 3 * spread[2]
