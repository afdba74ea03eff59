from __future__ import annotations

import shutil

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader

from skymill.errors import TrainingError, VersionError
from skymill.metrics.calibration import calibration_error, logistic, reliability
from skymill.models.outputs import Maps
from skymill.training import finder as finder_module
from skymill.training.card import load_model
from skymill.training.finder import calibrate, train_finder
from skymill.training.finder_card import load_finder
from skymill.training.history import read_history
from skymill.training.order import EpochOrder
from skymill.training.scenes import SceneData, whole

CPU = {"device": "cpu", "threads": 1, "progress": "off"}
PRODUCTS = ["curves.png", "history.csv", "model.yaml", "provenance.json", "weights.safetensors"]


def batches_of(data: SceneData) -> DataLoader:
    return DataLoader(data, batch_size=None, sampler=EpochOrder(len(data), 4))


@pytest.fixture
def validation(scenes, survey):
    data = SceneData(scenes["validation_stamps"], scenes["validation_truth"], survey)
    return batches_of(data)


def test_a_training_leaves_the_products_of_any_other(finder):
    history = read_history(finder / "history.csv")
    card = yaml.safe_load((finder / "model.yaml").read_text())

    assert sorted(path.name for path in finder.iterdir()) == PRODUCTS
    assert len(history) == 12 and card["train_patches"] == 12 and card["validation_patches"] == 6
    assert history[-1]["validation_loss"] < 0.7 * history[0]["validation_loss"]
    assert "Finding the sources" in card["intended_use"]


def test_it_learns_to_find(finder):
    best = max(row["average_precision"] for row in read_history(finder / "history.csv"))

    # The PSF has 2 px and S/N goes down to 5: a peak above 3.5 sigma finds eight in ten of them.
    assert best > 0.6


def test_probabilities_on_other_patches_mean_what_they_say(finder, tmp_path, survey, write_patches):
    files = write_patches(tmp_path, survey, 24, 77)
    model = load_finder(finder)
    metrics = model.task.metrics()
    with torch.inference_mode():
        for batch in batches_of(SceneData(files["stamps"], files["truth"], survey)):
            seen = whole(batch)
            metrics.update(model.network(model.task.inputs(seen.image)), seen)
    found, fit = metrics.found(), model.card.detection
    probability = logistic(found.logit, fit.slope, fit.intercept)
    told = probability > 0.05

    # About 200 peaks: a bin of 20 is known to 0.1.
    assert calibration_error(reliability(probability[told], found.is_real[told], 5)) < 0.12


def test_the_threshold_keeps_its_promise(finder):
    fit = load_finder(finder).card.detection

    assert 0 < fit.least_probability < 1 and fit.slope > 0
    assert fit.purity > 0.6 and fit.completeness > 0.4
    assert all(set(row) == {"probability", "fraction", "n"} for row in fit.reliability)


def test_a_purity_can_be_asked_for(finder, validation):
    model = load_finder(finder)
    task = model.task
    task.config = task.config.model_copy(update={"threshold": "purity", "least_purity": 0.9})
    fit = calibrate(model.network, task, validation, torch.device("cpu"))

    assert fit.purity >= 0.9
    assert fit.slope == pytest.approx(model.card.detection.slope, rel=1e-6)


def test_a_resumed_training_gives_the_same_weights(finder_recipe, scenes, tmp_path, monkeypatch):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    recipe = finder_recipe(learning_rate=0.02)
    train_finder(recipe, **scenes, folder=whole, execution=CPU)

    step = finder_module.DetectionModule.training_step

    def failing_step(self, patches, batch_index):
        if self.current_epoch == 2:
            raise KeyboardInterrupt
        return step(self, patches, batch_index)

    monkeypatch.setattr(finder_module.DetectionModule, "training_step", failing_step)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train_finder(recipe, **scenes, folder=broken, execution=CPU)
    monkeypatch.setattr(finder_module.DetectionModule, "training_step", step)
    train_finder(recipe, **scenes, folder=broken, execution=CPU)

    first, second = (load_file(folder / "weights.safetensors") for folder in (whole, broken))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_weights_of_another_training_are_refused(finder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(finder, copy)
    weights = load_file(copy / "weights.safetensors")
    save_file(
        {name: value * 1 for name, value in weights.items() if "head" not in name},
        copy / "weights.safetensors",
    )

    with pytest.raises(VersionError, match="the weights of the card"):
        load_finder(copy)
    with pytest.raises(VersionError, match="card"):
        load_model(finder)


def test_a_network_that_finds_nothing_is_refused(finder, validation):
    model = load_finder(finder)

    class Blind(torch.nn.Module):
        def forward(self, image):
            centre = torch.full_like(image[:, 0], -20.0)
            return Maps(centre, torch.stack([centre, centre], dim=1), centre)

    with pytest.raises(TrainingError, match="found 0 peaks"):
        calibrate(Blind(), model.task, validation, torch.device("cpu"))
