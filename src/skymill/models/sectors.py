"""Stamps seen in rings and sectors around their centre.

A galaxy that grows moves outwards by the logarithm of the factor, one that turns moves along the angle; light is
summed over areas that grow with the distance, as the noise of its faint outskirts asks for. Convolutions over
(ring, angle) therefore learn from far fewer galaxies than those over pixels do. The plane is that of Fourier–Mellin
registration (Reddy & Chatterji 1996, IEEE Trans. Image Process. 5, 1266) and of the polar transformer networks of
Esteves et al. (2018, ICLR, arXiv:1709.01889).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

INNER_RADIUS_PX = 0.8
"""Radius of the innermost ring, which is a disc: about one pixel."""
SUBPIXELS = 16
"""A pixel is shared out among sectors by as many points along each axis: an even number, so that none lies on the
centre, which has no angle."""


def sector_weights(size_px: int, rings: int, angles: int) -> Tensor:
    """Return which part of each pixel lies in each sector.

    Parameters
    ----------
    size_px : int
        Side of the stamp; the centre is the middle of pixel ``size_px // 2``.
    rings, angles : int
        Number of rings, the outer radii of which grow geometrically from `INNER_RADIUS_PX` to half of the side, and
        of sectors in each of them.

    Returns
    -------
    Tensor (rings * angles, size_px, size_px)
        float32 from 0 to 1; angles run from +x towards +y. Pixels beyond the last ring are in none.
    """
    offset = (torch.arange(size_px * SUBPIXELS) + 0.5) / SUBPIXELS - 0.5 - size_px // 2
    y, x = offset[:, None], offset[None, :]
    radius, angle = torch.hypot(y, x), torch.atan2(y, x) / (2 * torch.pi)
    edges = torch.logspace(
        float(torch.log2(torch.tensor(INNER_RADIUS_PX))),
        float(torch.log2(torch.tensor(size_px / 2))),
        rings,
        base=2.0,
    )
    ring = torch.searchsorted(edges, radius.contiguous(), right=True)  # (y, x); `rings` is outside
    sector = torch.floor((angle + 0.5 / angles) * angles).long() % angles
    pixel = torch.arange(size_px).repeat_interleave(SUBPIXELS)
    place = (ring * angles + sector) * size_px**2 + pixel[:, None] * size_px + pixel[None, :]
    weights = torch.zeros((rings + 1) * angles * size_px**2)
    weights.index_add_(0, place.flatten(), torch.full((place.numel(),), 1 / SUBPIXELS**2))
    return weights.view(-1, size_px, size_px)[: rings * angles]


class Sectors(nn.Module):
    """Means of stamps over rings and sectors.

    Parameters
    ----------
    size_px : int
        Side of the stamps that the rings are laid out for.
    rings, angles : int
        As in :func:`sector_weights`; `angles` is even.
    window_px : int, optional
        Side of the stamps that are given, cut out of the middle; light outside of them counts as none.
    """

    def __init__(self, size_px: int, rings: int, angles: int, window_px: int | None = None) -> None:
        super().__init__()
        self.rings, self.angles = rings, angles
        weights = sector_weights(size_px, rings, angles)
        area = weights.sum(dim=(1, 2))
        first = (size_px // 2) - ((window_px or size_px) // 2)
        inner = slice(first, first + (window_px or size_px))
        # Not part of the weights' file: they follow from the numbers above.
        mean = weights[:, inner, inner] / area.clamp(min=1e-6)[:, None, None]
        self.register_buffer("weights", mean.flatten(1).T.contiguous(), persistent=False)  # (y * x, r * a)
        self.register_buffer("area", area.view(rings, angles), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Return the mean of images (b, y, x) in each sector: (b, rings, angles)."""
        return (image.flatten(1) @ self.weights).view(-1, self.rings, self.angles)

    def growth(self, means: Tensor) -> Tensor:
        """Return the light within each ring's outer edge, from means (b, rings, angles): (b, rings)."""
        return (means * self.area).sum(dim=2).cumsum(dim=1)

    def opposite(self, means: Tensor) -> Tensor:
        """Return the lower of each sector and the one opposite the centre."""
        return torch.minimum(means, means.roll(self.angles // 2, dims=2))
