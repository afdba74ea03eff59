"""A light U-Net (after Ronneberger et al. 2015) that says for each pixel whether a source's centre is there.

It is fully convolutional, and what it gives for a pixel depends on the pixels within :data:`reach_px` alone, so that an
image can be worked on in overlapping windows. That rules out normalisation over space (group, layer and instance
normalisation take their mean over all pixels of a window: a bright star at one end would change what is found at the
other, and every window would see the sky in its own way). Batch normalisation does not have this fault once it is
trained: its statistics are then fixed numbers, a scale and a shift for each channel, which :func:`folded` puts into the
convolutions' weights; it costs nothing in use.

The first convolution halves the resolution, which makes the network four times as fast; pixel shuffling (Shi et al.
2016, arXiv:1609.05158) brings the maps back to full resolution, where sources half a PSF apart are still two pixels.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from skymill.config.finder import DetectionUnetConfig
from skymill.models.outputs import Maps

STEM_PX = 5
MAPS = 4
"""Centre, offset in y and in x, segment."""
RARE = 0.01
"""Chance of a centre that an untrained network gives for every pixel; without it the first steps only unlearn 0.5."""


class Convolution(nn.Module):
    """A convolution with batch normalisation and ReLU."""

    def __init__(self, inputs: int, outputs: int, size: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, features: Tensor) -> Tensor:
        """Turn (b, inputs, y, x) into (b, outputs, y / stride, x / stride)."""
        return functional.relu(self.norm(self.conv(features)), inplace=True)


class Up(nn.Module):
    """One level of the decoder: double the side, add the encoder's map of that side, convolve."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(coarse, fine, kernel_size=1)
        self.join = Convolution(fine, fine)

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        """Turn (b, coarse, y / 2, x / 2) and (b, fine, y, x) into (b, fine, y, x)."""
        raised = functional.interpolate(self.reduce(features), scale_factor=2.0, mode="nearest")
        return self.join(raised + skip)


class DetectionUnet(nn.Module):
    """Encoder–decoder from images to maps.

    With the default widths it has 0.24 million parameters and takes 5,500 multiplications for each pixel, whose result
    depends on those up to 77 px away.

    Parameters
    ----------
    config : DetectionUnetConfig
        Widths.
    channels : int
        Channels of the input.
    """

    def __init__(self, config: DetectionUnetConfig, channels: int) -> None:
        super().__init__()
        levels = list(pairwise(config.widths))
        first = config.widths[0]
        self.first = nn.Sequential(Convolution(channels, first, STEM_PX, stride=2), Convolution(first, first))
        self.down = nn.ModuleList(
            nn.Sequential(Convolution(fine, coarse, stride=2), Convolution(coarse, coarse))
            for fine, coarse in levels
        )
        self.up = nn.ModuleList(Up(coarse, fine) for fine, coarse in reversed(levels))
        self.last = Convolution(first, first)
        self.head = nn.Conv2d(first, 4 * MAPS, kernel_size=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        with torch.no_grad():
            # Pixel shuffling takes four channels for each map.
            self.head.bias[:4] = -torch.log(torch.tensor(1 / RARE - 1))
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Maps:
        """Give maps for images (b, c, y, x); y and x are multiples of the stride."""
        skips = [self.first(images)]  # (b, widths[0], y / 2, x / 2)
        for down in self.down:
            skips.append(down(skips[-1]))  # side halves at each level
        features = skips.pop()
        for up in self.up:
            features = up(features, skips.pop())
        maps = functional.pixel_shuffle(self.head(self.last(features)), 2)  # (b, 4, y, x)
        return Maps(maps[:, 0], maps[:, 1:3], maps[:, 3])


def reach_px(config: DetectionUnetConfig) -> int:
    """Return how far away pixels are, at most, that a pixel's result depends on."""
    reach, step = STEM_PX // 2, 2
    reach += step  # the second convolution, at half resolution
    for _ in config.widths[1:]:
        reach += step  # halves the side
        step *= 2
        reach += step
    for _ in config.widths[1:]:
        # Nearest-neighbour doubling takes from a coarse pixel up to step - 1 px away; then a convolution.
        step //= 2
        reach += step + step
    return reach + step + 1  # the last convolution, and the shuffle


def folded(network: DetectionUnet) -> DetectionUnet:
    """Return a copy for use, with the normalisations put into the convolutions' weights; the same up to rounding."""
    from copy import deepcopy

    ready = deepcopy(network).eval()
    for part in ready.modules():
        if isinstance(part, Convolution):
            part.conv = fuse_conv_bn_eval(part.conv, part.norm)
            part.norm = nn.Identity()
    return ready.to(memory_format=torch.channels_last)
