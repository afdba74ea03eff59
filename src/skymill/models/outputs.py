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
        Logits of the masks of the central galaxy and of its neighbours, at the input's size; None for networks
        without masks.
    """

    values: Tensor
    masks: Tensor | None = None
