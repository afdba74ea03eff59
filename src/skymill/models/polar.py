"""Numbers from sectors: convolutions over rings and angles, then a dense head."""

from __future__ import annotations

from itertools import pairwise
from math import gcd

import torch
from torch import Tensor, nn
from torch.nn import functional

from skymill.config.network import PolarConfig
from skymill.models.compress import asinh
from skymill.models.inputs import CONDITIONS, StampInputs
from skymill.models.sectors import Sectors

GROUPS = 8
"""Groups of channels that are normalised together; fewer where the width is not a multiple."""
LARGEST_AREA_PX = 400.0
"""Area beyond which a sector's noise counts as that of so many pixels: the background is never flat to better."""
FAINT, BRIGHT = 0.003, 0.1
"""Units of two channels, in the galaxy's own brightness: its outskirts and its body."""
GROWTH_AREA_PX = 25.0
"""Light within a ring is given in units of the galaxy's own brightness over this area: well within the asinh's
logarithmic part for all but the innermost rings."""


class RingConvolution(nn.Module):
    """3×3 convolution over (ring, angle) with group normalisation and SiLU; angles wrap around, rings end.

    Groups and not batches are normalised: a stamp's result does not depend on the stamps beside it, neither in
    training nor later.
    """

    def __init__(self, inputs: int, outputs: int, stride: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(
            inputs, outputs, kernel_size=3, stride=stride, padding=(1, 0), bias=False
        )
        self.normalisation = nn.GroupNorm(gcd(GROUPS, outputs), outputs)

    def forward(self, features: Tensor) -> Tensor:
        """Turn (b, inputs, r, a) into (b, outputs, r / stride, a / stride)."""
        wrapped = torch.cat([features[..., -1:], features, features[..., :1]], dim=3)
        return functional.silu(self.normalisation(self.convolution(wrapped)), inplace=True)


class Residual(nn.Module):
    """Two convolutions whose result is added to their input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = RingConvolution(width, width), RingConvolution(width, width)

    def forward(self, features: Tensor) -> Tensor:
        """Turn (b, width, r, a) into the same shape."""
        return features + self.second(self.first(features))


class PolarHead(nn.Module):
    """Turns the light in rings and sectors into numbers.

    Averages and maxima over the angles end the convolutions: the result does not change when the stamp turns by a
    multiple of the last level's angle.

    Parameters
    ----------
    config : PolarConfig
        Rings, angles, widths.
    values : int
        Numbers to give for each stamp.
    input_px : int
        Side of the stamps.
    deblended_px : int, optional
        Side of a second image, the galaxy without its neighbours, cut out of the middle of the first; none if absent.
    """

    def __init__(
        self, config: PolarConfig, values: int, input_px: int, deblended_px: int | None = None
    ) -> None:
        super().__init__()
        self.sectors = Sectors(input_px, config.rings, config.angles)
        self.deblended = deblended_px and Sectors(input_px, config.rings, config.angles, deblended_px)
        channels = 7 + 3 * bool(deblended_px) + len(CONDITIONS)
        levels, rings = [], config.rings
        for level, (inputs, outputs) in enumerate(pairwise((channels, *config.widths))):
            # The angle is halved from the second level on, the rings from the third.
            stride = (1 + (level > 1), 1 + (level > 0))
            rings = -(-rings // stride[0])
            blocks = [Residual(outputs) for _ in range(config.depth)]
            levels.append(nn.Sequential(RingConvolution(inputs, outputs, stride), *blocks))
        self.levels = nn.Sequential(*levels)
        growths = 2 + bool(deblended_px)
        seen = config.widths[-1] * (rings + 1) + growths * config.rings + 1 + len(CONDITIONS)
        self.dense = nn.Sequential(
            nn.Linear(seen, config.dense), nn.SiLU(), nn.Linear(config.dense, config.dense), nn.SiLU()
        )
        self.head = nn.Linear(config.dense, values)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @property
    def stages(self) -> list[nn.Module]:
        """The levels of convolutions and the dense layers, in their order."""
        return [*self.levels, self.dense, self.head]

    def forward(self, inputs: StampInputs, deblended: Tensor | None = None) -> Tensor:
        """Give numbers for stamps and, where the head was made for it, images (b, y, x) without neighbours: (b, v)."""
        own = inputs.brightness[:, None, None]  # (b, 1, 1)
        means = self.sectors(inputs.image)  # (b, r, a)
        lower = self.sectors.opposite(means)
        middle = means.median(dim=2, keepdim=True).values.expand_as(means)
        noise = self.sectors.area.clamp(max=LARGEST_AREA_PX).sqrt()
        parts = [means * noise, means / 10, means / (BRIGHT * own), means / (FAINT * own)]
        parts += [lower / (BRIGHT * own), lower / (FAINT * own), middle / (FAINT * own)]
        growths = [self.sectors.growth(means), self.sectors.growth(lower)]
        if deblended is not None:
            mine = self.deblended(deblended)
            parts += [mine * noise, mine / (BRIGHT * own), mine / (FAINT * own)]
            growths.append(self.sectors.growth(mine))
        channels = asinh(torch.stack(parts, dim=1))  # (b, c, r, a)
        given = inputs.condition[:, :, None, None].expand(-1, -1, *means.shape[1:])
        features = self.levels(
            torch.cat([channels, given], dim=1).contiguous(memory_format=torch.channels_last)
        )
        # Sums of light are what a flux is made of: they are given to the dense layers as they are.
        unit = GROWTH_AREA_PX * inputs.brightness[:, None]
        light = asinh(torch.cat(growths, dim=1) / unit)
        scale = torch.log(inputs.brightness)[:, None]
        seen = [features.mean(dim=3).flatten(1), features.amax(dim=(2, 3)), light, scale, inputs.condition]
        return self.head(self.dense(torch.cat(seen, dim=1)))
