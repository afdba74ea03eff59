from __future__ import annotations

import json

import pytest
from pydantic import TypeAdapter, ValidationError

from skymill.config.simulate import (
    PRESETS,
    FieldConfig,
    IndependentSizes,
    ParametricPopulation,
    ParametricPriors,
    PopulationConfig,
    RealPopulation,
    SizeRelation,
    SplitConfig,
)

POPULATION = TypeAdapter(PopulationConfig)


def parametric(**keys) -> ParametricPopulation:
    return POPULATION.validate_python({"kind": "parametric", "n_galaxies": 10, **keys})


def test_the_kind_chooses_the_model():
    assert isinstance(parametric(), ParametricPopulation)
    assert isinstance(
        POPULATION.validate_python({"kind": "real", "n_galaxies": 3, "catalogue": "a.fits"}), RealPopulation
    )


def test_deeplegato_has_the_published_ranges():
    # The simulated ranges of Tuccillo et al. 2018, MNRAS 475, 894.
    config = parametric(preset="deeplegato", stamp_px=64)

    assert (config.mag, config.mag_slope) == ((18, 24), 0)
    assert config.bulge_to_total == (0, 1)
    assert config.sizes == IndependentSizes(log10_bulge_re_px=(0.2, 1.3), log10_disc_re_px=(0.2, 1.5))
    assert config.bulge_ellipticity == config.disc_ellipticity == (0.05, 0.95)
    assert config.disc_only_fraction == config.bulge_only_fraction == config.point_source_fraction == 0


def test_candels_and_sdss_presets():
    assert parametric().preset == "candels"
    assert parametric().mag == (18, 23)
    sdss = parametric(preset="sdss")
    assert (sdss.mag, sdss.point_source_fraction) == ((14, 22.5), 0.4)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_value_can_be_overridden(preset: str):
    changed = parametric(preset=preset, mag=[19, 20], point_source_fraction=0.25, sizes={"kind": "relation"})

    assert (changed.mag, changed.point_source_fraction) == ((19, 20), 0.25)
    assert isinstance(changed.sizes, SizeRelation)


def test_sizes_are_overridden_key_by_key():
    config = parametric(preset="sdss", sizes={"scatter_dex": 0.1})

    assert config.sizes.scatter_dex == 0.1
    assert config.sizes.median_re_arcsec == PRESETS["sdss"]["sizes"]["median_re_arcsec"]


@pytest.mark.parametrize("preset", PRESETS)
def test_recipe_params_make_the_same_config_again(preset: str):
    config = parametric(preset=preset, shard_size=7)
    params = json.loads(json.dumps(config.recipe_params()))

    assert "shard_size" not in params
    assert POPULATION.validate_python(params).recipe_params() == params


def test_shard_size_is_not_part_of_the_recipe():
    assert parametric(shard_size=7).recipe_params() == parametric(shard_size=8).recipe_params()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"n_galaxies": 0}, "n_galaxies"),
        ({"stamp_px": 63}, "expected an even number, found 63"),
        ({"mag": [23, 18]}, "low <= high"),
        ({"mag": [18, 90]}, "expected both within -5 to 40"),
        ({"preset": "hubble"}, "preset"),
        ({"bulge_n": [1, 9]}, "expected both within 0.3 to 6.2"),
        ({"disc_ellipticity": [0, 1]}, "expected both within 0 to 0.98"),
        ({"bulge_to_total": [-0.1, 1]}, "expected both within 0 to 1"),
        ({"disc_only_fraction": 0.6, "bulge_only_fraction": 0.6}, "expected at most 1, found 1.2"),
        ({"sizes": {"kind": "relation", "re_arcsec": [0, 1]}}, "expected both within 0.001 to 1000"),
        ({"sizes": {"kind": "fixed"}}, "sizes"),
        ({"magnitude": [18, 23]}, "magnitude"),
        ({"kind": "clumpy"}, "kind"),
    ],
)
def test_wrong_values_are_refused(keys: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        parametric(**keys)


def test_split_fractions_add_up():
    assert SplitConfig().train + SplitConfig().validation + SplitConfig().test == pytest.approx(1)
    with pytest.raises(ValidationError, match=r"expected 1, found 0\.9"):
        SplitConfig(train=0.6, validation=0.1, test=0.2)


def test_a_field_has_priors_but_no_number_of_galaxies():
    config = FieldConfig.model_validate({"galaxies": {"kind": "parametric", "preset": "sdss"}})

    assert isinstance(config.galaxies, ParametricPriors)
    assert config.galaxies.mag == (14, 22.5)
    with pytest.raises(ValidationError, match="n_galaxies"):
        FieldConfig.model_validate({"galaxies": {"kind": "parametric", "n_galaxies": 3}})


@pytest.mark.parametrize(
    "model", [ParametricPopulation, RealPopulation, SplitConfig, FieldConfig, SizeRelation]
)
def test_every_key_is_described(model: type):
    assert all(field.description for field in model.model_fields.values())
