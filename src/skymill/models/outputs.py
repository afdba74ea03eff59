"""What every network gives."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Outputs(NamedTuple):
    """Result of a network for a batch of stamps.

    Parameters
    ----------
    values : Tensor (b, v)
        Numbers that the task asks for.
    masks : Tensor (b, 2, y, x) or None
        Logits of the masks of the central galaxy and of its neighbours, for the middle of the stamps; None for
        networks without masks.
    share : Tensor (b, y, x) or None
        Share of each pixel's light that is the central galaxy's, 0 to 1, for the same pixels; None for networks that do
        not share the light out.
    layers : Tensor (b, 2, y, x) or None
        Images of the central galaxy (the deblended one) and of its neighbours for the same pixels, background rms;
        None for networks without images. Of networks that draw pictures: levels 0 to 255.
    """

    values: Tensor
    masks: Tensor | None = None
    share: Tensor | None = None
    layers: Tensor | None = None


class Maps(NamedTuple):
    """Result of a network that finds sources, for each pixel of a batch of images.

    Parameters
    ----------
    centre : Tensor (b, y, x)
        Logit of the chance that a source's centre is in the pixel.
    offset : Tensor (b, 2, y, x)
        y and x of that centre from the pixel's own, px.
    segment : Tensor (b, y, x)
        Logit of the chance that a source's light is above the limit of segments.
    """

    centre: Tensor
    offset: Tensor
    segment: Tensor
