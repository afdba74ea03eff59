"""Peaks of maps of centres."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from skymill.models.outputs import Maps

AROUND = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]
"""Steps to the eight neighbours of a pixel."""


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
    owner, row, column = (maps.centre >= least_logit).nonzero(as_tuple=True)
    value = maps.centre[owner, row, column]
    # Few pixels come that far: looking around each of them costs far less than a maximum over all pixels.
    last_row, last_column = maps.centre.shape[1] - 1, maps.centre.shape[2] - 1
    is_peak = torch.ones_like(value, dtype=torch.bool)
    for dy, dx in AROUND:
        beside = maps.centre[owner, (row + dy).clamp(0, last_row), (column + dx).clamp(0, last_column)]
        is_peak &= value >= beside
    owner, row, column = owner[is_peak], row[is_peak], column[is_peak]
    dy, dx = maps.offset[owner, :, row, column].clamp(-1.0, 1.0).unbind(dim=1)
    return Peaks(owner, row + dy, column + dx, maps.centre[owner, row, column])
