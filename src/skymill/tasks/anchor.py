"""The anchor: the light in a fixed aperture, which fluxes are expressed in.

A network that gives ln(F / F_anchor) need not learn the scale of the image: a galaxy of magnitude 14 and one of 23
differ in their noise only, and on real data the zero-point of the result is that of the pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor


def circular_aperture(radius_px: float) -> Tensor:
    """Return the weights of a circular aperture, centred on the middle pixel.

    Parameters
    ----------
    radius_px : float
        Radius; the edge is soft over one pixel: weight ``clip(radius + 0.5 - r, 0, 1)``, which keeps the area
        within 1 % of pi r**2 from a radius of 3 px on (5 % from 2 px on).

    Returns
    -------
    Tensor (side, side)
        float32, side odd.
    """
    half = ceil(radius_px + 0.5)
    offset = torch.arange(-half, half + 1, dtype=torch.float32)
    distance = torch.hypot(offset[:, None], offset[None, :])
    return (radius_px + 0.5 - distance).clamp(0.0, 1.0)


@dataclass(frozen=True)
class Anchor:
    """Light within a circle around a stamp's centre, with a floor.

    Parameters
    ----------
    radius_px : float
        Radius of the aperture.
    floor_sigma : float
        Least value, in units of the aperture's background noise (for pixels of unit noise the square root of the sum
        of the squared weights), so that the logarithm exists for the faintest sources too.
    """

    radius_px: float
    floor_sigma: float

    @property
    def noise(self) -> float:
        """Standard deviation of the aperture's light on blank sky, background rms."""
        return float(circular_aperture(self.radius_px).square().sum().sqrt())

    @property
    def area_px(self) -> float:
        """Sum of the aperture's weights."""
        return float(circular_aperture(self.radius_px).sum())

    def __call__(self, image: Tensor) -> Tensor:
        """Return the anchor fluxes (b,) of stamps (b, band, y, x) in background rms; first band."""
        weights = circular_aperture(self.radius_px).to(image.device)
        size, half = image.shape[-1], len(weights) // 2
        centre, room = size // 2, min(half, (size - 1) // 2)
        window = slice(centre - room, centre + room + 1)
        weights = weights[half - room : half + room + 1, half - room : half + room + 1]
        light = (image[:, 0, window, window] * weights).sum(dim=(1, 2))
        return light.clamp(min=self.floor_sigma * self.noise)
