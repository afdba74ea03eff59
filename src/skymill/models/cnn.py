"""A convolutional network: stamps in, numbers out.

It sees a stamp in rings and sectors around its centre (:mod:`skymill.models.sectors`), where the galaxy to measure is.
"""

from __future__ import annotations

from torch import nn

from skymill.config.network import CnnConfig
from skymill.models.inputs import StampInputs
from skymill.models.outputs import Outputs
from skymill.models.polar import PolarHead
from skymill.models.registry import MODELS


@MODELS.register("cnn")
class Cnn(nn.Module):
    """Convolutions over rings and angles with a dense head.

    Parameters
    ----------
    config : CnnConfig
        Rings, angles, widths and depth.
    values : int
        Numbers to give for each stamp.
    input_px : int
        Side of the stamps.
    """

    def __init__(self, config: CnnConfig, values: int, input_px: int) -> None:
        super().__init__()
        self.polar = PolarHead(config, values, input_px)

    @property
    def stages(self) -> list[nn.Module]:
        """The parts in the order in which they see a stamp; a transfer freezes the first of them."""
        return self.polar.stages

    def forward(self, inputs: StampInputs) -> Outputs:
        """Give numbers for stamps; before training all are zero."""
        return Outputs(self.polar(inputs))
