"""Batches of pictures, and a training on them."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import pytest
import torch
import yaml

from skymill.config.blend import GaussianNoise, NoNoise
from skymill.config.pictures import StretchConfig
from skymill.config.train import AugmentConfig, ModelConfig
from skymill.errors import VersionError
from skymill.tasks.pictures import picture
from skymill.training.augment import Augment
from skymill.training.card import load_model
from skymill.training.history import read_history
from skymill.training.noise import build_batch_noise
from skymill.training.pictures import USE, Pictures, augmenting
from skymill.training.share import Part
from skymill.training.train import train_model

CPU = {"device": "cpu", "threads": 1, "progress": "off"}
STRETCH = StretchConfig(black_rms=-3.0, white_rms=300.0, softening_rms=20.0)
STILL = AugmentConfig(shift_px=0, quarter_turns=False, flip=False)


@pytest.fixture
def make(survey):
    def make(noise: object = None, **augment):
        config = STILL.model_copy(update=augment)
        return Pictures(STRETCH, config, 16, 5, build_batch_noise(noise or NoNoise(), survey, None), 2.0, 1.0)

    return make


@pytest.fixture
def windows():
    random = torch.Generator().manual_seed(1)
    light = {name: 100 * torch.rand(3, 1, 17, 17, generator=random) for name in ("central", "neighbours")}
    return {**light, "flux": torch.ones(3, 1)}


def test_a_blend_is_the_brighter_of_two_pictures(make, windows):
    batch = make().as_they_are(windows, 0)
    central, other = (picture(windows[name][..., :16, :16], STRETCH) for name in ("central", "neighbours"))

    assert torch.equal(batch.central, central) and torch.equal(batch.neighbours, other)
    assert torch.equal(batch.image, torch.maximum(central, other))
    assert torch.equal(batch.image, batch.image.round()) and not batch.condition.any()


def test_each_galaxy_has_noise_of_its_own(make):
    dark = {name: torch.zeros(40, 1, 17, 17) for name in ("central", "neighbours")}
    batch = make(GaussianNoise()).as_they_are({**dark, "flux": torch.ones(40, 1)}, 0)
    one, other = batch.central.flatten(), batch.neighbours.flatten()

    assert one.std() == pytest.approx(other.std().item(), rel=0.05)
    assert abs(torch.corrcoef(torch.stack([one, other]))[0, 1].item()) < 0.05
    # The mean of the larger of two normal numbers is 1 / sqrt(pi) standard deviations above theirs.
    excess = (batch.image.mean() - one.mean()) / one.std()
    assert excess.item() == pytest.approx(1 / sqrt(torch.pi), rel=0.1)


def test_the_same_batch_has_the_same_noise_and_parts_of_it_too(make, windows):
    augment = make(GaussianNoise(), quarter_turns=True, flip=True)
    whole = augment(windows, 1, 2)
    again, later = augment(windows, 1, 2), augment(windows, 2, 2)
    last = augment({name: one[2:] for name, one in windows.items()}, 1, 2, Part(2, 3, 3))

    assert torch.equal(whole.image, again.image) and not torch.equal(whole.image, later.image)
    assert torch.equal(whole.image[2:], last.image) and torch.equal(whole.central[2:], last.central)


def test_a_task_chooses_what_makes_its_batches(make_recipe, survey):
    noise = build_batch_noise(NoNoise(), survey, None)
    for task, network, kind in (("flux", "cnn", Augment), ("pictures", "branched_pictures", Pictures)):
        config = ModelConfig.model_validate({"network": {"kind": network}, "task": {"kind": task}})
        made = augmenting(config.task, STILL, 16, 5, noise, 2.0, 1.0)
        assert type(made) is kind


@pytest.fixture(scope="module")
def trained(make_recipe, files, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    recipe = make_recipe("branched_pictures", "pictures", learning_rate=0.003)
    train_model(recipe, **files, folder=folder, execution=CPU)
    return folder


def test_a_training_learns_and_says_what_it_is_for(trained: Path):
    history = read_history(trained / "history.csv")
    card = yaml.safe_load((trained / "model.yaml").read_text())

    assert history[-1]["picture_psnr"] > history[0]["picture_psnr"]
    assert card["calibration"] is None and card["intended_use"] == USE
    assert "no flux or catalogue" in card["limits"] and not any("flux" in name for name in history[0])
    assert (trained / "film.png").is_file() and (trained / "curves.png").is_file()


def test_the_probe_tells_another_network(trained: Path, tmp_path: Path):
    model = load_model(trained)
    assert len(model.card.probe) == 3 * 4 and model.probe() == pytest.approx(model.card.probe)

    card = yaml.safe_load((trained / "model.yaml").read_text())
    card["probe"][0] += 1.0
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(card))
    (tmp_path / "weights.safetensors").write_bytes((trained / "weights.safetensors").read_bytes())
    with pytest.raises(VersionError, match="as on the card"):
        load_model(tmp_path)
