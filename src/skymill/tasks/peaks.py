"""Peaks of maps of centres."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional

from skymill.models.outputs import Maps

NEIGHBOURHOOD_PX = 3


class Peaks(NamedTuple):
    """Peaks of a batch of maps.

    Parameters
    ----------
    owner : Tensor (k,), int64
        Image that each is on.
    y, x : Tensor (k,)
        Position, 0-based px, offsets added.
    logit : Tensor (k,)
        The map's value.
    """

    owner: Tensor
    y: Tensor
    x: Tensor
    logit: Tensor


def find_peaks(maps: Maps, least_logit: float) -> Peaks:
    """Find the pixels that are no less than their eight neighbours and at least `least_logit`.

    Offsets longer than a pixel along an axis, which nothing was trained for, are cut there.
    """
    highest = functional.max_pool2d(
        maps.centre[:, None], NEIGHBOURHOOD_PX, stride=1, padding=NEIGHBOURHOOD_PX // 2
    )[:, 0]
    owner, row, column = ((maps.centre == highest) & (maps.centre >= least_logit)).nonzero(as_tuple=True)
    dy, dx = maps.offset[owner, :, row, column].clamp(-1.0, 1.0).unbind(dim=1)
    return Peaks(owner, row + dy, column + dx, maps.centre[owner, row, column])
