"""A network and a critic learn together; what is killed goes on with both."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from skymill.errors import ConfigError
from skymill.inference.deblend import deblend
from skymill.inference.measure import measure
from skymill.training import loop
from skymill.training.adversarial import AdversarialModule
from skymill.training.card import load_model
from skymill.training.film import FILM
from skymill.training.history import OF_A_CRITIC, read_history
from skymill.training.loop import BlendModule
from skymill.training.processes import Processes
from skymill.training.products import CHECKPOINTS
from skymill.training.train import train_epochs, train_model

CPU = {"device": "cpu", "threads": 1, "progress": "off"}
PRODUCTS = ["curves.png", "film.png", "history.csv", "model.yaml", "provenance.json", "weights.safetensors"]

# Runs in a process of its own, which dies of SIGKILL in the middle of the third epoch.
KILLED = """
import json, os, signal, sys
from skymill.training.adversarial import AdversarialModule
from skymill.training.train import train_model

step = AdversarialModule.training_step

def dying_step(self, windows, batch_index):
    if self.current_epoch == 2 and batch_index == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, windows, batch_index)

AdversarialModule.training_step = dying_step
train_model(**json.loads(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def recipe(make_recipe: Callable) -> dict:
    return make_recipe("branched", "deblend", learning_rate=0.003)


@pytest.fixture(scope="module")
def trained(recipe: dict, files: dict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    train_model(recipe, **files, folder=folder, execution=CPU)
    return folder


def last_checkpoint(recipe: dict, files: dict, folder: Path) -> dict:
    train_epochs(recipe, files, folder, CPU)
    return torch.load(folder / CHECKPOINTS / loop.LAST, weights_only=True)


def same(one: object, other: object) -> bool:
    """Whether two states hold the same numbers, to the last bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def test_products_and_their_contents(trained: Path, recipe: dict):
    card = yaml.safe_load((trained / "model.yaml").read_text())
    history = read_history(trained / "history.csv")
    record = json.loads((trained / "provenance.json").read_text())

    assert sorted(path.name for path in trained.iterdir()) == PRODUCTS
    assert set(record["outputs"]) == set(PRODUCTS) - {"provenance.json"}
    assert set(history[0]) >= {
        *OF_A_CRITIC,
        "train_loss",
        "validation_loss",
        "image_psnr",
        "image_conservation",
    }
    assert card["task"]["critic"]["weight"] == 0.01 and card["version"] == recipe["version"]
    # The choice of the epoch is the validation's, not the critic's.
    assert card["validation"]["validation_loss"] == min(row["validation_loss"] for row in history)


def test_the_critic_is_no_part_of_the_model(trained: Path):
    model = load_model(trained)

    assert load_file(trained / "weights.safetensors").keys() == model.network.state_dict().keys()
    assert not any("critic" in name for name in load_file(trained / "weights.safetensors"))


def test_the_model_measures_and_deblends_sources_of_a_tile(trained, sky_tile):
    tile, model = sky_tile(), load_model(trained)
    tile.science[90:110, 120:140] += 5.0
    x, y = np.array([130.0, 30.2]), np.array([100.0, 40.0])
    columns, found = measure(tile, x, y, model, device="cpu"), deblend(tile, x, y, model, device="cpu")

    assert np.isfinite(columns["flux"]).all() and (columns["flux_q16"] < columns["flux_q84"]).all()
    assert found.images.shape == found.neighbours.shape == (2, 16, 16) and found.masks is None
    assert (found.images >= 0).all() and found.images[0].sum() > 10 * found.images[1].sum()


def test_a_killed_training_goes_on_as_if_nothing_had_happened(recipe, files, trained, tmp_path, repository):
    call = {"recipe": recipe, "folder": str(tmp_path), "execution": CPU}
    call |= {role: str(path) for role, path in files.items()}
    command = [sys.executable, "-c", KILLED, json.dumps(call)]
    environment = {**os.environ, "PYTHONPATH": str(repository / "src")}
    killed = subprocess.run(command, env=environment, check=False, timeout=600)
    assert killed.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINTS]
    train_model(recipe, **files, folder=tmp_path, execution=CPU)

    assert same(load_file(trained / "weights.safetensors"), load_file(tmp_path / "weights.safetensors"))
    assert (trained / FILM).read_bytes() == (tmp_path / FILM).read_bytes()
    first, second = (read_history(folder / "history.csv") for folder in (trained, tmp_path))
    assert [{**row, "seconds": 0} for row in first] == [{**row, "seconds": 0} for row in second]


def test_both_optimisers_and_the_critic_are_in_the_checkpoint(recipe, files, tmp_path, monkeypatch):
    whole = last_checkpoint(recipe, files, tmp_path / "whole")
    ended = loop.has_ended
    with monkeypatch.context() as patch:
        patch.setattr(loop, "has_ended", lambda history, config: len(history) >= 2 or ended(history, config))
        halfway = last_checkpoint(recipe, files, tmp_path / "resumed")
    resumed = last_checkpoint(recipe, files, tmp_path / "resumed")

    assert len(halfway["skymill"]["history"]) == 2 and len(whole["skymill"]["history"]) == 4
    assert len(whole["optimizer_states"]) == 2
    for part in ("state_dict", "optimizer_states"):
        assert same(whole[part], resumed[part]) and not same(whole[part], halfway[part])
    assert any(name.startswith("critic.") for name in whole["state_dict"])
    assert whole["skymill"]["film"]["drawn"].shape[0] == 4
    assert same(whole["skymill"]["film"], resumed["skymill"]["film"])


def test_the_critic_bends_the_images(make_recipe, files, tmp_path, trained):
    recipe = make_recipe("branched", "deblend", learning_rate=0.003)
    recipe["params"]["model"]["task"]["critic"]["weight"] = 5.0
    train_model(recipe, **files, folder=tmp_path, execution=CPU)
    first, second = (read_history(folder / "history.csv")[-1] for folder in (trained, tmp_path))

    assert second["adversarial_loss"] < first["adversarial_loss"] - 0.01
    assert second["validation_loss"] > first["validation_loss"]


def test_without_a_critic_it_is_an_ordinary_training(make_recipe, files, tmp_path):
    recipe = make_recipe("branched", "deblend", max_epochs=1)
    recipe["params"]["model"]["task"]["critic"] = None
    module, _ = train_epochs(recipe, files, tmp_path, CPU)

    assert type(module) is BlendModule and not set(OF_A_CRITIC) & set(module.history[0])


def test_a_unet_can_have_a_critic_too(make_recipe, files, tmp_path):
    module, _ = train_epochs(make_recipe("unet", "deblend", max_epochs=1), files, tmp_path, CPU)

    assert isinstance(module, AdversarialModule) and set(OF_A_CRITIC) <= set(module.history[0])


def test_the_learning_rates_keep_their_ratio(make_recipe, files, tmp_path):
    recipe = make_recipe("branched", "deblend", max_epochs=2)
    recipe["params"]["model"]["task"]["critic"]["learning_rate_ratio"] = 3.0
    network, critic = last_checkpoint(recipe, files, tmp_path)["optimizer_states"]

    assert critic["param_groups"][0]["lr"] == pytest.approx(3 * network["param_groups"][0]["lr"])


def test_several_processes_are_refused(recipe, files, tmp_path):
    with pytest.raises(ConfigError, match="processes of a training with a critic: expected 1, found 2"):
        train_model(recipe, **files, folder=tmp_path, execution=CPU, processes=Processes(per_node=2))
