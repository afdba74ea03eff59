"""The branched network with another last activation: it draws pictures of 8 bits, as that of Reiman & Göhre does.

A blend is the brighter of two pictures, so a pixel of it is one of theirs as it is: beside what it draws, each branch
says for each pixel how much it trusts the blend's own.
"""

from __future__ import annotations

import torch
from torch import Tensor

from skymill.config.network import BranchedPicturesConfig
from skymill.models.branched import Trunk
from skymill.models.inputs import StampInputs
from skymill.models.outputs import Outputs
from skymill.models.registry import MODELS

WHITE = 255.0
"""Highest level of a picture."""
DARKEST = -3.0
"""Logit of the drawn level, over the highest one, before training: that of blank sky, about."""


@MODELS.register("branched_pictures")
class BranchedPictures(Trunk):
    """Residual root and two branches over the whole picture; it gives no numbers.

    Parameters
    ----------
    config : BranchedPicturesConfig
        Widths and blocks.
    values, input_px : int
        As for any network; the first is 0, as nothing is measured.
    """

    def __init__(self, config: BranchedPicturesConfig, values: int, input_px: int) -> None:
        super().__init__(config)

    def forward(self, inputs: StampInputs) -> Outputs:
        """Draw both galaxies of pictures of blends, levels 0 to 255, not rounded."""
        layers = [drawn_picture(maps, inputs.image) for maps in self.maps(inputs)]
        return Outputs(inputs.image.new_zeros(len(inputs.image), 0), layers=torch.stack(layers, dim=1))


def drawn_picture(maps: Tensor, blend: Tensor) -> Tensor:
    """Turn maps (b, 2, y, x) and the blend's picture (b, y, x) into a picture (b, y, x): the mean of both, by trust."""
    drawn = WHITE * torch.sigmoid(maps[:, 0] + DARKEST)
    return torch.lerp(drawn, blend, torch.sigmoid(maps[:, 1]))
