from __future__ import annotations

import numpy as np
import pytest

from skymill.simulate.exposure import expose


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(7)


def test_blank_sky_has_the_survey_s_noise(survey, generator):
    image, saturated = expose(np.zeros((300, 300)), 3.5, survey, generator)

    # 90,000 pixels: the mean is good to 0.05 / 300, the deviation to 0.24 %; five sigma of each.
    assert image.mean() == pytest.approx(3.5, abs=5 * 0.05 / 300)
    assert image.std() == pytest.approx(survey.background_rms, rel=0.012)
    assert image.dtype == np.float32 and not saturated.any()


@pytest.mark.parametrize("light", [1.0, 30.0])
def test_bright_light_adds_its_own_noise(survey, generator, light: float):
    image, _ = expose(np.full((300, 300), light), 0.0, survey, generator)

    assert image.var() == pytest.approx(survey.background_rms**2 + light / survey.gain_e_per_unit, rel=0.03)
    assert image.mean() == pytest.approx(light, rel=1e-3)


def test_saturated_pixels_are_clipped_above_the_background(survey, generator):
    light = np.zeros((20, 20))
    light[5, 7] = 10_000
    image, saturated = expose(light, 2.0, survey, generator)

    assert image[5, 7] == survey.saturation + 2.0
    assert saturated.sum() == 1 and saturated[5, 7]


def test_without_a_saturation_nothing_is_clipped(make_survey, generator):
    image, saturated = expose(np.full((4, 4), 1e5), 0.0, make_survey(saturation=None), generator)

    assert image.min() > 9e4 and not saturated.any()


def test_light_below_zero_is_no_error(survey, generator):
    # Fourier ringing leaves slightly negative pixels; deeper than the sky itself there are no electrons at all.
    image, _ = expose(np.full((4, 4), -1e3), 0.0, survey, generator)

    np.testing.assert_allclose(image, -(survey.background_rms**2) * survey.gain_e_per_unit)
