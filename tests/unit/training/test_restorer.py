"""Training a network that restores images; shipping it and taking it again."""

from __future__ import annotations

import shutil

import pytest
import torch
import yaml
from safetensors.torch import load_file

from skymill.errors import DataError, VersionError
from skymill.metrics.record import MetricRecord, to_json
from skymill.provenance.recipe import Recipe
from skymill.training import restorer as restorer_module
from skymill.training.history import OF_A_CRITIC, read_history
from skymill.training.restorer import train_restorer
from skymill.training.restorer_card import is_restorer, load_restorer
from skymill.training.shipped import ship_model, take_restorer

CPU = {"device": "cpu", "threads": 1, "progress": "off"}
PRODUCTS = ["curves.png", "film.png", "history.csv", "model.yaml", "provenance.json", "weights.safetensors"]


def test_a_training_leaves_the_products_of_any_other_and_a_film(restorer, population):
    history = read_history(restorer / "history.csv")
    card = yaml.safe_load((restorer / "model.yaml").read_text())

    assert sorted(path.name for path in restorer.iterdir()) == PRODUCTS
    assert len(history) == 3 and set(OF_A_CRITIC) <= history[0].keys()
    assert card["train_galaxies"] == (population.side == "train").sum()
    assert card["validation_galaxies"] == (population.side == "validation").sum()
    assert card["degradation"] == {"psf_fwhm_ratio": [1.0, 1.9], "noise_ratio": [1.0, 12.0]}


def test_it_learns_to_restore(restorer):
    history = read_history(restorer / "history.csv")

    assert history[-1]["validation_loss"] < history[0]["validation_loss"]
    assert history[-1]["image_psnr"] > history[-1]["degraded_psnr"] + 3
    assert history[0]["degraded_psnr"] == history[-1]["degraded_psnr"]


def test_without_a_critic_there_is_no_film(restorer_recipe, population, tmp_path):
    recipe = restorer_recipe(task={"critic": None}, max_epochs=1)
    train_restorer(recipe, population.stamps, population.truth, tmp_path / "plain", CPU)

    assert sorted(path.name for path in (tmp_path / "plain").iterdir()) == [
        name for name in PRODUCTS if name != "film.png"
    ]
    assert not set(OF_A_CRITIC) & read_history(tmp_path / "plain" / "history.csv")[0].keys()


def test_a_resumed_training_gives_the_same_bits(restorer, restorer_recipe, population, tmp_path, monkeypatch):
    files, broken = (population.stamps, population.truth), tmp_path / "broken"
    step = restorer_module.RestorerModule.training_step

    def failing_step(self, windows, batch_index):
        if self.current_epoch == 2:
            raise KeyboardInterrupt
        return step(self, windows, batch_index)

    monkeypatch.setattr(restorer_module.RestorerModule, "training_step", failing_step)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train_restorer(restorer_recipe(), *files, broken, CPU)
    monkeypatch.setattr(restorer_module.RestorerModule, "training_step", step)
    train_restorer(restorer_recipe(), *files, broken, CPU)

    first, second = (load_file(folder / "weights.safetensors") for folder in (restorer, broken))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert (restorer / "film.png").read_bytes() == (broken / "film.png").read_bytes()


def test_code_that_makes_something_else_of_the_weights_is_noticed(restorer, monkeypatch):
    monkeypatch.setattr("skymill.models.restorer.FAINTEST", -1.0)

    with pytest.raises(VersionError, match="for the probe's images"):
        load_restorer(restorer)


def test_stamps_that_are_too_small_are_refused(restorer_recipe, population, tmp_path):
    recipe = restorer_recipe()
    recipe["params"]["restorer"]["input_px"] = 64

    with pytest.raises(DataError, match="stamps of at least"):
        train_restorer(recipe, population.stamps, population.truth, tmp_path / "large", CPU)


def figure(metric: str, detector: str, subset: str = "psf:1.8/noise:10") -> MetricRecord:
    return MetricRecord(metric, "restored:restorer", detector, subset, 36.5, "dB", 300, 36.1, 36.9)


def test_it_is_shipped_with_its_own_figures_and_taken_again(restorer, survey, tmp_path):
    records = [
        figure("image_psnr", "restorer"),
        figure("psnr_gain", "restorer", "psf:1.8/noise:10/richardson_lucy"),
        figure("image_psnr", "wiener"),
    ]
    (tmp_path / "metrics.json").write_text(to_json(records))
    shipped = ship_model(restorer, "mine", tmp_path / "models", tmp_path / "metrics.json")
    card = load_restorer(shipped).card

    assert shipped == tmp_path / "models" / "test_r" / "mine" and is_restorer(shipped / "model.yaml")
    assert list(card.test) == [
        "restored:restorer, psf:1.8/noise:10: image_psnr",
        "restored:restorer, psf:1.8/noise:10/richardson_lucy: psnr_gain",
    ]
    assert load_file(shipped / "weights.safetensors")["maps.weight"].dtype == torch.float16
    recipe = Recipe("restorer", "mine", {"seed": 1, "survey": survey.physics()}, {}).to_dict()
    files = {role: shipped / name for role, name in SHIPPED.items()}
    take_restorer(recipe, **files, folder=tmp_path / "taken")
    assert load_restorer(tmp_path / "taken").card == card
    assert (tmp_path / "taken" / "curves.png").exists()


SHIPPED = {"weights": "weights.safetensors", "card": "model.yaml", "history": "history.csv"}


def test_one_of_another_survey_is_not_taken(restorer, survey, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(restorer, folder)
    other = {**survey.physics(), "background_rms": 3.0}
    recipe = Recipe("restorer", "mine", {"seed": 1, "survey": other}, {}).to_dict()

    with pytest.raises(VersionError, match="background_rms"):
        take_restorer(
            recipe, **{role: folder / name for role, name in SHIPPED.items()}, folder=tmp_path / "taken"
        )
