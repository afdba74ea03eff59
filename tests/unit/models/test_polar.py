"""Turning a stamp by quarter turns does not change what a polar head gives."""

from __future__ import annotations

import pytest
import torch

from skymill.config.network import CnnConfig
from skymill.models.inputs import StampInputs
from skymill.models.polar import PolarHead, RingConvolution

CONFIG = CnnConfig(kind="cnn", rings=10, angles=16, widths=(8, 12, 16), dense=16)


def head(input_px: int = 33, deblended_px: int | None = None) -> PolarHead:
    torch.manual_seed(0)
    made = PolarHead(CONFIG, 3, input_px, deblended_px).eval()
    torch.nn.init.normal_(made.head.weight)
    return made


def inputs(size: int = 33, n: int = 4) -> StampInputs:
    generator = torch.Generator().manual_seed(1)
    image = 30 * torch.rand(n, size, size, generator=generator) ** 4
    condition = torch.rand(n, 2, generator=generator)
    return StampInputs(image, image[:, 13:20, 13:20].mean(dim=(1, 2)), condition)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_quarter_turns_about_the_centre_change_nothing(turns: int):
    network, given = head(), inputs()
    turned = given._replace(image=torch.rot90(given.image, turns, dims=(1, 2)))

    torch.testing.assert_close(network(turned), network(given), rtol=1e-4, atol=1e-4)


def test_quarter_turns_change_nothing_with_a_deblended_image_either():
    network, given = head(deblended_px=17), inputs()
    mine = 0.3 * given.image[:, 8:25, 8:25]
    turned = given._replace(image=torch.rot90(given.image, 1, dims=(1, 2)))

    torch.testing.assert_close(
        network(turned, torch.rot90(mine, 1, dims=(1, 2))), network(given, mine), rtol=1e-4, atol=1e-4
    )


def test_other_galaxies_and_conditions_give_other_numbers():
    network, given = head(), inputs()
    one = network(given)

    assert not torch.allclose(one[0], one[1], atol=1e-3)
    assert not torch.allclose(network(given._replace(condition=given.condition + 1)), one, atol=1e-3)
    assert not torch.allclose(network(given._replace(brightness=3 * given.brightness)), one, atol=1e-3)
    # Moved from one side of the centre to the other sector by sector, light stays; moved outwards it does not.
    outwards = given._replace(image=given.image.roll(5, dims=1))
    assert not torch.allclose(network(outwards), one, atol=1e-3)


def test_angles_wrap_around_and_rings_end():
    torch.manual_seed(0)
    layer = RingConvolution(1, 4)
    features = torch.randn(2, 1, 6, 8)

    torch.testing.assert_close(layer(features.roll(3, dims=3)), layer(features).roll(3, dims=3))
    assert not torch.allclose(layer(features.roll(3, dims=2)), layer(features).roll(3, dims=2), atol=1e-3)
