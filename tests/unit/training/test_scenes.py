from __future__ import annotations

import numpy as np
import pytest
import torch

from skymill.catalog.catalogue import Catalogue
from skymill.config.train import AugmentConfig
from skymill.data.stamps import StampSet
from skymill.errors import DataError
from skymill.training.scenes import PatchAugment, SceneData, turned, turned_positions, whole


@pytest.fixture
def data(scenes, survey) -> SceneData:
    return SceneData(scenes["train_stamps"], scenes["train_truth"], survey, crop_px=24)


def test_patches_come_in_units_of_the_rms_with_their_objects(data, scenes, survey):
    batch = whole(data[[0, 3 * 4]])  # four windows of 24 px cover a patch of 48 px
    truth = Catalogue.read(scenes["train_truth"], "scenes")
    with StampSet.open(scenes["train_stamps"]) as stamps:
        expected = stamps.read("image", [0, 3]) / survey.background_rms

    assert len(data) == 12 * 4 and data.n == 12
    np.testing.assert_allclose(batch.image, expected, rtol=1e-6)
    for number, patch in enumerate((0, 3)):
        mine = (truth["patch_id"] == patch) & truth["is_object"]
        chosen = batch.owner == number
        np.testing.assert_allclose(batch.x[chosen], truth["x"][mine], rtol=1e-6)
        np.testing.assert_allclose(batch.snr[chosen], truth["snr"][mine], rtol=1e-6)
    assert batch.segment.unique().tolist() == [0.0, 1.0]


def test_windows_larger_than_the_patches_are_refused(scenes, survey):
    with pytest.raises(DataError, match="at least input_px = 64"):
        SceneData(scenes["train_stamps"], scenes["train_truth"], survey, crop_px=64)


def test_truth_of_other_patches_is_refused(scenes, survey):
    with pytest.raises(DataError, match="patches 0 to 5"):
        SceneData(scenes["validation_stamps"], scenes["train_truth"], survey)


def test_augmented_objects_are_where_their_light_is(data):
    augment = PatchAugment(AugmentConfig(), 24, seed=3)
    bright = []
    for batch_index in range(20):
        patches = augment(data[np.arange(0, 48, 4)], 0, batch_index)
        assert patches.image.shape == (12, 1, 24, 24) and patches.segment.shape == (12, 24, 24)
        for owner, y, x, snr in zip(patches.owner, patches.y, patches.x, patches.snr, strict=True):
            assert -0.5 <= y < 23.5 and -0.5 <= x < 23.5
            if snr > 25:
                pixel = (owner, y.round().long(), x.round().long())
                bright.append((patches.image[pixel[0], 0, *pixel[1:]] > 3).item())
                assert patches.segment[pixel] == 1
    # The least that the pixel under a source of S/N 25 holds is 25 * 3 / 7 of the sky's rms.
    assert len(bright) > 100 and np.mean(bright) > 0.99


def test_augmentation_is_keyed_by_epoch_and_batch(data):
    augment, batch = PatchAugment(AugmentConfig(), 24, seed=3), data[[0, 4, 8]]

    torch.testing.assert_close(augment(batch, 1, 2).image, augment(batch, 1, 2).image, rtol=0, atol=0)
    assert not torch.equal(augment(batch, 1, 2).image, augment(batch, 2, 2).image)


def test_without_augmentation_windows_are_cut_only(data):
    augment = PatchAugment(AugmentConfig(quarter_turns=False, flip=False), 48, seed=3)
    patches, batch = augment(data[[0, 4]], 0, 0), whole(data[[0, 4]])

    torch.testing.assert_close(patches.image, batch.image, rtol=0, atol=0)
    torch.testing.assert_close(patches.x, batch.x)


@pytest.mark.parametrize("turns", range(5))
@pytest.mark.parametrize("flip", [False, True])
def test_positions_turn_with_their_image(turns, flip):
    image = torch.zeros(7, 7)
    image[2, 5] = 1.0
    place = turned_positions(torch.tensor([[2.0, 5.0]]), 7, turns, flip)[0].long()

    assert turned(image, turns, flip)[place[0], place[1]] == 1.0
