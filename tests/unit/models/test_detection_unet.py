from __future__ import annotations

import pytest
import torch

from skymill.config.finder import DetectionUnetConfig
from skymill.models.build import count_parameters
from skymill.models.detection_unet import RARE, DetectionUnet, folded, reach_px

CHANNELS = 3
SMALL = DetectionUnetConfig(kind="detection_unet", widths=(6, 8, 8))
DEFAULT = DetectionUnetConfig(kind="detection_unet")


def build(config=SMALL):
    torch.manual_seed(0)
    return DetectionUnet(config, CHANNELS)


def images(n: int, height: int, width: int) -> torch.Tensor:
    return torch.randn(n, CHANNELS, height, width, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def trained():
    """A network whose head and statistics are not those of the start, in evaluation mode."""
    network = build()
    torch.nn.init.normal_(network.head.weight)
    with torch.no_grad():
        for _ in range(3):
            network(images(4, 64, 64) * 3 + 1)
    return network.eval()


@pytest.mark.parametrize(("height", "width"), [(64, 64), (32, 80), (16, 8)])
def test_maps_are_as_large_as_the_image(height, width):
    maps = build()(images(2, height, width))

    assert maps.centre.shape == maps.segment.shape == (2, height, width)
    assert maps.offset.shape == (2, 2, height, width)


def test_before_training_centres_are_rare_everywhere():
    maps = build()(images(1, 32, 32))

    torch.testing.assert_close(maps.centre.sigmoid(), torch.full((1, 32, 32), RARE))
    assert not maps.offset.any() and not maps.segment.any()


def test_the_default_network_is_light():
    assert count_parameters(build(DEFAULT)) < 300_000
    assert reach_px(DEFAULT) >= 64


@pytest.mark.parametrize("widths", [(4, 4), (4, 4, 4), (4, 4, 4, 4)])
def test_a_pixel_sees_as_far_as_it_is_said(widths):
    config = DetectionUnetConfig(kind="detection_unet", widths=widths)
    network, farthest, side = build(config).eval(), 0, 256
    torch.nn.init.constant_(network.head.weight, 1.0)
    for part in network.parameters():  # no path through the network is cut off by a ReLU
        part.data.abs_()
    for shift in range(config.stride):
        image = torch.ones(1, CHANNELS, side, side, requires_grad=True)
        place = side // 2 + shift
        (slope,) = torch.autograd.grad(network(image).centre[0, place, place], image)
        seen = slope[0].abs().sum(dim=0).nonzero()
        farthest = max(farthest, int((seen - place).abs().max()))

    assert farthest == reach_px(config)


def test_a_window_gives_what_the_whole_image_gives(trained):
    whole = images(1, 160, 160)
    margin = -(-reach_px(SMALL) // SMALL.stride) * SMALL.stride
    with torch.inference_mode():
        expected = trained(whole)
        window = trained(whole[:, :, 40 - 40 : 120 + 40, 40:160])

    inside = slice(40 + margin, 160 - 0)
    torch.testing.assert_close(
        window.centre[:, :, margin:], expected.centre[:, :, inside], rtol=1e-4, atol=1e-4
    )


def test_something_bright_far_away_changes_nothing(trained):
    """What group or layer normalisation would get wrong."""
    image = images(1, 128, 128)
    brighter = image.clone()
    brighter[:, :, :16, :16] += 1000.0
    with torch.inference_mode():
        before, after = trained(image), trained(brighter)

    far = 16 + reach_px(SMALL)
    torch.testing.assert_close(
        before.centre[:, far:, far:], after.centre[:, far:, far:], rtol=1e-4, atol=1e-4
    )
    assert not torch.allclose(before.centre[:, :16, :16], after.centre[:, :16, :16])


def test_folding_changes_rounding_only_and_not_the_network(trained):
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    ready = folded(trained)
    with torch.inference_mode():
        for mine, theirs in zip(ready(images(2, 32, 32)), trained(images(2, 32, 32)), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)

    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in ready.modules())
    assert all(torch.equal(value, before[name]) for name, value in trained.state_dict().items())


def test_every_parameter_gets_a_gradient():
    network = build()
    torch.nn.init.normal_(network.head.weight)
    maps = network(images(2, 32, 32))
    sum(each.square().sum() for each in maps).backward()

    assert all(value.grad is not None and value.grad.any() for value in network.parameters())
