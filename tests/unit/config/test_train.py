from __future__ import annotations

import json
import subprocess
import sys

import pytest
from pydantic import ValidationError

from skymill.config.train import AugmentConfig, ModelConfig, TrainConfig, critic_of


def options(**changes) -> dict:
    return {"network": {"kind": "cnn"}, "task": {"kind": "flux"}, **changes}


def test_the_defaults_are_complete():
    config = ModelConfig.model_validate(options())

    assert (config.network.rings, config.network.angles, config.network.widths) == (24, 32, (32, 64, 96))
    assert config.training.decay.kind == "cosine"


def test_a_recipe_survives_json_and_holds_no_execution_keys():
    config = ModelConfig.model_validate(options())
    params = json.loads(json.dumps(config.recipe_params()))

    assert not TrainConfig.execution_keys & set(params["training"])
    assert ModelConfig.model_validate(params) == config


def test_execution_keys_are_keys():
    assert TrainConfig.execution_keys <= set(TrainConfig.model_fields)


@pytest.mark.parametrize(
    "change", [{"device": "cpu"}, {"threads": 2}, {"workers": 1}, {"progress": "on"}, {"cache_limit_gb": 0}]
)
def test_how_a_training_is_executed_does_not_change_its_recipe(change):
    plain = ModelConfig.model_validate(options())
    changed = ModelConfig.model_validate(options(training=change))

    assert changed != plain and changed.recipe_params() == plain.recipe_params()


@pytest.mark.parametrize("change", [{"learning_rate": 5e-4}, {"max_epochs": 7}, {"augment": {"flip": False}}])
def test_what_is_trained_changes_the_recipe(change):
    plain = ModelConfig.model_validate(options())

    assert ModelConfig.model_validate(options(training=change)).recipe_params() != plain.recipe_params()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": {"kind": "resnet"}}, "'cnn', 'unet'"),
        ({"network": {"kind": "cnn", "width": [8]}}, "Extra inputs"),
        ({"network": {"kind": "cnn", "widths": [8]}}, "at least 2 items"),
        ({"network": {"kind": "cnn", "widths": [8, 0]}}, "greater than or equal to 1"),
        ({"task": {"kind": "mask_flux"}}, "expected one with masks for task mask_flux, found cnn"),
        ({"task": {"kind": "flux", "loss": "mse"}}, "'laplace', 'log_l1' or 'mape'"),
        ({"network": {"kind": "cnn", "widths": [8, 10**9]}}, "less than or equal to 2048"),
        ({"training": {"learning_rate": float("nan")}}, "finite number"),
        ({"network": {"kind": "cnn", "angles": 12}}, "multiple of 8"),
        ({"network": {"kind": "cnn", "rings": 2}}, "greater than or equal to 4"),
        (
            {"input_px": 61},
            "expected a multiple of 2, or a larger even number with such an inner_px, found 61",
        ),
        ({"network": {"kind": "unet"}, "input_px": 60}, "expected a multiple of 16.*found 60"),
        (
            {"network": {"kind": "unet", "inner_px": 40}, "input_px": 64},
            "expected a multiple of 16.*found 64",
        ),
        ({"network": {"kind": "unet"}, "input_px": 75}, "larger even number.*found 75"),
        ({"training": {"learning_rate": 0}}, "greater than 0"),
        ({"training": {"learning_rat": 1e-3}}, "Extra inputs"),
        ({"training": {"decay": {"kind": "linear"}}}, "'plateau'"),
        ({"training": {"decay": {"kind": "step", "factor": 1.5}}}, "less than 1"),
        ({"training": {"augment": {"zoom": [1.1, 0.9]}}}, "low <= high"),
        ({"training": {"augment": {"zoom": [0.0, 1.0]}}}, "two numbers from 0.25 to 4"),
        ({"training": {"augment": {"added_noise_rms": [-0.1, 0.1]}}}, "not negative"),
        ({"training": {"augment": {"psf_fwhm_ratio": [0.9, 1.1]}}}, "two numbers from 1 to 3"),
    ],
)
def test_wrong_options_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message.replace("[", r"\[")):
        ModelConfig.model_validate(options(**changes))


@pytest.mark.parametrize(
    ("augment", "resamples"),
    [({}, False), ({"zoom": [0.9, 1.1]}, True), ({"rotate": True}, True), ({"shift_px": 3}, False)],
)
def test_noise_free_images_are_needed_to_interpolate_only(augment, resamples):
    assert AugmentConfig.model_validate(augment).resamples == resamples


@pytest.mark.parametrize(("inner_px", "input_px"), [(64, 100), (64, 128), (32, 66), (64, 48)])
def test_the_middle_or_the_whole_stamp_is_deblended(inner_px, input_px):
    network = {"kind": "unet", "inner_px": inner_px}

    assert ModelConfig.model_validate(options(network=network, input_px=input_px)).input_px == input_px


def test_options_are_read_without_torch(repository):
    code = "import sys, skymill.config.train; print('torch' in sys.modules)"
    job = subprocess.run(
        [sys.executable, "-c", code], cwd=repository / "src", capture_output=True, text=True, check=True
    )

    assert job.stdout.strip() == "False"


def test_only_networks_with_images_can_learn_to_deblend():
    with pytest.raises(
        ValidationError, match="expected one with images for task deblend, found cnn; take branched"
    ):
        ModelConfig.model_validate({"network": {"kind": "cnn"}, "task": {"kind": "deblend"}})
    for kind in ("unet", "branched"):
        ModelConfig.model_validate({"network": {"kind": kind}, "task": {"kind": "deblend"}})


def test_pictures_are_at_least_as_large_as_the_window_of_their_similarity():
    pictures = {"network": {"kind": "branched_pictures"}, "task": {"kind": "pictures"}}
    with pytest.raises(ValidationError, match="at least 12 for pictures, found 8"):
        ModelConfig.model_validate({**pictures, "input_px": 8})
    assert ModelConfig.model_validate({**pictures, "input_px": 12}).input_px == 12


def test_a_network_that_draws_has_no_masks():
    with pytest.raises(ValidationError, match="expected one with masks"):
        ModelConfig.model_validate({"network": {"kind": "branched"}, "task": {"kind": "mask_flux"}})


@pytest.mark.parametrize(
    ("task", "weight"),
    [
        ({"kind": "flux"}, None),
        ({"kind": "mask_flux"}, None),
        ({"kind": "deblend"}, 0.01),
        ({"kind": "deblend", "critic": {"weight": 2}}, 2.0),
        ({"kind": "deblend", "critic": None}, None),
    ],
)
def test_who_is_trained_with_a_critic(task, weight):
    model = ModelConfig.model_validate({"network": {"kind": "unet"}, "task": task})
    critic = critic_of(model.task)
    assert (critic and critic.weight) == weight
