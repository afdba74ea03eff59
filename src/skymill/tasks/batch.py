"""Blends as a task sees them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Stamps with their truth, in units of the local background rms.

    Parameters
    ----------
    image : Tensor (b, band, y, x)
        Noisy stamps; the galaxy to measure is at pixel ``size // 2``, give or take a pixel.
    flux : Tensor (b, g)
        True total flux of the galaxy at the centre and, where pairs are learned, of its companion; first band.
    condition : Tensor (b, 2)
        What is known of a stamp beside its pixels: :data:`skymill.models.inputs.CONDITIONS`.
    central, neighbours : Tensor (b, band, y, x)
        The galaxy at the centre and the sum of all others, without noise.
    mask_threshold : Tensor (b,)
        Light above this belongs to a mask.
    """

    image: Tensor
    flux: Tensor
    condition: Tensor
    central: Tensor
    neighbours: Tensor
    mask_threshold: Tensor

    def layers(self, size_px: int) -> tuple[Tensor, Tensor]:
        """Return the middle of the central galaxy's and of the neighbours' light: two of (b, size_px, size_px)."""
        return self.middle(self.central, size_px), self.middle(self.neighbours, size_px)

    @staticmethod
    def middle(images: Tensor, size_px: int) -> Tensor:
        """Return the middle of the first band of images (b, band, y, x): (b, size_px, size_px)."""
        size = images.shape[-1]
        start = size // 2 - size_px // 2
        middle = slice(start, start + size_px)
        return images[:, 0, middle, middle]

    def masks(self, size_px: int) -> Tensor:
        """Return masks of the central galaxy and of its neighbours for the middle: (b, 2, size_px, size_px)."""
        layers = torch.stack(self.layers(size_px), dim=1)
        return (layers > self.mask_threshold[:, None, None, None]).float()
