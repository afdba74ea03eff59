"""The networks that are shipped: they load, fit this code and their surveys, and are small."""

from pathlib import Path

import pytest

from skymill.data.survey import load_survey
from skymill.training.card import load_model
from skymill.training.finder_card import is_finder, load_finder
from skymill.training.generator_card import is_generator, load_generator
from skymill.training.history import read_history
from skymill.training.restorer_card import is_restorer, load_restorer

REPOSITORY = Path(__file__).parents[2]
MODELS = sorted(path.parent for path in (REPOSITORY / "models").glob("*/*/model.yaml"))
LARGEST_BYTES = 10_000_000


def test_there_are_networks_for_both_surveys():
    assert {folder.parent.name for folder in MODELS} >= {"hst_f160w", "sdss_r"}


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_a_shipped_network_fits_the_code_and_its_survey(folder):
    # Loading compares the weights with their checksum, and what the code makes of them with the card's probe.
    draws = is_generator(folder / "model.yaml")
    finds = not draws and is_finder(folder / "model.yaml")
    restores = is_restorer(folder / "model.yaml")
    load = load_generator if draws else load_finder if finds else load_restorer if restores else load_model
    card = load(folder).card
    survey = load_survey(folder.parent.name, REPOSITORY / "config" / "surveys")
    assert card.survey.physics() == survey.physics()
    if draws:
        assert card.ordinary.n >= 200 and card.test
    elif finds:
        assert card.detection.calibration_error < 0.05 and card.test
    elif restores:
        assert card.validation["image_psnr"] > card.validation["degraded_psnr"] + 10 and card.test
    else:
        assert card.calibration.galaxies >= 1000
    assert len(read_history(folder / "history.csv")) == card.epochs
    assert card.hours > 0 and card.device and card.limits


@pytest.mark.parametrize("has_critic", [False, True])
def test_all_of_a_family_together_are_small(has_critic):
    """Networks that were trained with a critic are a family of their own."""
    folders = [
        folder for folder in MODELS if ("critic:" in (folder / "model.yaml").read_text()) == has_critic
    ]
    total = sum(path.stat().st_size for folder in folders for path in folder.glob("*.safetensors"))
    assert total <= LARGEST_BYTES
