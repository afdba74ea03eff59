"""Centres of objects as maps, and the loss of such maps: CenterNet (Zhou, Wang & Krähenbühl 2019, arXiv:1904.07850).

Written from the paper's equations; its section 3.
"""

from __future__ import annotations

from math import ceil

import torch
from torch import Tensor
from torch.nn import functional

from skymill.tasks.patches import Patches

ALPHA, BETA = 2, 4
"""Exponents of the focal loss: the paper's."""
REACH_SIGMA = 3.0


def centre_target(patches: Patches, sigma_px: Tensor) -> Tensor:
    """Splat each object as a Gaussian of its own width (k,) onto a map (b, y, x).

    Of overlapping ones the higher value counts. The pixel that holds an object's centre has the value 1. The others
    have ``exp(-d**2 / (2 sigma**2))``, with d the distance to the centre itself, not to that pixel's.
    """
    b, height, width = patches.segment.shape
    reach = ceil(REACH_SIGMA * float(sigma_px.max())) if len(sigma_px) else 0
    step = torch.arange(-reach, reach + 1, device=patches.image.device)
    row, column = patches.y.round().long(), patches.x.round().long()  # (k,)
    rows, columns = row[:, None, None] + step[:, None], column[:, None, None] + step  # (k, s, 1), (k, 1, s)
    squared = (rows - patches.y[:, None, None]) ** 2 + (columns - patches.x[:, None, None]) ** 2  # (k, s, s)
    value = torch.exp(-squared / (2 * sigma_px[:, None, None] ** 2))
    value[:, reach, reach] = 1.0
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    place = (patches.owner[:, None, None] * height + rows) * width + columns
    target = torch.zeros(b * height * width, device=value.device)
    return target.scatter_reduce(0, place[inside], value[inside], "amax").reshape(b, height, width)


def focal_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Penalty-reduced focal loss, the paper's equation 1.

    With p the chance that `logits` say and Y the target: ``-1/N Σ (1 - p)**2 ln p`` where Y = 1, and
    ``-1/N Σ (1 - Y)**4 p**2 ln(1 - p)`` elsewhere. N is the number of pixels with Y = 1, at least 1.

    Parameters
    ----------
    logits, target : Tensor (b, y, x)
        Any real number; from 0 to 1.
    """
    chance = logits.sigmoid()
    is_centre = target == 1
    found = (1 - chance) ** ALPHA * functional.logsigmoid(logits)
    empty = (1 - target) ** BETA * chance**ALPHA * functional.logsigmoid(-logits)
    return -torch.where(is_centre, found, empty).sum() / is_centre.sum().clamp(min=1)


def offset_loss(offset: Tensor, patches: Patches) -> Tensor:
    """Mean of |Δ| of the offsets (b, 2, y, x) in the 3×3 pixels around each object, px.

    The paper trains the one pixel that holds the centre; here a peak may be beside it, because noise moves it.
    """
    _, _, height, width = offset.shape
    step = torch.arange(-1, 2, device=offset.device)
    rows = patches.y.round().long()[:, None, None] + step[:, None]  # (k, 3, 1)
    columns = patches.x.round().long()[:, None, None] + step  # (k, 1, 3)
    rows, columns = rows.clamp(0, height - 1).expand(-1, 3, 3), columns.clamp(0, width - 1).expand(-1, 3, 3)
    given = offset[patches.owner[:, None, None], :, rows, columns]  # (k, 3, 3, 2)
    wanted = torch.stack([patches.y[:, None, None] - rows, patches.x[:, None, None] - columns], dim=-1)
    # A sum over nothing is 0, a mean would not be a number.
    return (given - wanted).abs().sum() / max(given.numel(), 1)
