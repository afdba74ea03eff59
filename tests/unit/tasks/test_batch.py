from __future__ import annotations

import pytest
import torch


@pytest.mark.parametrize("size_px", [32, 20, 8])
def test_layers_and_masks_are_the_middle_with_the_galaxy_on_its_pixel(make_batch, size_px: int):
    central, neighbours = torch.zeros(2, 1, 32, 32), torch.zeros(2, 1, 32, 32)
    central[:, 0, 16, 16], neighbours[:, 0, 14, 17] = 3.0, 0.5
    neighbours[1] *= 4
    batch = make_batch(central + neighbours, torch.ones(2, 1), central, neighbours)
    layers, masks = batch.layers(size_px), batch.masks(size_px)
    middle = size_px // 2

    assert layers[0].shape == (2, size_px, size_px) and masks.shape == (2, 2, size_px, size_px)
    assert layers[0][:, middle, middle].tolist() == [3.0, 3.0]
    # 0.5 is below the threshold of 1 and 2 is above.
    assert masks[:, 1, middle - 2, middle + 1].tolist() == [0.0, 1.0]
    assert masks.sum().item() == 3
