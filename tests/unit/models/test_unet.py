from __future__ import annotations

import torch

from skymill.models.unet import pool_in_masks


def test_features_are_averaged_in_each_mask():
    features = torch.arange(16.0).reshape(1, 1, 4, 4).repeat(1, 2, 1, 1)
    features[:, 1] *= 10
    masks = torch.zeros(1, 2, 4, 4)
    masks[0, 0, 0, :2] = 1.0  # values 0 and 1
    masks[0, 1, 3, 3] = 1.0  # value 15
    pooled = pool_in_masks(features, masks)

    # One pixel is added to each mask's area, so that an empty mask gives 0 and not NaN.
    torch.testing.assert_close(pooled, torch.tensor([[1 / 3, 10 / 3, 7.5, 75.0]]))
    assert not pool_in_masks(features, torch.zeros_like(masks)).any()
