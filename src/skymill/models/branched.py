"""A branched network that draws the galaxy and its neighbours, each on an image of its own.

The form is that of the generator of Reiman & Göhre (2019, MNRAS 485, 2617): a residual root, and a residual branch for
each of the two images. Theirs draws pictures of 8 bits; this one gives linear light, which adds up. Each branch gives
what it draws and, for each pixel, how much it trusts the blend: there its image is what the other branch's drawing
leaves of the blend. Where the noise is nothing beside the light, all of the blend's light is given out; where it is
not, what is drawn is free of noise.
"""

from __future__ import annotations

from math import gcd

import torch
from torch import Tensor, nn
from torch.nn import functional

from skymill.config.network import BranchedConfig, TrunkConfig
from skymill.models.compress import asinh
from skymill.models.inputs import CONDITIONS, StampInputs, pixel_channels
from skymill.models.outputs import Outputs
from skymill.models.polar import GROUPS, GROWTH_AREA_PX, PolarHead
from skymill.models.registry import MODELS
from skymill.models.sectors import Sectors
from skymill.models.unet import CHANNELS, convolution

ANGLES = 8
"""Sectors of the rings that light is summed in; only their sums over a ring are used."""
FAINTEST, BRIGHTEST = -3.0, 14.0
"""asinh of a drawn pixel's light, background rms: softplus of the first before training, the second at most."""

OWN_PX = 16
"""Side of the middle of the galaxy's image whose mean is its own brightness."""
LEAST_OWN_RMS = 0.05
DOUBT_UNITS = 64


class Residual(nn.Module):
    """Two convolutions over pixels whose result is added to their input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = convolution(width, width)
        self.second = nn.Sequential(
            nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False),
            nn.GroupNorm(gcd(GROUPS, width), width),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Turn (b, width, y, x) into the same shape."""
        return features + self.second(self.first(features))


class Branch(nn.Module):
    """Residual blocks, then two maps: one for what is drawn, and the logit of the trust in the blend."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Residual(width) for _ in range(blocks)))
        # Four numbers for each pixel of the halved map are its four pixels: cheaper than blocks at full size.
        self.maps = nn.Conv2d(width, 4 * 2, kernel_size=1)

    def forward(self, features: Tensor) -> Tensor:
        """Turn features (b, width, y / 2, x / 2) into the maps (b, 2, y, x)."""
        return functional.pixel_shuffle(self.maps(self.blocks(features)), 2).float()


class Trunk(nn.Module):
    """Residual root and two branches.

    Parameters
    ----------
    config : TrunkConfig
        Widths and blocks.
    """

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        fine, coarse = config.root_widths
        self.first = convolution(CHANNELS + len(CONDITIONS), fine, stride=2)
        self.down = convolution(fine, coarse, stride=2)
        self.root = nn.Sequential(*(Residual(coarse) for _ in range(config.root_blocks)))
        self.up = nn.Conv2d(coarse, fine, kernel_size=1)
        self.branches = nn.ModuleList(Branch(fine, config.branch_blocks) for _ in range(2))

    @property
    def stages(self) -> list[nn.Module]:
        """The parts in the order in which they see a stamp; a transfer freezes the first of them."""
        return [self.first, self.down, *self.root, self.up, self.branches]

    def maps(self, inputs: StampInputs) -> list[Tensor]:
        """Return what each branch says of each pixel: two of (b, 2, y, x)."""
        given = inputs.condition[:, :, None, None].expand(-1, -1, *inputs.image.shape[1:])
        seen = torch.cat([pixel_channels(inputs), given], dim=1)
        skip = self.first(seen.contiguous(memory_format=torch.channels_last))  # (b, fine, y / 2, x / 2)
        coarse = self.root(self.down(skip))  # (b, coarse, y / 4, x / 4)
        features = skip + functional.interpolate(self.up(coarse), scale_factor=2.0, mode="nearest")
        return [branch(features) for branch in self.branches]


def drawn_light(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Turn maps (b, 2, y, x) into light, background rms, and the trust in the blend, both (b, y, x)."""
    drawn = functional.softplus(maps[:, 0] + FAINTEST).clamp(max=BRIGHTEST)
    return torch.sinh(drawn), torch.sigmoid(maps[:, 1])


@MODELS.register("branched")
class Branched(Trunk):
    """Residual root and two branches over the middle of the stamp, and what its image of the galaxy says of the flux.

    Parameters
    ----------
    config : BranchedConfig
        Widths and blocks, options of the head.
    values : int
        Numbers to give for each stamp. The first half of them comes from the galaxy's image alone; the second, what
        they are worth, from all images.
    input_px : int
        Side of the stamps.
    """

    def __init__(self, config: BranchedConfig, values: int, input_px: int) -> None:
        super().__init__(config)
        self.inner_px = min(config.inner_px, input_px)
        self.conserves = config.conserves
        self.polar = PolarHead(config, values - values // 2, self.inner_px)
        self.sectors = Sectors(self.inner_px, config.rings, ANGLES)
        known = 3 * config.rings + 1 + len(CONDITIONS)
        self.doubt = nn.Sequential(nn.Linear(known, DOUBT_UNITS), nn.SiLU())
        self.head = nn.Linear(DOUBT_UNITS, values // 2)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @property
    def stages(self) -> list[nn.Module]:
        """The parts in the order in which they see a stamp; a transfer freezes the first of them."""
        return [*super().stages, *self.polar.stages, self.doubt, self.head]

    def forward(self, inputs: StampInputs) -> Outputs:
        """Give numbers and images; before training all numbers are zero."""
        size = inputs.image.shape[-1]
        start = size // 2 - self.inner_px // 2
        middle = slice(start, start + self.inner_px)
        inner = inputs._replace(image=inputs.image[:, middle, middle])
        layers = self._layers(inner)
        # The images are not bent to suit the numbers.
        return Outputs(self._values(inner, layers.detach()), layers=layers)

    def _layers(self, inputs: StampInputs) -> Tensor:
        """Return the images of the galaxy and of its neighbours, background rms, not negative: (b, 2, y, x)."""
        (central, trust), (neighbours, other_trust) = (drawn_light(maps) for maps in self.maps(inputs))
        if self.conserves:
            left, other_left = ((inputs.image - other).clamp(min=0.0) for other in (neighbours, central))
            central, neighbours = (
                torch.lerp(central, left, trust),
                torch.lerp(neighbours, other_left, other_trust),
            )
        return torch.stack([central, neighbours], dim=1)

    def _values(self, inputs: StampInputs, layers: Tensor) -> Tensor:
        """Return what the galaxy's image alone says, then what that is worth, for which all images are looked at."""
        central, neighbours = layers.unbind(dim=1)
        middle = slice(self.inner_px // 2 - OWN_PX // 2, self.inner_px // 2 + OWN_PX // 2)
        own = central[:, middle, middle].mean(dim=(1, 2)).clamp(min=LEAST_OWN_RMS)
        says = self.polar(StampInputs(central, own, inputs.condition))
        unit = GROWTH_AREA_PX * own[:, None]
        images = (central, neighbours, inputs.image)
        growths = [asinh(self.sectors.growth(self.sectors(light)) / unit) for light in images]
        known = torch.cat([*growths, torch.log(own)[:, None], inputs.condition], dim=1)
        return torch.cat([says, self.head(self.doubt(known))], dim=1)
