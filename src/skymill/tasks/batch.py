"""Blends as a task sees them."""

from __future__ import annotations

from dataclasses import dataclass

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
    masks : Tensor (b, 2, y, x) or None
        1 where the central galaxy (first) or a neighbour (second) is brighter than the blends' mask threshold, else 0.
    """

    image: Tensor
    flux: Tensor
    masks: Tensor | None = None
