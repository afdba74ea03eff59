from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from skymill.config.blend import BlendConfig
from skymill.config.train import AugmentConfig
from skymill.errors import DataError, VersionError
from skymill.provenance.record import sha256
from skymill.training.card import load_model, read_card, write_card
from skymill.training.train import train_model


@pytest.fixture(scope="module")
def folder(make_recipe, files, tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("model")
    recipe = make_recipe("unet", "mask_flux", max_epochs=1)
    train_model(recipe, **files, folder=made, execution={"device": "cpu", "threads": 1})
    return made


@pytest.fixture
def copy(folder, tmp_path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(folder, tmp_path / "model"))


def change_card(folder: Path, **changes) -> None:
    path = folder / "model.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}))


@pytest.mark.parametrize("given", ["", "model.yaml", "weights.safetensors"])
def test_a_model_is_read_from_its_folder_or_a_file_in_it(folder, given):
    model = load_model(folder / given)
    stamps = torch.randn(2, 1, 16, 16)
    with torch.inference_mode():
        outputs = model.network(model.task.inputs(stamps, torch.zeros(2, 2)))

    assert not model.network.training
    assert outputs.values.shape == (2, 2) and outputs.masks.shape == (2, 2, 16, 16)
    saved = load_file(folder / "weights.safetensors")
    assert all(torch.equal(value, saved[name]) for name, value in model.network.state_dict().items())


def test_a_card_survives_the_round_trip(folder, tmp_path):
    card = read_card(folder / "model.yaml")
    write_card(tmp_path / "model.yaml", card)

    assert read_card(tmp_path / "model.yaml") == card
    assert card.parameters == sum(
        value.numel() for value in load_file(folder / "weights.safetensors").values()
    )


def test_a_card_says_what_the_galaxies_and_blends_were_and_what_errors_are_worth(folder):
    card = read_card(folder / "model.yaml")

    assert card.population == {"kind": "real"}
    blend = BlendConfig.model_validate(card.blend)
    assert (card.blends_per_epoch, card.validation_blends) == (blend.n_train, blend.n_validation) == (40, 10)
    assert blend.separation.separation_px == (3.0, 8.0)
    assert card.calibration.galaxies == 10 and len(card.calibration.quantiles) == 1


@pytest.mark.parametrize(
    ("augment", "psf", "noise"),
    [
        ({}, (0, 0), (0, 0)),
        ({"psf_fwhm_ratio": [1.0, 2.0]}, (0, 1), (0, 0)),
        ({"psf_fwhm_ratio": [2.0, 2.0], "added_noise_rms": [0.0, 3**0.5]}, (1, 1), (0, 1)),
        ({"added_noise_rms": [1.0, 1.0]}, (0, 0), (0.5, 0.5)),
    ],
)
def test_the_conditions_that_it_knows_follow_from_its_augmentation(folder, augment, psf, noise):
    card = read_card(folder / "model.yaml")
    training = card.training.model_copy(update={"augment": AugmentConfig.model_validate(augment)})
    known = card.model_copy(update={"training": training}).condition_range()

    assert known == (pytest.approx(psf), pytest.approx(noise))


def test_weights_of_another_training_are_refused(copy):
    path = copy / "weights.safetensors"
    expected = sha256(path)
    save_file({name: value + 1 for name, value in load_file(path).items()}, path)
    with pytest.raises(VersionError) as caught:
        load_model(copy)

    assert expected[:12] in str(caught.value) and sha256(path)[:12] in str(caught.value)


def test_weights_that_do_not_fit_the_network_are_refused_with_both_shapes(copy):
    network = yaml.safe_load((copy / "model.yaml").read_text())["network"]
    change_card(copy, network={**network, "dense": 12})
    with pytest.raises(VersionError, match=r"shape \(12,.*found \(8,"):
        load_model(copy)


def test_a_card_of_another_format_is_refused(copy):
    change_card(copy, format=1)
    with pytest.raises(VersionError, match="format 2, found format: Input should be 2"):
        load_model(copy)


def test_a_card_with_an_unknown_key_is_refused(copy):
    change_card(copy, colour="blue")
    with pytest.raises(VersionError, match="colour"):
        load_model(copy)


def test_weights_that_this_code_makes_something_else_of_are_refused(copy):
    probe = yaml.safe_load((copy / "model.yaml").read_text())["probe"]
    change_card(copy, probe=[1.02 * probe[0], *probe[1:]])
    with pytest.raises(VersionError, match=r"on the card.*code of the network or of its inputs has changed"):
        load_model(copy)


@pytest.mark.parametrize("name", ["model.yaml", "weights.safetensors"])
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(DataError, match=name):
        load_model(copy)


def test_a_truncated_file_is_named(copy):
    path = copy / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(DataError, match=r"weights\.safetensors: expected weights as safetensors"):
        load_model(copy)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("widths", [2048] * 7, "a far larger one"),
        ("widths", [8, 10**9], "less than or equal to 2048"),
        ("widths", [8] * 1000, "at most 7 items"),
        ("depth", 10**6, "less than or equal to 8"),
        ("dense", float("inf"), "finite"),
    ],
)
def test_a_network_beyond_all_bounds_is_refused_before_it_fills_the_memory(copy, key, value, words):
    network = yaml.safe_load((copy / "model.yaml").read_text())["network"]
    change_card(copy, network={**network, key: value})
    with pytest.raises(VersionError, match=words) as caught:
        load_model(copy)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("value", [0, -64, 10**9, float("nan"), "64px"])
def test_stamps_beyond_all_bounds_are_refused(copy, value):
    change_card(copy, input_px=value)
    with pytest.raises(VersionError, match="input_px"):
        load_model(copy)


def test_weights_have_a_largest_size(copy, monkeypatch):
    monkeypatch.setattr("skymill.training.card.LARGEST_WEIGHTS_BYTES", 100)
    with pytest.raises(DataError, match=r"expected weights of at most 1e-07 GB"):
        load_model(copy)
