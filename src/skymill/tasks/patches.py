"""Patches of sky as a detection task sees them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Patches:
    """Images with the objects on them, in units of the background rms.

    Parameters
    ----------
    image : Tensor (b, band, y, x)
        Noisy images.
    segment : Tensor (b, y, x)
        1 where a source's light is above the limit of segments, else 0; float.
    owner : Tensor (k,), int64
        Image that each object is on.
    y, x : Tensor (k,)
        Its centre, 0-based px, inside the image; float.
    snr : Tensor (k,)
        Its signal to noise.
    brighter : Tensor (k,)
        Distance to the nearest brighter source, px; NaN where there is none.
    width : Tensor (k,)
        Standard deviation of its light, as of a Gaussian, px.
    """

    image: Tensor
    segment: Tensor
    owner: Tensor
    y: Tensor
    x: Tensor
    snr: Tensor
    brighter: Tensor
    width: Tensor
