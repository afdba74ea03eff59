"""A U-Net that takes the galaxy out of its blend, and measures it.

The U-Net is that of Ronneberger et al. (2015, MICCAI), flux beside masks the idea of Boucaud et al. (2020, MNRAS 491,
2481).
The decoder gives, for the middle of the stamp, the share of each pixel's light that is the central galaxy's, and the
masks of the central galaxy and of its neighbours. Share times image is the deblended galaxy: nothing is lost or made
up, what is not the galaxy's is its neighbours'. The head that measures sees the deblended galaxy beside the blend.
"""

from __future__ import annotations

from itertools import pairwise
from math import gcd

import torch
from torch import Tensor, nn
from torch.nn import functional

from skymill.config.network import UnetConfig
from skymill.models.inputs import StampInputs, pixel_channels
from skymill.models.outputs import Outputs
from skymill.models.polar import GROUPS, PolarHead
from skymill.models.registry import MODELS

CHANNELS = 6
"""Of :func:`skymill.models.inputs.pixel_channels`."""
MASKS = 2
FIRST_GUESS = -1.0
"""Logit of the share before training: a quarter of the light."""


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Return a 3×3 convolution over pixels with group normalisation and SiLU; `stride` 2 halves the side."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False),
        nn.GroupNorm(gcd(GROUPS, outputs), outputs),
        nn.SiLU(inplace=True),
    )


def down(inputs: int, outputs: int) -> nn.Sequential:
    """Return a level of the encoder: halve the side, convolve."""
    return nn.Sequential(convolution(inputs, outputs, stride=2), convolution(outputs, outputs))


class Up(nn.Module):
    """One level of the decoder: double the side, add the encoder's map of that side, convolve."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(coarse, fine, kernel_size=1)
        self.join = convolution(fine, fine)

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        """Turn (b, coarse, y / 2, x / 2) and (b, fine, y, x) into (b, fine, y, x)."""
        raised = functional.interpolate(self.reduce(features), scale_factor=2.0, mode="nearest")
        return self.join(raised + skip)


@MODELS.register("unet")
class Unet(nn.Module):
    """Encoder–decoder over the middle of the stamp, and a head that measures what it took out.

    Parameters
    ----------
    config : UnetConfig
        Widths of the U-Net, options of the head.
    values : int
        Numbers to give for each stamp.
    input_px : int
        Side of the stamps.
    """

    def __init__(self, config: UnetConfig, values: int, input_px: int) -> None:
        super().__init__()
        widths = config.unet_widths
        self.inner_px = min(config.inner_px, input_px)
        self.first = down(CHANNELS, widths[0])
        self.down = nn.ModuleList(down(fine, coarse) for fine, coarse in pairwise(widths))
        self.up = nn.ModuleList(Up(coarse, fine) for fine, coarse in reversed(list(pairwise(widths))))
        # Four numbers for each pixel of the halved map are its four pixels: cheaper than a level at full size.
        self.maps = nn.Conv2d(widths[0], 4 * (1 + MASKS), kernel_size=1)
        self.polar = PolarHead(config, values, input_px, self.inner_px)

    @property
    def stages(self) -> list[nn.Module]:
        """The parts in the order in which they see a stamp; a transfer freezes the first of them."""
        return [self.first, *self.down, *self.up, self.maps, *self.polar.stages]

    def forward(self, inputs: StampInputs) -> Outputs:
        """Give numbers, share and masks; before training all numbers are zero."""
        size = inputs.image.shape[-1]
        start = size // 2 - self.inner_px // 2
        middle = slice(start, start + self.inner_px)
        inner = inputs._replace(image=inputs.image[:, middle, middle])
        skips = [self.first(pixel_channels(inner))]  # (b, widths[0], y / 2, x / 2)
        for level in self.down:
            skips.append(level(skips[-1]))
        features = skips.pop()
        for level in self.up:
            features = level(features, skips.pop())
        maps = functional.pixel_shuffle(self.maps(features), 2)  # (b, 3, y, x)
        share = torch.sigmoid(maps[:, 0].float() + FIRST_GUESS)  # (b, y, x)
        central = share * inner.image
        layers = torch.stack([central, inner.image - central], dim=1)  # (b, 2, y, x)
        return Outputs(self.polar(inputs, central), maps[:, 1:], share, layers)
