"""Taking galaxies out of their blends, with a network whose shares are known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from skymill.config.train import MaskFluxTaskConfig
from skymill.data.tile import Tile, TileMeta
from skymill.errors import ConfigError
from skymill.inference import deblend as module
from skymill.inference.deblend import deblend
from skymill.models.inputs import StampInputs
from skymill.models.outputs import Outputs
from skymill.training.card import Model

INPUT_PX, INNER_PX, RMS = 16, 8, 2.0
META = TileMeta("t", "test_r", "r", 0.4, 25.0, 100.0, None, 2.0)


class Columns(nn.Module):
    """Gives the galaxy all light at and left of the centre, and none to the right of it."""

    def forward(self, inputs: StampInputs) -> Outputs:
        share = torch.zeros(len(inputs.image), INNER_PX, INNER_PX)
        share[:, :, : INNER_PX // 2 + 1] = 1.0
        logits = torch.stack([share - 0.5, 0.5 - share], dim=1)
        start = INPUT_PX // 2 - INNER_PX // 2
        inner = inputs.image[:, start : start + INNER_PX, start : start + INNER_PX]
        layers = torch.stack([share * inner, (1 - share) * inner], dim=1)
        return Outputs(torch.zeros(len(share), 2), logits, share, layers)


class NoImages(nn.Module):
    def forward(self, inputs: StampInputs) -> Outputs:
        return Outputs(torch.zeros(len(inputs.image), 2))


def model_of(network: nn.Module, **weights: float) -> Model:
    survey = SimpleNamespace(background_rms=RMS, gain_e_per_unit=100.0, psf_fwhm_px=2.0)
    card = SimpleNamespace(
        input_px=INPUT_PX, survey=survey, name="m", network=SimpleNamespace(kind="cnn"),
        condition_range=lambda: ((0.0, 0.0), (0.0, 0.0)), task=MaskFluxTaskConfig(kind="mask_flux", **weights),
    )  # fmt: skip
    task = SimpleNamespace(
        inputs=lambda image, condition: StampInputs(image[:, 0], image[:, 0, 0, 0], condition),
        learns_masks=card.task.learns_masks,
    )
    return Model(network, task, card)


@pytest.fixture
def tile() -> Tile:
    science = np.random.default_rng(2).normal(10, 3, (60, 50)).astype(np.float32)
    return Tile(
        science, np.full(science.shape, RMS, np.float32), np.zeros(science.shape, np.uint8), None, META
    )


def test_the_image_is_the_share_of_the_tile_in_its_units(tile):
    x, y = np.array([20.3, 30.0, 11.0]), np.array([25.0, 39.6, 12.0])
    found = deblend(tile, x, y, model_of(Columns()), device="cpu")
    assert found.images.shape == found.masks.shape == (3, INNER_PX, INNER_PX)
    places = zip(found.images, found.neighbours, (20, 30, 11), (25, 40, 12), strict=True)
    for image, rest, column, row in places:
        half = INNER_PX // 2
        pixels = tile.science[row - half : row + half, column - half : column + half]
        np.testing.assert_allclose(image[:, : half + 1], pixels[:, : half + 1], rtol=1e-6)
        assert not image[:, half + 1 :].any()
        np.testing.assert_allclose(image + rest, pixels, rtol=1e-6)


def test_masks_have_a_bit_for_the_galaxy_and_one_for_its_neighbours(tile):
    masks = deblend(tile, np.array([20.0]), np.array([25.0]), model_of(Columns()), device="cpu").masks[0]
    assert masks.dtype == np.uint8
    assert (masks[:, : INNER_PX // 2 + 1] == 1).all()
    assert (masks[:, INNER_PX // 2 + 1 :] == 2).all()


def test_batches_change_nothing(tile, monkeypatch):
    x, y = np.random.default_rng(4).uniform(12, 40, (2, 7))
    whole = deblend(tile, x, y, model_of(Columns()), device="cpu")
    monkeypatch.setattr(module, "BATCH_SIZE", 3)
    parts = deblend(tile, x, y, model_of(Columns()), device="cpu")
    np.testing.assert_array_equal(whole.images, parts.images)
    np.testing.assert_array_equal(whole.masks, parts.masks)


def test_no_source_gives_no_image(tile):
    found = deblend(tile, np.empty(0), np.empty(0), model_of(Columns()), device="cpu")
    assert found.images.shape == (0, INNER_PX, INNER_PX)


def test_a_network_without_images_is_refused(tile):
    with pytest.raises(ConfigError, match="images"):
        deblend(tile, np.array([20.0]), np.array([25.0]), model_of(NoImages()), device="cpu")


def test_images_that_were_never_learned_are_refused(tile):
    model = model_of(Columns(), share_weight=0)
    with pytest.raises(ConfigError, match="learned to give images"):
        deblend(tile, np.array([20.0]), np.array([25.0]), model, device="cpu")


def test_masks_that_were_never_learned_are_not_given(tile):
    x, y = np.array([20.0]), np.array([25.0])
    without = deblend(tile, x, y, model_of(Columns(), mask_weight=0), device="cpu")
    assert without.masks is None
    np.testing.assert_array_equal(
        without.images, deblend(tile, x, y, model_of(Columns()), device="cpu").images
    )
