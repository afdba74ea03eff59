from __future__ import annotations

import numpy as np
import pytest
import torch

from skymill.config.generator import NoiseRangeConfig
from skymill.config.train import AugmentConfig
from skymill.errors import DataError
from skymill.training.galaxies import GalaxyAugment, GalaxyData, turned

PX = 32


@pytest.fixture(scope="module")
def data(population, survey):
    return GalaxyData(population.stamps, population.truth, "train", survey, PX)


@pytest.fixture(scope="module")
def augment(survey):
    return GalaxyAugment(AugmentConfig(), NoiseRangeConfig(relative_error=0.1), survey, 4, seed=3)


def test_galaxies_of_one_side_in_units_of_the_noise(data, population, survey):
    rows = np.flatnonzero(population.side == "train")

    assert len(data) == len(rows) and (data.galaxy_id == rows).all()
    some = data[np.array([2, 5])]
    middle = population.images[rows[[2, 5]]][:, 16:49, 16:49] / survey.background_rms
    np.testing.assert_allclose(some["image"][:, 0].numpy(), middle, rtol=1e-6)
    np.testing.assert_allclose(
        some["flux"].numpy(), population.flux[rows[[2, 5]]] / survey.background_rms, rtol=1e-5
    )
    np.testing.assert_allclose(some["re_px"].numpy(), 0.7 / survey.pixel_scale_arcsec, rtol=1e-6)


def test_stamps_that_are_too_small_and_sides_without_galaxies_are_refused(population, survey):
    with pytest.raises(DataError, match="stamps of at least 66 px"):
        GalaxyData(population.stamps, population.truth, "train", survey, 64)
    with pytest.raises(DataError, match="galaxies of the side nowhere"):
        GalaxyData(population.stamps, population.truth, "nowhere", survey, PX)


def test_halves_are_of_one_size_and_share_no_galaxy(data, population, survey):
    files = (population.stamps, population.truth, "train", survey, PX)
    first, second = (GalaxyData(*files, half=(half, 7)) for half in (1, 2))
    again, other = (GalaxyData(*files, half=(1, seed)) for seed in (7, 8))

    assert len(first) == len(second) == len(data) // 2
    assert not set(first.galaxy_id) & set(second.galaxy_id)
    assert set(first.galaxy_id) | set(second.galaxy_id) <= set(data.galaxy_id)
    assert (again.galaxy_id == first.galaxy_id).all() and (other.galaxy_id != first.galaxy_id).any()
    number = list(data.galaxy_id).index(first.galaxy_id[3])
    assert torch.equal(first[np.array([3])]["image"], data[np.array([number])]["image"])


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("flip", [0, 1])
def test_offsets_turn_with_the_image(data, turns, flip):
    windows = data[np.arange(8)]
    found = turned(windows, np.full(8, turns), np.full(8, flip))
    y, x = np.indices((PX + 1, PX + 1)) - PX // 2
    light = found["image"][:, 0].double().numpy()
    total = light.sum(axis=(1, 2))

    np.testing.assert_allclose((light * x).sum(axis=(1, 2)) / total, found["dx"].numpy(), atol=1e-3)
    np.testing.assert_allclose((light * y).sum(axis=(1, 2)) / total, found["dy"].numpy(), atol=1e-3)
    moved = [not torch.equal(found[name], windows[name]) for name in ("dx", "dy")]
    assert any(moved) is (turns + flip > 0)


def test_noise_is_that_of_the_depth_and_of_the_photons(augment, survey):
    light = torch.full((400, 1, 8, 8), 50.0)
    windows = {name: torch.ones(400) for name in ("flux", "re_px", "dx", "dy")}
    batch = augment.observed(windows, light, np.full(400, 0.5), np.random.default_rng(1))
    photons = 0.25 * (1 + 50 / (survey.gain_e_per_unit * survey.background_rms))

    assert (batch.image - light).var().item() == pytest.approx(photons, rel=0.03)
    torch.testing.assert_close(batch.variance, torch.full_like(light, photons + 25.0))
    assert batch.draw.shape == (400, 4) and batch.draw.std().item() == pytest.approx(1, abs=0.05)


def test_depths_are_even_in_the_log(augment, data):
    depth = torch.cat([augment(data[np.arange(40)], epoch, 0).seen.noise for epoch in range(50)])

    assert depth.min() >= 0.1 and depth.max() <= 1
    assert torch.log10(depth).mean().item() == pytest.approx(-0.5, abs=0.03)


def test_an_epoch_and_batch_are_always_the_same_and_validation_does_not_change(augment, data):
    windows = data[np.arange(6)]
    first, again, other = (augment(windows, *key) for key in ((1, 2), (1, 2), (2, 2)))

    assert torch.equal(first.image, again.image) and torch.equal(first.draw, again.draw)
    assert not torch.equal(first.image, other.image)
    assert torch.equal(augment.as_they_are(windows, 0).image, augment.as_they_are(windows, 0).image)
    assert torch.equal(augment.as_they_are(windows, 0).light, windows["image"][..., :-1, :-1])
