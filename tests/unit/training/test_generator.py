from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from skymill.errors import ConfigError, VersionError
from skymill.training import generator as generator_module
from skymill.training.generator import psf_image, train_generator
from skymill.training.generator_card import load_generator
from skymill.training.history import read_history

CPU = {"device": "cpu", "threads": 1, "progress": "off"}
PRODUCTS = ["curves.png", "film.png", "history.csv", "model.yaml", "provenance.json", "weights.safetensors"]


def test_a_training_leaves_the_products_of_any_other_and_a_film(generator, large_population):
    history = read_history(generator / "history.csv")
    card = yaml.safe_load((generator / "model.yaml").read_text())

    assert sorted(path.name for path in generator.iterdir()) == PRODUCTS
    assert len(history) == 12
    assert card["train_galaxies"] == (large_population.side == "train").sum()
    assert card["ordinary"]["n"] == (large_population.side == "validation").sum()
    assert history[-1]["validation_loss"] < 0.5 * history[0]["validation_loss"]
    assert history[-1]["reduced_chi2"] < history[0]["reduced_chi2"]


def test_a_resumed_training_gives_the_same_bits(generator_recipe, large_population, tmp_path, monkeypatch):
    files, recipe = (large_population.stamps, large_population.truth), generator_recipe()
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train_generator(recipe, *files, whole, CPU)
    step = generator_module.GeneratorModule.training_step

    def failing_step(self, windows, batch_index):
        if self.current_epoch == 2:
            raise KeyboardInterrupt
        return step(self, windows, batch_index)

    monkeypatch.setattr(generator_module.GeneratorModule, "training_step", failing_step)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train_generator(recipe, *files, broken, CPU)
    monkeypatch.setattr(generator_module.GeneratorModule, "training_step", step)
    train_generator(recipe, *files, broken, CPU)

    first, second = (load_file(folder / "weights.safetensors") for folder in (whole, broken))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert (whole / "film.png").read_bytes() == (broken / "film.png").read_bytes()
    losses = [
        [row["validation_loss"] for row in read_history(one / "history.csv")] for one in (whole, broken)
    ]
    assert losses[0] == losses[1]


def test_weights_of_another_training_are_refused(generator, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(generator, copy)
    weights = load_file(copy / "weights.safetensors")
    save_file({name: 2 * value for name, value in weights.items()}, copy / "weights.safetensors")

    with pytest.raises(VersionError, match="the weights of the card"):
        load_generator(copy)


def test_code_that_makes_something_else_of_the_weights_is_noticed(generator, monkeypatch):
    monkeypatch.setattr("skymill.models.vae.SOFTENINGS", (2.0, 20.0, 200.0))

    with pytest.raises(VersionError, match="for the probe's images"):
        load_generator(generator)


def test_too_few_galaxies_are_refused_before_training(
    generator_recipe, population, large_population, tmp_path
):
    recipe = generator_recipe(network={"components": 200})

    with pytest.raises(ConfigError, match="fewer than the 120 galaxies"):
        train_generator(recipe, large_population.stamps, large_population.truth, tmp_path / "vae", CPU)
    with pytest.raises(ConfigError, match="at least 20 galaxies on the validation side"):
        train_generator(generator_recipe(), population.stamps, population.truth, tmp_path / "vae", CPU)
    assert not (tmp_path / "vae" / "checkpoints").exists()


def test_the_psf_is_the_survey_s(survey):
    image = psf_image(survey, 64, 2).double().numpy()
    _, x = np.indices(image.shape) - 32
    # FWHM 0.8 arcsec, points of 0.2 arcsec.
    sigma = 4 / 2.3548

    assert image.sum() == pytest.approx(1, abs=1e-4)
    assert np.unravel_index(image.argmax(), image.shape) == (32, 32)
    assert np.sqrt((image * x**2).sum() / image.sum()) == pytest.approx(sigma, rel=1e-3)
    assert np.allclose(image[32, 1:], image[32, 1:][::-1]) and np.allclose(image, image.T, atol=1e-7)
