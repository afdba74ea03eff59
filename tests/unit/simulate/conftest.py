"""Small surveys, populations and recipes for the tests of the simulation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from skymill.config.simulate import ParametricPriors, SplitConfig
from skymill.data.survey import Survey
from skymill.provenance.recipe import Recipe

COSMOS = "hst_cosmos_stamps_btk/real_galaxy_catalog_26_extension_example.fits"


def toy_survey(**changes: Any) -> Survey:
    values = {
        "name": "toy",
        "band": "r",
        "pixel_scale_arcsec": 0.2,
        "zero_point_mag": 25.0,
        "gain_e_per_unit": 100.0,
        "background_rms": 0.05,
        "saturation": 200.0,
        "psf": {"kind": "moffat", "fwhm_arcsec": 0.7, "beta": 4.0},
        **changes,
    }
    return Survey.model_validate(values)


@pytest.fixture
def make_survey() -> Callable[..., Survey]:
    """Makes the toy survey with some keys changed."""
    return toy_survey


@pytest.fixture
def survey() -> Survey:
    return toy_survey()


@pytest.fixture
def priors() -> ParametricPriors:
    return ParametricPriors(
        kind="parametric",
        bulge_n=(1.0, 2.0),
        bulge_n_step=1.0,
        sizes={"kind": "relation", "re_arcsec": (0.1, 1)},
    )


@pytest.fixture
def population_recipe(survey: Survey, priors: ParametricPriors) -> Callable[..., dict[str, Any]]:
    """Recipe of a population of small stamps; keyword arguments are keys of the population."""

    def make(name: str = "toys", seed: int = 1, survey: Survey = survey, **keys: Any) -> dict[str, Any]:
        population = {**priors.recipe_params(), "n_galaxies": 12, "stamp_px": 32, **keys}
        split = SplitConfig().recipe_params()
        params = {"seed": seed, "survey": survey.physics(), "population": population, "split": split}
        return Recipe("simulate", name, params).to_dict()

    return make


@pytest.fixture
def cosmos(shared_data: Path) -> str:
    """Path of the real galaxies' catalogue."""
    return str(shared_data / COSMOS)
