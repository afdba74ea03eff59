from __future__ import annotations

import numpy as np
import pytest
import torch

from skymill.config.restorer import DegradationConfig
from skymill.config.train import AugmentConfig
from skymill.training.degrade import Degrade, Ratios, degrade, window_px
from skymill.training.galaxies import GalaxyData

INPUT_PX = 32


@pytest.fixture(scope="module")
def windows(population, survey):
    side_px = window_px(INPUT_PX, survey.psf_fwhm_px, 1.9)
    galaxies = GalaxyData(population.stamps, population.truth, "train", survey, side_px)
    return galaxies[np.arange(len(galaxies))]


def degraded(windows, survey, psf, noise, seed=1):
    light = windows["image"][..., :-1, :-1]
    ratios = Ratios(np.full(len(light), psf), np.full(len(light), noise))
    return degrade(light, ratios, survey, INPUT_PX, np.random.default_rng(seed))


def test_windows_hold_all_light_that_a_wider_psf_brings_in(survey):
    # Twice the reach of a Gaussian of 1.37 px on a PSF of 2 px, rounded up to a multiple of 8.
    assert window_px(32, 2.0, 1.9) == 48
    assert window_px(32, 2.0, 1.0) == 32


def test_the_truth_is_the_galaxy_itself_in_the_new_unit(windows, survey):
    batch = degraded(windows, survey, 1.5, 4.0)
    middle = windows["image"].shape[-1] // 2
    box = slice(middle - INPUT_PX // 2, middle + INPUT_PX // 2)

    assert torch.allclose(4 * batch.light, windows["image"][..., box, box], atol=1e-4)
    assert batch.condition[0].tolist() == pytest.approx([np.log2(1.5), 2.0])


def test_a_degraded_galaxy_is_wider_and_has_its_flux(windows, survey):
    """The population's are round Gaussians of 1.5 px, off the middle by less than half a pixel."""
    wide = sum(degraded(windows, survey, 1.9, 1.0, seed).image for seed in range(200)) / 200
    axis = torch.arange(INPUT_PX) - INPUT_PX // 2
    offset = (axis - windows["dx"][:, None]) ** 2
    width = (wide[:, 0].sum(dim=1) * offset).sum(dim=1) / wide[:, 0].sum(dim=(1, 2))
    bright = windows["flux"] > windows["flux"].median()
    added = (2 / 2.3548) ** 2 * (1.9**2 - 1)

    assert width[bright].mean() == pytest.approx(2.25 + added, rel=0.05)
    assert (wide.sum(dim=(1, 2, 3)) / windows["flux"])[bright].mean() == pytest.approx(1, abs=0.01)


def test_noise_is_of_background_and_photons(windows, survey):
    draws = torch.stack([degraded(windows, survey, 1.5, 3.0, seed).image for seed in range(300)])
    spread, mean = draws.std(dim=0), draws.mean(dim=0)

    # Units are the degraded image's own background rms; of a pixel's light, survey's rms, so many are electrons.
    assert float(spread[..., 0, :].mean()) == pytest.approx(1, abs=0.01)
    electrons = survey.gain_e_per_unit * survey.background_rms
    row = int(windows["flux"].argmax())
    middle = (row, 0, INPUT_PX // 2, INPUT_PX // 2)
    assert float(spread[middle]) == pytest.approx(float((1 + 3 * mean[middle] / electrons).sqrt()), rel=0.1)


def test_ratios_fill_their_ranges_evenly(windows, survey):
    augment = Degrade(AugmentConfig(), DegradationConfig(), survey, INPUT_PX, 5)
    condition = torch.cat([augment(windows, epoch, 0).condition for epoch in range(30)])
    psf, noise = 2**condition.T

    assert 1 <= psf.min() < 1.02 and 1.88 < psf.max() <= 1.9 and psf.mean() == pytest.approx(1.45, abs=0.03)
    assert 1 <= noise.min() < 1.05 and 11.5 < noise.max() <= 12
    assert noise.log().mean() == pytest.approx(0.5 * np.log(12), abs=0.08)


def test_an_epoch_s_batch_is_always_the_same_and_no_other(windows, survey):
    augment = Degrade(AugmentConfig(), DegradationConfig(), survey, INPUT_PX, 5)
    first, again, later = (augment(windows, epoch, 1).image for epoch in (0, 0, 1))
    fixed = [augment.as_they_are(windows, 0) for _ in range(2)]

    assert torch.equal(first, again) and not torch.equal(first, later)
    assert torch.equal(fixed[0].image, fixed[1].image)
    assert not torch.equal(fixed[0].image, augment.as_they_are(windows, 1).image)


def test_truth_and_image_are_turned_together(windows, survey):
    augment = Degrade(AugmentConfig(), DegradationConfig(noise_ratio=(1, 1)), survey, INPUT_PX, 5)
    batch = augment(windows, 0, 0)
    one = windows["flux"].argsort()[-8:]
    # Near the middle only, where light is above the noise.
    box, axis = slice(INPUT_PX // 2 - 7, INPUT_PX // 2 + 8), torch.arange(-7.0, 8.0)
    middles = [image[one, 0, box, box] for image in batch[:2]]
    centres = [(light.sum(dim=1) @ axis) / light.sum(dim=(1, 2)) for light in middles]

    assert torch.allclose(*centres, atol=0.15)
    assert not torch.allclose(centres[1], windows["dx"][one], atol=0.2)
