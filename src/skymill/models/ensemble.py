"""An ensemble: networks that differ in their seed or their form, averaged."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skymill.models.inputs import StampInputs
from skymill.models.outputs import Outputs


class Ensemble(nn.Module):
    """Mean of what several networks give; masks, shares and images are the mean of those that give any.

    Averaging takes out what each has learned by chance; the spread that is left is calibrated like that of a single
    network.

    Parameters
    ----------
    members : sequence of torch.nn.Module
        Networks that give the same numbers.
    """

    def __init__(self, members: list[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, inputs: StampInputs) -> Outputs:
        """Give the means of numbers, of masks' logits, of shares and of images."""
        given = [member(inputs) for member in self.members]
        return Outputs(*(_mean(parts) for parts in zip(*given, strict=True)))


def _mean(parts: tuple[Tensor | None, ...]) -> Tensor | None:
    given = [part for part in parts if part is not None]
    return torch.stack(given).mean(dim=0) if given else None
