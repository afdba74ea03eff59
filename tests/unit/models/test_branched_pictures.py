"""The branched network that draws pictures."""

from __future__ import annotations

from math import exp

import torch

from skymill.config.network import BranchedPicturesConfig
from skymill.models.branched_pictures import DARKEST, drawn_picture
from skymill.models.build import build_network
from skymill.models.inputs import StampInputs


def maps_of(drawn: float, trust: float) -> torch.Tensor:
    return torch.stack([torch.full((1, 4, 4), drawn), torch.full((1, 4, 4), trust)], dim=1)


def test_a_pixel_is_drawn_or_the_blend_s_own():
    blend = torch.full((1, 4, 4), 40.0)
    level = 255 / (1 + exp(-DARKEST))

    torch.testing.assert_close(drawn_picture(maps_of(0.0, -100.0), blend), torch.full((1, 4, 4), level))
    torch.testing.assert_close(drawn_picture(maps_of(0.0, 100.0), blend), blend)
    torch.testing.assert_close(
        drawn_picture(maps_of(0.0, 0.0), blend), torch.full((1, 4, 4), (level + 40) / 2)
    )


def test_levels_stay_between_black_and_white():
    torch.manual_seed(1)
    network = build_network(BranchedPicturesConfig(kind="branched_pictures", root_widths=(8, 8)), 0, 16)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=3.0)
    image = 255 * torch.rand(4, 16, 16)
    outputs = network(StampInputs(image, torch.ones(4), torch.zeros(4, 2)))

    assert outputs.layers.min() >= 0 and outputs.layers.max() <= 255 and outputs.values.shape == (4, 0)
    # Both branches have weights of their own.
    assert not torch.allclose(outputs.layers[:, 0], outputs.layers[:, 1])
