from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from skymill.config.finder import DetectionTaskConfig, DetectionUnetConfig, FinderConfig


def test_the_defaults_are_complete():
    config = FinderConfig()

    assert config.network.widths == (16, 32, 64, 80) and config.network.stride == 16
    assert FinderConfig.model_validate(json.loads(json.dumps(config.recipe_params()))) == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"network": {"kind": "unet"}}, "'detection_unet'"),
        ({"network": {"widths": [8]}}, "at least 2 items"),
        ({"task": {"least_purity": 1.0}}, "less than 1"),
        ({"task": {"threshold": "loud"}}, "'best_f1' or 'purity'"),
        ({"input_px": 100}, "a multiple of 16 for 4 widths, found 100"),
        (
            {"training": {"augment": {"zoom": [0.9, 1.1]}}},
            "quarter_turns and flip only for finders, found zoom",
        ),
        ({"training": {"augment": {"shift_px": 3}}}, "found shift_px"),
    ],
)
def test_wrong_options_are_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        FinderConfig.model_validate(values)


@pytest.mark.parametrize("model", [FinderConfig, DetectionUnetConfig, DetectionTaskConfig])
def test_every_key_is_described(model):
    assert all(field.description for field in model.model_fields.values())
