"""A U-Net with a flux head (after Ronneberger et al. 2015 and the blend2mask2flux of Boucaud et al. 2020).

The decoder gives masks of the central galaxy and of its neighbours. The flux head sees the encoder's last map and the
decoder's features averaged inside each mask.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from skymill.config.train import UnetConfig
from skymill.models.cnn import convolution, stage
from skymill.models.outputs import Outputs
from skymill.models.registry import MODELS

MASKS = 2


class Up(nn.Module):
    """One level of the decoder: double the side, join the encoder's map of that side, convolve."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(coarse, fine, kernel_size=1)
        self.join = convolution(2 * fine, fine)

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        """Turn (b, coarse, y / 2, x / 2) and (b, fine, y, x) into (b, fine, y, x)."""
        raised = functional.interpolate(
            self.reduce(features), scale_factor=2.0, mode="nearest"
        )  # (b, fine, y, x)
        return self.join(torch.cat([raised, skip], dim=1))


def pool_in_masks(features: Tensor, masks: Tensor) -> Tensor:
    """Average features (b, c, y, x) with the weights of each mask (b, m, y, x) in 0 … 1: (b, m * c)."""
    weights = masks / (masks.sum(dim=(2, 3), keepdim=True) + 1.0)  # (b, m, y, x)
    return torch.einsum("bmyx,bcyx->bmc", weights, features).flatten(1)


@MODELS.register("unet")
class Unet(nn.Module):
    """Encoder–decoder with skip connections, masks and a flux head.

    Parameters
    ----------
    config : UnetConfig
        Widths and depth.
    channels : int
        Channels of the input.
    values : int
        Numbers to give for each stamp.
    input_px : int
        Side of the stamps, a multiple of ``2 ** len(config.widths)``.
    """

    def __init__(self, config: UnetConfig, channels: int, values: int, input_px: int) -> None:
        super().__init__()
        widths = config.widths
        levels = list(pairwise(widths))
        self.first = convolution(channels, widths[0])
        self.down = nn.ModuleList(stage(fine, coarse, config.depth) for fine, coarse in levels)
        self.up = nn.ModuleList(Up(coarse, fine) for fine, coarse in reversed(levels))
        self.masks = nn.Conv2d(widths[0], MASKS, kernel_size=1)
        self.bottom = stage(widths[-1], widths[-1], depth=1)
        pooled = widths[-1] * (input_px // config.stride) ** 2 + MASKS * widths[0]
        self.dense = nn.Sequential(nn.Linear(pooled, config.dense), nn.SiLU(inplace=True))
        self.head = nn.Linear(config.dense, values)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, stamps: Tensor) -> Outputs:
        """Give masks and numbers for stamps (b, c, y, x); before training all numbers are zero."""
        skips = [self.first(stamps)]  # (b, widths[0], y, x)
        for down in self.down:
            skips.append(down(skips[-1]))  # side halves at each level
        features = deepest = skips.pop()  # (b, widths[-1], y / 2**n, x / 2**n)
        for up in self.up:
            features = up(features, skips.pop())
        masks = self.masks(features)  # (b, 2, y, x)
        seen = torch.cat([self.bottom(deepest).flatten(1), pool_in_masks(features, masks.sigmoid())], dim=1)
        return Outputs(self.head(self.dense(seen)), masks)
