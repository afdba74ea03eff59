"""What every network is given."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from skymill.models.compress import asinh

CONDITIONS = ("psf", "noise")
"""What is known of a stamp beside its pixels: log2 of the PSF's width and of the background rms, each over the
survey's. Zero is what the survey describes."""


class StampInputs(NamedTuple):
    """A batch of stamps, the galaxy to measure at pixel ``size // 2``.

    Parameters
    ----------
    image : Tensor (b, y, x)
        Background rms.
    brightness : Tensor (b,)
        Mean surface brightness of the light around the centre, background rms: the scale of the galaxy's light.
    condition : Tensor (b, 2)
        :data:`CONDITIONS`.
    """

    image: Tensor
    brightness: Tensor
    condition: Tensor


def mirrored(stamps: Tensor) -> Tensor:
    """Turn stamps (b, y, x) by 180 degrees about pixel ``size // 2``; in even sizes the first row and column wrap."""
    size_y, size_x = stamps.shape[-2:]
    return stamps.flip(1, 2).roll((1 - size_y % 2, 1 - size_x % 2), dims=(1, 2))


def pixel_channels(inputs: StampInputs) -> Tensor:
    """Compress stamps into channels for convolutions over pixels.

    Parameters
    ----------
    inputs : StampInputs
        The stamps.

    Returns
    -------
    Tensor (b, 6, y, x)
        asinh of the image in units of 1, 10 and 100 rms (noise shows in the first, cores of bright galaxies in the
        last) and of a tenth of the galaxy's own brightness (the same for a galaxy of any flux); then the first and the
        last again for the lower of each pixel and the one opposite the centre. What is left there of a neighbour is
        only what has light opposite: the idea behind the templates of the SDSS deblender (Lupton et al. 2001, ASP
        Conf. 238, 269).
    """
    image, own = inputs.image, 0.1 * inputs.brightness[:, None, None]
    lower = torch.minimum(image, mirrored(image))
    parts = [image, image / 10, image / 100, image / own, lower, lower / own]
    return asinh(torch.stack(parts, dim=1)).contiguous(memory_format=torch.channels_last)
