from __future__ import annotations

import numpy as np
import pytest

from skymill.blend.noise import NOISES, build_noise
from skymill.config.blend import GaussianNoise, NoNoise, PoissonNoise, RealNoise
from skymill.errors import ConfigError

SHAPE = (300, 300)
# 90,000 pixels: the standard error of a deviation is 0.24 %; five of them.
DEVIATION = 0.012


def noise_of(kind, survey, light: float, tile=None) -> np.ndarray:
    image = build_noise(kind, survey, tile).add(np.full(SHAPE, light), np.random.default_rng(1))
    return image - light


def test_no_noise(survey):
    assert (noise_of(NoNoise(), survey, 3.0) == 0).all()


@pytest.mark.parametrize("light", [0.0, 20.0])
def test_gaussian_noise_is_the_survey_s_everywhere(survey, light: float):
    noise = noise_of(GaussianNoise(), survey, light)

    assert noise.mean() == pytest.approx(0, abs=5 * 0.05 / 300)
    assert noise.std() == pytest.approx(survey.background_rms, rel=DEVIATION)


@pytest.mark.parametrize("light", [0.0, 1.0, 20.0])
def test_poisson_noise_grows_with_the_light_over_the_gain(survey, light: float):
    noise = noise_of(PoissonNoise(), survey, light)
    variance = survey.background_rms**2 + light / survey.gain_e_per_unit

    assert noise.mean() == pytest.approx(0, abs=5 * np.sqrt(variance) / 300)
    assert noise.var() == pytest.approx(variance, rel=2 * DEVIATION)


def test_real_noise_is_scaled_and_correlated_like_the_tile(survey, sky_tile):
    noise = noise_of(RealNoise(tile="t1", patch_px=16), survey, 0.0, sky_tile())
    along_x = (noise[:, 1:] * noise[:, :-1]).mean() / noise.var()

    # Patches repeat, so their scatter counts: about 5 %. Neighbours correlate by 0.5 but across 1 of 16 borders.
    assert noise.std() == pytest.approx(survey.background_rms, rel=0.05)
    assert along_x == pytest.approx(0.5 * 15 / 16, abs=0.05)


def test_real_noise_can_keep_the_tile_s_level(survey, sky_tile):
    noise = noise_of(RealNoise(tile="t1", is_rescaled=False), survey, 0.0, sky_tile(rms=0.1))

    assert noise.std() == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize("zero_point_mag", [0.0, 22.5, 31.4, 48.6])
@pytest.mark.parametrize("is_rescaled", [False, True])
def test_real_noise_is_in_the_survey_s_unit_whatever_the_tile_s(
    survey, sky_tile, zero_point_mag: float, is_rescaled: bool
):
    """Sky that is 0.1 of the survey's units deep, on a tile of another zero-point."""
    rms = 0.1 * 10 ** (0.4 * (zero_point_mag - survey.zero_point_mag))
    tile = sky_tile(rms=rms, zero_point_mag=zero_point_mag)
    kind = RealNoise(tile="t1", is_rescaled=is_rescaled)
    level = survey.background_rms if is_rescaled else 0.1

    assert noise_of(kind, survey, 0.0, tile).std() == pytest.approx(level, rel=0.05)
    assert build_noise(kind, survey, tile).variance(np.zeros((2, 2)))[0, 0] == pytest.approx(
        level**2, rel=0.05
    )


@pytest.mark.parametrize(("has_source_noise", "extra"), [(True, 20.0 / 100), (False, 0.0)])
def test_real_noise_with_and_without_that_of_the_light(
    survey, sky_tile, has_source_noise: bool, extra: float
):
    noise = noise_of(RealNoise(tile="t1", has_source_noise=has_source_noise), survey, 20.0, sky_tile())

    assert noise.var() == pytest.approx(survey.background_rms**2 + extra, rel=0.1)


@pytest.mark.parametrize("light", [0.0, 20.0])
@pytest.mark.parametrize(
    "kind",
    [
        NoNoise(),
        GaussianNoise(),
        PoissonNoise(),
        RealNoise(tile="t1"),
        RealNoise(tile="t1", is_rescaled=False),
        RealNoise(tile="t1", has_source_noise=False),
    ],
)
def test_the_stated_variance_is_that_of_the_noise(survey, sky_tile, kind, light: float):
    noise = build_noise(kind, survey, sky_tile())
    image = np.full(SHAPE, light)
    scatter = (noise.add(image, np.random.default_rng(1)) - image).var()

    # Patches of real sky repeat: their scatter is known to 5 %, its square to 10 %.
    np.testing.assert_allclose(noise.variance(image), scatter, rtol=0.1)


def test_real_noise_needs_its_tile(survey):
    with pytest.raises(ConfigError, match=r"blend.noise.tile: expected an ingested tile"):
        build_noise(RealNoise(tile="t1"), survey, None)


def test_every_kind_of_the_configuration_is_registered():
    assert NOISES.names() == ["gaussian", "none", "poisson", "real"]


@pytest.mark.parametrize("kind", [NoNoise(), GaussianNoise(), PoissonNoise(), RealNoise(tile="t1")])
def test_slightly_negative_light_is_no_error(survey, sky_tile, kind):
    # Fourier ringing of noise-free stamps.
    image = build_noise(kind, survey, sky_tile()).add(np.full((20, 20), -1e-4), np.random.default_rng(1))

    assert np.isfinite(image).all()
