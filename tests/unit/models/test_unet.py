"""What is the U-Net's alone: the galaxy without its neighbours."""

from __future__ import annotations

import pytest
import torch

from skymill.config.network import UnetConfig
from skymill.models.inputs import StampInputs
from skymill.models.unet import FIRST_GUESS, Unet

SMALL = {"widths": (4, 8), "unet_widths": (4, 8), "rings": 8, "angles": 8, "dense": 8}


def build(input_px: int = 32, **options) -> Unet:
    torch.manual_seed(0)
    return Unet(UnetConfig(kind="unet", **SMALL, **options), 2, input_px)


def inputs(n: int, size: int, seed: int = 1) -> StampInputs:
    image = 20 * torch.randn(n, size, size, generator=torch.Generator().manual_seed(seed))
    return StampInputs(image, torch.linspace(1, 50, n), torch.zeros(n, 2))


def test_the_deblended_galaxy_and_the_rest_are_the_image():
    given, seen = inputs(3, 32), []
    network = build()
    network.polar.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[1]))
    share = network(given).share
    galaxy, rest = seen[0], (1 - share) * given.image

    assert share.min() >= 0 and share.max() <= 1 and share.std() > 0
    torch.testing.assert_close(galaxy, share * given.image)
    torch.testing.assert_close(galaxy + rest, given.image)
    # Where there is light, neither part is more than all of it.
    lit = given.image > 0
    assert (galaxy[lit] <= given.image[lit]).all() and (rest[lit] >= 0).all()


@pytest.mark.parametrize(("inner_px", "expected"), [(16, 16), (64, 32)])
def test_the_middle_of_the_stamp_is_deblended(inner_px: int, expected: int):
    outputs = build(inner_px=inner_px)(inputs(2, 32))

    assert outputs.share.shape == (2, expected, expected)
    assert outputs.masks.shape == (2, 2, expected, expected)


def test_what_lies_outside_the_middle_does_not_change_the_share():
    network, given = build(inner_px=16), inputs(2, 32)
    other = given.image.clone()
    other[:, :8] = 1e3
    first, second = (network(given._replace(image=image)) for image in (given.image, other))

    assert torch.equal(first.share, second.share)


def test_the_first_guess_is_the_same_for_every_pixel_of_empty_maps():
    network = build()
    torch.nn.init.zeros_(network.maps.weight)
    torch.nn.init.zeros_(network.maps.bias)
    share = network(inputs(1, 32)).share

    torch.testing.assert_close(share, torch.full_like(share, torch.sigmoid(torch.tensor(FIRST_GUESS)).item()))


def test_the_share_is_learned_from_the_deblended_galaxys_numbers_too():
    network = build()
    torch.nn.init.normal_(network.polar.head.weight)
    network(inputs(4, 32)).values.square().sum().backward()

    assert network.maps.weight.grad[:4].any()
