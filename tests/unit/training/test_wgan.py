"""What draws learns from a critic, its encoder afterwards; what is killed in either part goes on as if nothing were."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from skymill.config.generator import NoiseRangeConfig
from skymill.config.train import AugmentConfig
from skymill.data.survey import Survey
from skymill.inference.anomaly import score_stamps
from skymill.models.vae import Vae
from skymill.training import loop
from skymill.training import wgan as wgan_module
from skymill.training.film import FILM
from skymill.training.galaxies import GalaxyAugment, GalaxyData
from skymill.training.generated import draw_one
from skymill.training.generator import ENCODER, _fit_prior, train_generator
from skymill.training.generator_card import is_generator, load_generator
from skymill.training.history import OF_A_CRITIC, read_history
from skymill.training.products import CHECKPOINTS

CPU = {"device": "cpu", "threads": 1, "progress": "off"}
PRODUCTS = ["curves.png", "film.png", "history.csv", "model.yaml", "provenance.json", "weights.safetensors"]

# Runs in a process of its own, which dies of SIGKILL in the middle of the second epoch.
KILLED = """
import json, os, signal, sys
from skymill.training import generator, wgan

module = {"drawing": wgan.WganModule, "encoder": generator.GeneratorModule}[sys.argv[2]]
step = module.training_step

def dying_step(self, windows, batch_index):
    if self.current_epoch == 1 and batch_index == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, windows, batch_index)

module.training_step = dying_step
generator.train_generator(**json.loads(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def files(large_population) -> dict[str, str]:
    return {"stamps": str(large_population.stamps), "truth": str(large_population.truth)}


@pytest.fixture(scope="module")
def trained(wgan_recipe, files, tmp_path_factory):
    """A trained network, and the last checkpoint of what draws."""
    folder, kept = tmp_path_factory.mktemp("wgan"), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "skymill.training.products.shutil.rmtree",
            lambda path: kept.update(
                last=torch.load(path / loop.LAST, weights_only=True),
                best=load_file(path / loop.BEST),
                encoder=load_file(path / ENCODER / loop.BEST),
            ),
        )
        train_generator(wgan_recipe(), **files, folder=folder, execution=CPU)
    return folder, kept


def same(one: object, other: object) -> bool:
    """Whether two folders' weights are the same to the last bit."""
    first, second = (load_file(folder / "weights.safetensors") for folder in (one, other))
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_training_leaves_the_products_of_any_other(trained, wgan_recipe):
    folder, _ = trained
    card = yaml.safe_load((folder / "model.yaml").read_text())
    history = read_history(folder / "history.csv")

    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == PRODUCTS
    assert is_generator(folder / "model.yaml") and card["network"]["kind"] == "wgan"
    assert set(OF_A_CRITIC) | {"distance_m20", "largest_distance"} <= history[0].keys()
    assert card["validation"]["validation_loss"] == min(row["validation_loss"] for row in history)
    assert card["version"] == wgan_recipe()["version"] and card["half"] is None
    assert card["hours"] > sum(row["seconds"] for row in history) / 3600


def test_the_measure_of_an_epoch_is_the_mean_distance(trained):
    for row in read_history(trained[0] / "history.csv"):
        distances = [value for name, value in row.items() if name.startswith("distance_")]

        assert row["validation_loss"] == pytest.approx(np.mean(distances))
        assert row["largest_distance"] == max(distances)


def test_what_draws_is_left_alone_while_the_encoder_learns(trained):
    _, kept = trained
    changed = {name for name, value in kept["best"].items() if not torch.equal(value, kept["encoder"][name])}

    assert changed and all(name.startswith(("encoder.", "guesser.")) for name in changed)
    weights = load_file(trained[0] / "weights.safetensors")
    changed = {name for name, value in kept["encoder"].items() if not torch.equal(value, weights[name])}
    assert changed == {"mixture.weights", "mixture.means", "mixture.covariances"}


def test_both_optimisers_the_critic_and_the_live_weights_are_in_the_checkpoint(trained):
    last = trained[1]["last"]

    assert len(last["optimizer_states"]) == 2
    assert all(len(each["state"]) > 5 for each in last["optimizer_states"])
    assert [each["param_groups"][0]["betas"] for each in last["optimizer_states"]] == [(0.0, 0.9)] * 2
    rates = [each["param_groups"][0]["lr"] for each in last["optimizer_states"]]
    assert rates[1] == pytest.approx(3 * rates[0])
    names = {name.split(".")[0] for name in last["state_dict"]}
    assert names >= {"critic", "live", "network"}
    assert len(last["skymill"]["film"]) == 3


def test_running_means_are_kept_and_not_what_learns(trained):
    state = trained[1]["last"]["state_dict"]
    kept, live = state["network.decoder.head.weight"], state["live.decoder.head.weight"]

    assert not torch.equal(kept, live)
    # The head starts at zero: the mean is behind.
    assert 0 < kept.norm() < live.norm()


@pytest.mark.parametrize("part", ["drawing", "encoder"])
def test_a_killed_training_goes_on_as_if_nothing_had_happened(
    part, wgan_recipe, files, trained, tmp_path, repository
):
    call = {"recipe": wgan_recipe(), "folder": str(tmp_path), "execution": CPU, **files}
    command = [sys.executable, "-c", KILLED, json.dumps(call), part]
    environment = {**os.environ, "PYTHONPATH": str(repository / "src")}
    killed = subprocess.run(command, env=environment, check=False, timeout=600)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / CHECKPOINTS / ENCODER / loop.LAST).exists() == (part == "encoder")
    train_generator(wgan_recipe(), **files, folder=tmp_path, execution=CPU)

    assert same(trained[0], tmp_path)
    assert (trained[0] / FILM).read_bytes() == (tmp_path / FILM).read_bytes()
    first, second = (read_history(folder / "history.csv") for folder in (trained[0], tmp_path))
    assert [{**row, "seconds": 0} for row in first] == [{**row, "seconds": 0} for row in second]


def test_a_growing_network_ends_with_all_detail(wgan_recipe, files, tmp_path, monkeypatch):
    seen = []
    step = wgan_module.gradient_penalty

    def watched(*arguments):
        seen.append(arguments[-1])
        return step(*arguments)

    monkeypatch.setattr(wgan_module, "gradient_penalty", watched)
    train_generator(wgan_recipe(progressive=True), **files, folder=tmp_path, execution=CPU)

    assert seen[0] == 2.0 and seen[-1] == 0.0 and seen == sorted(seen, reverse=True)
    assert not any("coarse" in name for name in load_file(tmp_path / "weights.safetensors"))
    assert load_generator(tmp_path).network.decoder.head.weight.abs().max() > 0


def test_it_draws_and_scores_as_the_other_kind_does(trained, generator, survey):
    rng = np.random.default_rng(0)
    for folder in (trained[0], generator):
        model = load_generator(folder)
        look = model.network.draw(20.0, 3.0, np.random.default_rng(1))
        image = draw_one(model.network, look, 500.0, 3.0, (0.2, 0.1), 64)
        noisy = image[16:48, 16:48] + rng.standard_normal((3, 1, 32, 32))
        scores = score_stamps(model, noisy, np.full(3, 100.0))

        assert image.sum() == pytest.approx(500, rel=0.02)
        assert scores.shape == (3,) and np.isfinite(scores).all() and (scores >= 0).all()
    assert not isinstance(load_generator(trained[0]).network, Vae)


def test_new_galaxies_look_like_what_the_encoder_makes_of_the_ones_learned(trained, files, survey):
    network = load_generator(trained[0]).network
    physics = Survey.model_validate(survey.physics())
    galaxies = GalaxyData(**files, side="train", survey=physics, stamp_px=32)
    augment = GalaxyAugment(AugmentConfig(), NoiseRangeConfig(), physics, 4, seed=3)
    with torch.no_grad():
        # Looks are other numbers than what the encoder gives.
        network.style.head.bias.copy_(torch.tensor([0.0, 5.0, -7.0]))
    _fit_prior(network, galaxies, augment)
    windows = galaxies[np.arange(len(galaxies))]
    mag, re_px, light = windows["mag"], windows["re_px"], windows["image"][..., :-1, :-1]
    generator = np.random.default_rng(1)
    drawn = np.array(
        [network.draw(*each, generator) for each in zip(mag.tolist(), re_px.tolist(), strict=True)]
    )
    with torch.no_grad():
        seen = augment.observed(windows, light, np.full(len(light), 0.1), np.random.default_rng(0)).seen
        known = network.recognised(seen).numpy()

    assert drawn.shape == (len(galaxies), 4)
    np.testing.assert_allclose(drawn[:, 2:].mean(axis=0), known[:, 2:].mean(axis=0), atol=1.0)
    np.testing.assert_allclose(known[:, 2:].mean(axis=0), [5, -7], atol=1.5)


def test_halves_are_learned_from_alone(wgan_recipe, files, tmp_path, survey):
    recipe = wgan_recipe(encoder_epochs=1)
    recipe["params"] = {**recipe["params"], "half": 2}
    recipe["params"]["generator"]["training"]["max_epochs"] = 1
    train_generator(recipe, **files, folder=tmp_path, execution=CPU)
    card = load_generator(tmp_path).card
    whole = GalaxyData(**files, side="train", survey=survey, stamp_px=32)

    assert card.half == 2 and card.train_galaxies == len(whole) // 2
