from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from skymill.config.scene import ArtefactConfig, SceneConfig


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"side_px": 100}, "multiple of 16"),
        ({"density_per_1000_fwhm2": [0, 3]}, "two positive numbers"),
        ({"snr": [9, 3]}, "low <= high"),
        ({"pair_fraction": 1.0}, "less than 1"),
        ({"artefacts": {"streaks": 1}}, "Extra inputs"),
        ({"noise": {"kind": "pink"}}, "'real'"),
    ],
)
def test_impossible_patches_are_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        SceneConfig.model_validate({"population": "g", **values})


@pytest.mark.parametrize("model", [SceneConfig, ArtefactConfig])
def test_every_key_is_described(model):
    assert all(field.description for field in model.model_fields.values())


def test_a_recipe_survives_json_without_the_shards():
    config = SceneConfig(population="g", shard_size=3)
    params = json.loads(json.dumps(config.recipe_params()))

    assert "shard_size" not in params
    assert SceneConfig.model_validate(params) == config.model_copy(update={"shard_size": 40})
