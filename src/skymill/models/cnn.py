"""A plain convolutional network: stamps in, numbers out.

Eight 3×3 convolutions in four stages that halve the side, then a dense head that still sees where things are: the
galaxy to measure is the one at the centre, so the last map is flattened and not averaged.
"""

from __future__ import annotations

from itertools import pairwise
from math import gcd

from torch import Tensor, nn

from skymill.config.train import CnnConfig
from skymill.models.outputs import Outputs
from skymill.models.registry import MODELS

GROUPS = 8
"""Groups of channels that are normalised together; fewer where the width is not a multiple."""


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Return a 3×3 convolution with group normalisation and SiLU; `stride` 2 halves the side.

    Groups and not batches are normalised: a stamp's result does not depend on the stamps beside it, neither in training
    nor later.
    """
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False),
        nn.GroupNorm(gcd(GROUPS, outputs), outputs),
        nn.SiLU(inplace=True),
    )


def stage(inputs: int, outputs: int, depth: int) -> nn.Sequential:
    """Return `depth` convolutions, the first of which halves the side."""
    rest = [convolution(outputs, outputs) for _ in range(depth - 1)]
    return nn.Sequential(convolution(inputs, outputs, stride=2), *rest)


@MODELS.register("cnn")
class Cnn(nn.Module):
    """Stack of convolutions with a dense head.

    Parameters
    ----------
    config : CnnConfig
        Widths and depth.
    channels : int
        Channels of the input.
    values : int
        Numbers to give for each stamp.
    input_px : int
        Side of the stamps, a multiple of ``2 ** len(config.widths)``.
    """

    def __init__(self, config: CnnConfig, channels: int, values: int, input_px: int) -> None:
        super().__init__()
        widths = (channels, *config.widths)
        self.stages = nn.Sequential(*(stage(a, b, config.depth) for a, b in pairwise(widths)))
        last_px = input_px // config.stride
        self.dense = nn.Sequential(
            nn.Flatten(), nn.Linear(widths[-1] * last_px**2, config.dense), nn.SiLU(inplace=True)
        )
        self.head = nn.Linear(config.dense, values)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, stamps: Tensor) -> Outputs:
        """Give numbers for stamps (b, c, y, x); before training all are zero."""
        features = self.stages(stamps)  # (b, widths[-1], y / stride, x / stride)
        return Outputs(self.head(self.dense(features)))  # (b, v)
