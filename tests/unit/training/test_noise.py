"""Noise of whole batches against that of the stage blend: the same mean and variance in each pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skymill.blend.noise import build_noise
from skymill.config.blend import GaussianNoise, NoNoise, PoissonNoise, RealNoise
from skymill.errors import ConfigError
from skymill.training.noise import BATCH_NOISES, MOST_PATCHES, build_batch_noise
from skymill.training.share import Share, Stream

DRAWS, SIZE = 3000, 12
KINDS = [
    NoNoise(),
    GaussianNoise(),
    PoissonNoise(),
    RealNoise(tile="t1"),
    RealNoise(tile="t1", is_rescaled=False),
    RealNoise(tile="t1", has_source_noise=False),
    RealNoise(tile="t1", patch_px=5),
]


def light_rms() -> np.ndarray:
    """A galaxy of up to 2,000 rms on blank sky, background rms: (y, x)."""
    offset = np.arange(SIZE) - SIZE // 2
    return 2000 * np.exp(-(offset[:, None] ** 2 + offset**2) / 8)


def drawn(kind, survey, tile, seed: int = 0) -> torch.Tensor:
    """Noisy images of one galaxy: (draws, y, x), background rms."""
    light = torch.from_numpy(light_rms()).float().expand(DRAWS, 1, SIZE, SIZE)
    return build_batch_noise(kind, survey, tile)(light, Stream(torch.Generator().manual_seed(seed)))[:, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_mean_and_variance_are_those_of_the_stage_blend(survey, sky_tile, kind):
    rms, tile = survey.background_rms, sky_tile(rms=1.7)
    found = drawn(kind, survey, tile).double().numpy()
    theirs, generator = build_noise(kind, survey, tile), np.random.default_rng(2)
    wanted = np.stack([theirs.add(light_rms() * rms, generator) for _ in range(DRAWS)]) / rms
    variance = np.maximum(wanted.var(axis=0), 1e-12)

    # Two means of 3,000 draws differ by 0.026 sigma, two variances by 3.7 %; five of them for the worst of 144 pixels.
    assert (
        np.abs(found.mean(axis=0) - wanted.mean(axis=0)) < 0.13 * np.sqrt(variance) + 1e-6 * light_rms()
    ).all()
    assert (np.abs(found.var(axis=0) - wanted.var(axis=0)) < 0.19 * variance + 1e-9).all()
    np.testing.assert_allclose(found.var(axis=0).mean(), wanted.var(axis=0).mean(), rtol=0.02, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_the_variance_is_what_the_stage_blend_states(survey, sky_tile, kind):
    rms, tile = survey.background_rms, sky_tile(rms=1.7)
    found = drawn(kind, survey, tile).double().var(dim=0).numpy()
    stated = build_noise(kind, survey, tile).variance(light_rms() * rms) / rms**2

    np.testing.assert_allclose(found, stated, rtol=0.19, atol=1e-9)


def test_real_noise_keeps_the_correlation_of_the_tile(survey, sky_tile):
    noise = build_batch_noise(RealNoise(tile="t1", patch_px=16), survey, sky_tile())
    sky = noise(torch.zeros(200, 1, 32, 32), Stream(torch.Generator().manual_seed(1)))[:, 0].double()
    along_x = float((sky[:, :, 1:] * sky[:, :, :-1]).mean() / sky.var())
    along_y = float((sky[:, 1:] * sky[:, :-1]).mean() / sky.var())

    # Neighbours along x correlate by a half but across one border of 31 pairs.
    assert along_x == pytest.approx(0.5 * 30 / 31, abs=0.02)
    assert along_y == pytest.approx(0.0, abs=0.02)
    assert float(sky.std()) == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize("is_rescaled", [False, True])
def test_real_noise_is_that_of_the_sky_whatever_the_tiles_unit(survey, sky_tile, is_rescaled):
    kind = RealNoise(tile="t1", patch_px=16, is_rescaled=is_rescaled)
    factor = 10 ** (0.4 * (31.4 - survey.zero_point_mag))
    tiles = sky_tile(rms=0.5), sky_tile(rms=0.5 * factor, zero_point_mag=31.4)
    one, other = (build_batch_noise(kind, survey, tile).patches for tile in tiles)

    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_patches_are_cut_to_the_stamps(survey, sky_tile):
    noise = build_batch_noise(RealNoise(tile="t1", patch_px=16), survey, sky_tile())
    light = torch.zeros(3, 2, 20, 37)

    assert noise(light, Stream(torch.Generator().manual_seed(0))).shape == light.shape
    assert len(noise.patches) <= MOST_PATCHES


def test_patches_are_those_of_the_tile_turned_or_not(survey, sky_tile):
    kind = RealNoise(tile="t1", patch_px=8, is_rescaled=False, has_source_noise=False)
    noise = build_batch_noise(kind, survey, sky_tile())
    drawn_patches = noise(torch.zeros(40, 1, 8, 8), Stream(torch.Generator().manual_seed(3)))[:, 0]
    known = noise.patches
    turned = torch.cat([known, known.flip(1), known.flip(2), known.flip(1, 2)])
    distance = torch.cdist(drawn_patches.flatten(1), turned.flatten(1)).min(dim=1).values

    assert distance.max() < 1e-3
    ways = torch.cdist(drawn_patches.flatten(1), turned.flatten(1)).argmin(dim=1) // len(known)
    assert set(ways.tolist()) == {0, 1, 2, 3}


@pytest.mark.parametrize("kind", KINDS)
def test_the_generator_alone_decides(survey, sky_tile, kind):
    tile = sky_tile()
    one, again, other = (drawn(kind, survey, tile, seed) for seed in (1, 1, 2))

    assert torch.equal(one, again)
    assert torch.equal(one, other) == (kind.kind == "none")


@pytest.mark.parametrize("kind", KINDS)
def test_light_below_zero_is_no_error(survey, sky_tile, kind):
    # Fourier ringing of noise-free stamps.
    light = torch.full((2, 1, 8, 8), -1e-3)

    assert torch.isfinite(build_batch_noise(kind, survey, sky_tile())(light, Stream(torch.Generator()))).all()


def test_real_noise_needs_its_tile(survey):
    with pytest.raises(ConfigError, match=r"blend.noise.tile: expected an ingested tile"):
        build_batch_noise(RealNoise(tile="t1"), survey, None)


def test_every_kind_of_the_configuration_is_registered():
    assert BATCH_NOISES.names() == ["gaussian", "none", "poisson", "real"]


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_each_row_gets_its_noise_in_any_process(survey, sky_tile, kind):
    light = torch.from_numpy(light_rms()).float().expand(7, 1, SIZE, SIZE)
    noise = build_batch_noise(kind, survey, sky_tile())
    parts = [Share(rank, 3).part(7) for rank in range(3)]
    made = [noise(light[part.rows], Stream(torch.Generator().manual_seed(4), part)) for part in parts]

    assert torch.equal(torch.cat(made), noise(light, Stream(torch.Generator().manual_seed(4))))
