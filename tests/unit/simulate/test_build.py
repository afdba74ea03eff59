from __future__ import annotations

import numpy as np
import pytest

from skymill.config.simulate import ParametricPriors
from skymill.simulate.build import build_population
from skymill.simulate.population import POPULATIONS


def test_every_kind_of_the_configuration_is_registered():
    assert POPULATIONS.names() == ["cutouts", "parametric", "real"]


@pytest.mark.parametrize("preset", ["candels", "deeplegato", "sdss"])
def test_every_preset_draws(preset: str, survey):
    population = build_population(
        ParametricPriors(kind="parametric", preset=preset), survey, 1, "simulate", "g"
    )
    truth = population.truth(np.arange(2))

    for number in range(2):
        image = population.draw({name: values[number] for name, values in truth.items()}, 32)
        assert image.shape == (32, 32) and image.max() > 0
