from __future__ import annotations

import copy

import pytest
import yaml
from pydantic import ValidationError

from skymill.config.restorer import DegradationConfig, RestorationConfig, RestorerConfig
from skymill.config.run import load_config
from skymill.errors import ConfigError

TEXT = """
run: small
seed: 1
survey: sdss_r
populations:
  galaxies: {kind: parametric, n_galaxies: 10, stamp_px: 128}
  drawn: {kind: generator, model: vae, n_galaxies: 10, stamp_px: 128}
generators: {vae: {population: galaxies}}
blend: {population: galaxies, n_train: 6, n_validation: 2, n_test: 2, canvas_px: 80}
models: {cnn: {network: {kind: cnn}, task: {kind: flux}, input_px: 32}}
detectors: {sep: {kind: sep}}
restorers: {mine: {population: galaxies}}
"""


@pytest.fixture
def values():
    return copy.deepcopy(yaml.safe_load(TEXT))


def test_a_restorer_is_trained_or_taken(values):
    trained = load_config(values)
    taken = load_config({**values, "train": "pretrained", "pretrained_restorers": {"other": "restorer"}})

    assert list(trained.trained_restorers()) == ["mine"] and not trained.shipped_restorers()
    assert not taken.trained_restorers()
    assert taken.shipped_restorers() == {"mine": "mine", "other": "restorer"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"restorers": {"mine": {"population": "nobody"}}},
            r"restorers\.mine\.population: expected one of galaxies",
        ),
        ({"restorers": {"mine": {"population": "drawn"}}}, "found 'drawn'"),
        ({"restoration": {"population": "drawn"}}, r"restoration\.population: expected one of galaxies"),
        (
            {"restorers": {"mine": {"population": "galaxies", "input_px": 128}}},
            r"input_px: expected less than the 128 px",
        ),
        ({"restorers": {"vae": {"population": "galaxies"}}}, "names that nothing else has, found vae"),
        ({"restorers": {"cnn": {"population": "galaxies"}}}, "found cnn"),
        ({"pretrained_restorers": {"mine": "restorer"}}, "found mine"),
    ],
)
def test_what_does_not_fit_is_refused(values, change, message):
    with pytest.raises(ConfigError, match=message):
        load_config({**values, **change})


@pytest.mark.parametrize("key", ["psf_fwhm_ratio", "noise_ratio"])
def test_images_only_get_worse(key):
    with pytest.raises(ValidationError, match="ratios from 1 on"):
        DegradationConfig(**{key: (0.5, 2.0)})
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        RestorationConfig(population="galaxies", **{key: (0.5,)})


def test_only_what_leaves_the_light_alone_is_augmented():
    plain = RestorerConfig(population="galaxies", training={"augment": {"flip": False}})

    assert not plain.training.augment.flip and plain.training.batch_size == 16
    with pytest.raises(ValidationError, match="quarter_turns and flip only for restorers, found zoom"):
        RestorerConfig(population="galaxies", training={"augment": {"zoom": (0.9, 1.1)}})
