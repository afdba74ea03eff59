from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from skymill.errors import ConfigError, TrainingError
from skymill.metrics.distribution import LEVELS
from skymill.training import loop
from skymill.training.card import load_model
from skymill.training.checkpoint import sign
from skymill.training.history import read_history
from skymill.training.products import CHECKPOINTS
from skymill.training.train import member_seed, train_model, validation_batches

CPU = {"device": "cpu", "threads": 1, "progress": "off"}
PRODUCTS = ["curves.png", "history.csv", "model.yaml", "provenance.json", "weights.safetensors"]

# Runs in a process of its own, which dies of SIGKILL in the middle of the third epoch.
KILLED = """
import json, os, signal, sys
from skymill.training import loop
from skymill.training.checkpoint import sign
from skymill.training.train import train_model

step = loop.BlendModule.training_step

def dying_step(self, windows, batch_index):
    if self.current_epoch == 2 and batch_index == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, windows, batch_index)

loop.BlendModule.training_step = dying_step
arguments = json.loads(sys.argv[1])
train_model(arguments["recipe"], **arguments["files"], folder=arguments["folder"], execution=arguments["execution"])
"""


def same_weights(one: Path, other: Path) -> bool:
    first, second = (load_file(folder / "weights.safetensors") for folder in (one, other))
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def best_epoch_of(folder: Path) -> int:
    return yaml.safe_load((folder / "model.yaml").read_text())["best_epoch"]


def same_but_for_time(one: Path, other: Path) -> bool:
    first, second = (read_history(folder / "history.csv") for folder in (one, other))
    return [{**row, "seconds": 0} for row in first] == [{**row, "seconds": 0} for row in second]


def run_killed(repository: Path, recipe: dict, files: dict, folder: Path) -> int:
    arguments = {
        "recipe": recipe,
        "files": {role: str(path) for role, path in files.items()},
        "folder": str(folder),
        "execution": CPU,
    }
    environment = {**os.environ, "PYTHONPATH": str(repository / "src")}
    command = [sys.executable, "-c", KILLED, json.dumps(arguments)]
    return subprocess.run(command, env=environment, check=False, timeout=600).returncode


# What differs between the decays is how they depend on the past: not at all, or on the validation losses (no epoch
# improves by 1, so the second halves the rate in each).
@pytest.mark.parametrize(
    "decay", [{"kind": "cosine"}, {"kind": "plateau", "patience_epochs": 1, "min_delta": 1.0}]
)
def test_a_killed_training_goes_on_as_if_nothing_had_happened(
    decay, make_recipe, files, tmp_path, repository, caplog
):
    recipe = make_recipe(decay=decay, learning_rate=0.003)
    train_model(recipe, **files, folder=tmp_path / "whole", execution=CPU)
    # Weights from before the kill would be the same whatever happened afterwards.
    assert best_epoch_of(tmp_path / "whole") > 2

    assert run_killed(repository, recipe, files, tmp_path / "killed") == -signal.SIGKILL
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == [CHECKPOINTS]
    with caplog.at_level(logging.INFO):
        train_model(recipe, **files, folder=tmp_path / "killed", execution=CPU)

    assert "going on after epoch 2 of 4" in caplog.text
    assert same_weights(tmp_path / "whole", tmp_path / "killed")
    assert same_but_for_time(tmp_path / "whole", tmp_path / "killed")


def test_a_training_that_was_killed_after_its_last_epoch_only_writes_its_products(
    make_recipe, files, tmp_path, monkeypatch
):
    recipe = make_recipe(max_epochs=2)
    with monkeypatch.context() as patch:
        patch.setattr("skymill.training.products.draw_curves", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train_model(recipe, **files, folder=tmp_path, execution=CPU)
    monkeypatch.setattr(loop, "_trainer", lambda *_: pytest.fail("trained again"))
    train_model(recipe, **files, folder=tmp_path, execution=CPU)

    assert sorted(path.name for path in tmp_path.iterdir()) == PRODUCTS


@pytest.fixture(scope="module")
def trained(make_recipe, files, tmp_path_factory) -> tuple[Path, dict]:
    recipe = make_recipe("unet", "mask_flux", max_epochs=3)
    folder = tmp_path_factory.mktemp("trained")
    train_model(recipe, **files, folder=folder, execution=CPU)
    return folder, recipe


def test_products_and_their_contents(trained):
    folder, recipe = trained
    card = yaml.safe_load((folder / "model.yaml").read_text())
    history = read_history(folder / "history.csv")
    record = json.loads((folder / "provenance.json").read_text())

    assert sorted(path.name for path in folder.iterdir()) == PRODUCTS
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert set(history[0]) >= {"train_loss", "validation_loss", "flux_mape", "mask_iou_central", "seconds"}
    assert (card["version"], card["blends_per_epoch"], card["epochs"]) == (recipe["version"], 40, 3)
    assert card["calibration"]["galaxies"] == card["validation_blends"] == 10
    assert card["device"] == "cpu, 1 thread"
    best = min(row["validation_loss"] for row in history)
    assert card["validation"]["validation_loss"] == pytest.approx(best, rel=1e-12)
    assert record["rows"] == 40
    assert set(record["outputs"]) == set(PRODUCTS) - {"provenance.json"}


def test_the_same_recipe_gives_the_same_weights_cached_or_not(trained, files, tmp_path):
    folder, recipe = trained
    train_model(recipe, **files, folder=tmp_path, execution={**CPU, "cache_limit_gb": 0.0})

    assert same_weights(folder, tmp_path)


def test_the_process_is_left_as_it_was(trained):
    assert not torch.are_deterministic_algorithms_enabled()
    assert logging.getLogger("lightning.pytorch").level != logging.ERROR


def test_a_loss_that_is_not_finite_stops_the_training(make_recipe, files, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "skymill.tasks.flux.FluxTask.loss", lambda self, outputs, batch: outputs.values.sum() * float("nan")
    )
    with pytest.raises(TrainingError, match="train loss in epoch 1: expected a finite number, found nan"):
        train_model(make_recipe(), **files, folder=tmp_path, execution=CPU)

    assert not (tmp_path / "weights.safetensors").exists()


def test_training_stops_when_validation_no_longer_improves(make_recipe, files, tmp_path):
    # A rate of 1e-12 changes nothing that float32 could show, so no epoch after the first is better by min_delta.
    recipe = make_recipe(learning_rate=1e-12, max_epochs=20, patience_epochs=2, min_delta=0.1)
    train_model(recipe, **files, folder=tmp_path, execution=CPU)

    assert len(read_history(tmp_path / "history.csv")) == 3


def test_all_of_augmentation_at_once(make_recipe, files, tmp_path):
    augment = {"zoom": [0.95, 1.05], "rotate": True, "shift_px": 0}
    augment |= {"added_noise_rms": [0.0, 0.5], "psf_fwhm_ratio": [1.0, 1.5]}
    recipe = make_recipe("unet", "mask_flux", max_epochs=1, augment=augment)
    train_model(recipe, **files, folder=tmp_path, execution=CPU)

    assert len(read_history(tmp_path / "history.csv")) == 1


def test_pairs_are_needed_for_the_companions_flux(make_recipe, files, tmp_path):
    recipe = make_recipe()
    recipe["params"]["model"]["task"]["outputs"] = "central_and_companion"
    with pytest.raises(ConfigError, match=r"expected central, or blend\.group_sizes"):
        train_model(recipe, **files, folder=tmp_path, execution=CPU)


def test_two_fluxes_of_pairs_are_learned_and_calibrated(make_recipe, files, tmp_path):
    recipe = make_recipe(max_epochs=1, blend={"group_sizes": {2: 1.0}})
    recipe["params"]["model"]["task"]["outputs"] = "central_and_companion"
    train_model(recipe, **files, folder=tmp_path, execution=CPU)
    card = yaml.safe_load((tmp_path / "model.yaml").read_text())

    # Both galaxies of the 10 pairs.
    assert card["calibration"]["galaxies"] == 20


def test_real_noise_is_taken_from_its_tile(make_recipe, files, sky_tile, tmp_path):
    recipe = make_recipe(max_epochs=1, blend={"noise": {"kind": "real", "tile": "t1"}})
    sky_tile().write(tmp_path / "tile.fits")
    with pytest.raises(ConfigError, match="expected an ingested tile"):
        train_model(recipe, **files, folder=tmp_path / "without", execution=CPU)
    train_model(recipe, **files, folder=tmp_path / "with", noise_tile=tmp_path / "tile.fits", execution=CPU)
    record = json.loads((tmp_path / "with" / "provenance.json").read_text())

    assert set(record["inputs"]) == {"stamps", "truth", "noise_tile"}


def test_the_calibration_covers_the_validation_blends(make_recipe, files, tmp_path):
    recipe = make_recipe(max_epochs=2, blend={"n_validation": 100})
    train_model(recipe, **files, folder=tmp_path, execution=CPU)
    model = load_model(tmp_path)
    below = []
    with torch.inference_mode():
        for batch in validation_batches(recipe, files):
            outputs = model.network(model.task.inputs(batch.image, batch.condition))
            columns = model.task.columns(outputs, batch.image, model.card.calibration)
            names = ("flux_q025", "flux_q16", "flux", "flux_q84", "flux_q975")
            below.append(torch.stack([batch.flux[:, 0] <= columns[name] for name in names]))
    found = torch.cat(below, dim=1).double().mean(dim=1).tolist()

    # A quantile lies between two of the 100 galaxies.
    assert found == pytest.approx(LEVELS, abs=0.011)


def test_members_of_an_ensemble_differ_in_weights_and_blends(make_recipe, files, tmp_path):
    recipe, member = make_recipe(max_epochs=1), make_recipe(max_epochs=1)
    member["params"]["model"]["member"] = 1
    first, second = (next(iter(validation_batches(one, files))) for one in (recipe, member))

    assert member_seed(5, 0) == 5 and len({member_seed(5, number) for number in range(20)}) == 20
    assert not torch.equal(first.flux, second.flux)


def test_the_checkpoint_of_another_recipe_is_not_taken(make_recipe, files, tmp_path, caplog):
    folder = tmp_path / CHECKPOINTS
    folder.mkdir()
    torch.save({"skymill": {"identity": "another", "history": []}}, folder / loop.LAST)
    sign(folder / loop.LAST)
    train_model(make_recipe(max_epochs=1), **files, folder=tmp_path, execution=CPU)

    assert "training starts anew" in caplog.text
    assert not folder.exists()
