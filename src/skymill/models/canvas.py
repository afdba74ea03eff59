"""Galaxies before the PSF: the log of the surface brightness on a canvas that is fine in the middle.

A position p (half-light radii from the centre) lies on the canvas at ``p / |p| asinh(k |p|) / asinh(k L)``: from pixel
to pixel as much of a cusp as of the wings, so that one small image holds both. The log of a galaxy's light varies
little from one of its pixels to the next, and the exponential of it is positive.
"""

from __future__ import annotations

from math import asinh

import torch
from torch import Tensor, nn
from torch.nn import functional

SHARPNESS = 2.0
"""k: within 1 / k half-light radii the canvas is evenly sampled, beyond in the log."""
EDGE = 0.1
"""Part of the canvas's radius over which light fades at its end."""
SHEAR = 0.6
"""Log of the axis ratio for a latent number of 1."""
TINY = 1e-12
SERSIC_2 = 3.672
"""b of a Sersic profile of index 2, ``exp(-b r**(1 / 2))``: half of its light lies within r = 1."""


class Canvas(nn.Module):
    """The geometry of canvases.

    Parameters
    ----------
    side_px : int
        Side of the canvas.
    extent_re : float
        L: radius at which galaxies end, half-light radii.
    """

    def __init__(self, side_px: int, extent_re: float) -> None:
        super().__init__()
        self.extent_re, self.reach = extent_re, asinh(SHARPNESS * extent_re)
        u = torch.linspace(-1, 1, side_px, dtype=torch.float64)
        y, x = torch.meshgrid(u, u, indexing="ij")
        r = torch.hypot(x, y).clamp(min=1e-9)
        radius = torch.sinh(r * self.reach) / SHARPNESS  # half-light radii
        stretch = torch.where(r > 1e-6, radius / r, torch.full_like(r, self.reach / SHARPNESS))
        slope = torch.cosh(r * self.reach) * self.reach / SHARPNESS
        step = 2 / (side_px - 1)
        self.register_buffer(
            "place", torch.stack([x * stretch, y * stretch], dim=-1).float(), persistent=False
        )
        self.register_buffer("area", (stretch * slope * step**2 * fade(r)).float(), persistent=False)
        self.register_buffer(
            "baseline", (-SERSIC_2 * radius.clamp(min=0.05).sqrt()).float(), persistent=False
        )

    def normalised(self, log_light: Tensor) -> Tensor:
        """Return log surface brightness (b, c, c) of flux 1, per square of the half-light radius."""
        weighted = log_light + torch.log(self.area + TINY)
        return log_light - torch.logsumexp(weighted.flatten(1), dim=1)[:, None, None]

    def half_light_radius(self, log_light: Tensor) -> Tensor:
        """Return the circularised half-light radius of canvases (b, c, c), in their own units, (b,).

        That of the circle with the area of the brightest part that holds half of the light: of an ellipse it is
        ``a sqrt(q)``, as in the schema ``galaxies``.
        """
        flat, area = log_light.flatten(1), self.area.flatten()
        order = flat.argsort(dim=1, descending=True)
        light = torch.gather(torch.exp(flat) * area, 1, order).double()
        grown, covered = light.cumsum(dim=1), area[order].double().cumsum(dim=1)
        half = 0.5 * grown[:, -1:]
        after = (grown >= half).int().argmax(dim=1, keepdim=True)
        share = (grown.gather(1, after) - half) / light.gather(1, after)
        inside = covered.gather(1, after) - share * area[order].double().gather(1, after)
        return torch.sqrt(inside[:, 0] / torch.pi).float()

    def sample(self, log_light: Tensor, place: Tensor) -> Tensor:
        """Return the surface brightness at places (b, h, w, 2), x and y in half-light radii: (b, h, w)."""
        radius = place.norm(dim=-1).clamp(min=1e-9)
        r = torch.asinh(SHARPNESS * radius) / self.reach
        on_canvas = place * (r / radius)[..., None]
        found = functional.grid_sample(
            log_light[:, None], on_canvas, mode="bilinear", padding_mode="border", align_corners=True
        )[:, 0]
        return torch.exp(found) * fade(r)


def fade(r: Tensor) -> Tensor:
    """Return how much of the light is left at radii of the canvas: all of it but near its end at 1."""
    return ((1 - r) / EDGE).clamp(0, 1)


def elongation(latent: Tensor) -> Tensor:
    """Return the matrices (b, 2, 2) that lengthen a galaxy along one direction and keep its area.

    ``exp(S / 2)`` of the symmetric matrix S with elements s1, s2, s2, -s1, which is SHEAR times the two latent numbers:
    the axis ratio is ``exp(-|s|)``, the angle half of that of (s1, s2).
    """
    s1, s2 = (SHEAR * latent).unbind(dim=1)
    s = torch.sqrt(s1**2 + s2**2 + 1e-8)
    along, across = torch.cosh(s / 2), torch.sinh(s / 2) / s
    rows = torch.stack([along + across * s1, across * s2, across * s2, along - across * s1], dim=1)
    return rows.view(-1, 2, 2)
