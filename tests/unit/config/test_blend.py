from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from skymill.config.blend import (
    PRESETS,
    BlendConfig,
    Composition,
    GaussianNoise,
    NoNoise,
    PoissonNoise,
    RadiusSeparation,
    RealBlendsConfig,
    RealNoise,
    UniformSeparation,
    fill_from_blend,
)


def blend(**keys) -> BlendConfig:
    return BlendConfig.model_validate({"population": "galaxies", **keys})


def test_boucaud20_is_the_published_recipe():
    # candels-blender, blender.py: magdiff 2, raddiff 4, at most half of 128 px, 0.8 of the upper end where empty.
    config = blend(preset="boucaud20")

    assert config.group_sizes == {2: 1.0}
    assert config.delta_mag == (0, 2)
    assert config.separation == RadiusSeparation(min_factor=1, max_factor=4, limit_px=64, squeeze=0.8)


def test_preset_values_are_overridden_key_by_key():
    config = blend(preset="boucaud20", separation={"limit_px": 30}, canvas_px=128, delta_mag=[0, 1])

    assert config.separation == RadiusSeparation(limit_px=30)
    assert (config.canvas_px, config.delta_mag, config.group_sizes) == (128, (0, 1), {2: 1.0})


def test_another_kind_of_separation_replaces_the_preset_s():
    config = blend(separation={"kind": "uniform", "separation_px": [5, 20]})

    assert config.separation == UniformSeparation(separation_px=(5, 20))


@pytest.mark.parametrize("preset", PRESETS)
def test_recipe_params_make_the_same_config_again(preset: str):
    params = json.loads(json.dumps(blend(preset=preset).recipe_params()))

    assert "shard_size" not in params
    assert BlendConfig.model_validate(params).recipe_params() == params


def test_stamps_are_large_enough_for_a_shifted_galaxy():
    config = blend(canvas_px=112, separation={"limit_px": 24})

    assert config.required_stamp_px() == 160
    assert config.largest_input_px() == 64
    assert blend(canvas_px=64, group_sizes={1: 1}).required_stamp_px() == 64


@pytest.mark.parametrize(
    ("noise", "model"),
    [
        ({"kind": "none"}, NoNoise),
        ({"kind": "gaussian"}, GaussianNoise),
        ({"kind": "poisson"}, PoissonNoise),
        ({"kind": "real", "tile": "t1"}, RealNoise),
    ],
)
def test_kinds_of_noise(noise: dict, model: type):
    assert isinstance(blend(noise=noise).noise, model)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"canvas_px": 113}, "canvas_px"),
        ({"canvas_px": 48}, r"expected more than twice the largest separation \(24 px\), found 48"),
        ({"group_sizes": {}}, "group sizes"),
        ({"group_sizes": {0: 1}}, r"expected group sizes from 1 to 12, found \[0\]"),
        ({"group_sizes": {13: 1}}, "found \\[13\\]"),
        ({"group_sizes": {2: -1}}, "not negative"),
        ({"group_sizes": {2: 0}}, "not all 0"),
        ({"separation": {"kind": "uniform", "separation_px": [5, 5.5]}}, "1 px wide"),
        ({"separation": {"kind": "uniform", "separation_px": [9, 5]}}, "low <= high"),
        ({"delta_mag": [-1, 2]}, "not negative"),
        ({"noise": {"kind": "real"}}, "tile"),
        ({"noise": {"kind": "real", "tile": "../t"}}, "tile"),
        ({"noise": {"kind": "pink"}}, "noise"),
        ({"preset": "boucaud19"}, "preset"),
        ({"n_training": 5}, "n_training"),
        ({"population": "../x"}, "population"),
    ],
)
def test_wrong_values_are_refused(keys: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        blend(**keys)


@pytest.mark.parametrize("model", [BlendConfig, RadiusSeparation, UniformSeparation, RealNoise])
def test_every_key_is_described(model: type):
    assert all(field.description for field in model.model_fields.values())


def test_numbers_of_blends_are_no_part_of_a_composition():
    few, many = blend(n_train=10, n_test=3).composition(), blend().composition()

    assert few == many
    assert Composition.model_validate(json.loads(json.dumps(few))).composition() == few


def test_real_blends_are_composed_as_the_others_where_nothing_else_is_said():
    others = {"population": "a", "n_train": 5, "canvas_px": 64, "delta_mag": [0, 1], "group_sizes": {2: 1}}
    others["separation"] = {"limit_px": 12}
    filled = fill_from_blend({"population": "b", "n": 7, "group_sizes": {3: 1}}, others)
    config = RealBlendsConfig.model_validate(filled)

    assert (config.population, config.n, config.group_sizes) == ("b", 7, {3: 1.0})
    assert (config.canvas_px, config.delta_mag, config.separation.limit_px) == (64, (0, 1), 12)


def test_a_preset_of_their_own_stands_alone():
    filled = fill_from_blend({"population": "b", "preset": "boucaud20"}, {"population": "a", "canvas_px": 64})

    assert RealBlendsConfig.model_validate(filled).canvas_px == PRESETS["boucaud20"]["canvas_px"]


@pytest.mark.parametrize(("real", "others"), [("b", {}), ({"population": "b"}, None), (None, {})])
def test_what_is_no_mapping_is_left_to_the_validation(real, others):
    assert fill_from_blend(real, others) == real
