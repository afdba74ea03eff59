"""Where a source is seen: a galaxy that shares its peak of light with a neighbour is found on the peak.

A network that measures is told where to look by what finds sources, and neither knows that a peak holds two galaxies.
Trained on true centres alone it takes a galaxy that lies off its stamp's middle for a neighbour of the one it is asked
for; on an unrecognised blend that one does not exist.
"""

from __future__ import annotations

from math import ceil

import torch
from kornia.filters import gaussian_blur2d
from torch import Tensor
from torch.nn import functional

SMOOTHING_REACH_SIGMA = 3
LEAST_SHARE = 0.1
"""Neighbours' share of the light on a galaxy's centre from which on it may be seen elsewhere; a galaxy alone is found
on its centre whatever its brightest knot."""


def peak_offset(light: Tensor, psf_sigma_px: float, reach_px: int) -> Tensor:
    """Return how far from the middle pixel the peak is on which the galaxy there is seen.

    The peak is that of the light smoothed as a matched filter does, by the PSF; it is climbed to from the galaxy's
    centre, one pixel at a time. It is the galaxy's if at least half of the light on it is; a galaxy that is outshone
    there is not seen at all, and stays where it is.

    Parameters
    ----------
    light : Tensor (b, 2, w, w)
        The galaxy and its neighbours, without noise; w odd and more than twice `reach_px`.
    psf_sigma_px : float
        Standard deviation of a Gaussian as wide as the PSF, px.
    reach_px : int
        Most steps.

    Returns
    -------
    Tensor (b, 2), int64
        Offset in y and x, px.
    """
    half = ceil(SMOOTHING_REACH_SIGMA * psf_sigma_px)
    middle, side = light.shape[-1] // 2, reach_px + 1 + half
    near = light[..., max(middle - side, 0) : middle + side + 1, max(middle - side, 0) : middle + side + 1]
    smooth = gaussian_blur2d(near, 2 * half + 1, (psf_sigma_px, psf_sigma_px), border_type="constant")
    total = smooth.sum(dim=1)  # (b, y, x)
    place = torch.full((len(light), 2), near.shape[-1] // 2, device=light.device)
    start, own = place, smooth[:, 0]
    # The nine pixels around each, as nine layers: climbing is a look-up.
    around = functional.unfold(functional.pad(total[:, None], (1, 1, 1, 1)), 3).unflatten(-1, total.shape[1:])
    best = around.argmax(dim=1)  # (b, y, x)
    rows = torch.arange(len(light), device=light.device)
    for _ in range(reach_px):
        step = best[rows, place[:, 0], place[:, 1]]
        place = place + torch.stack([step // 3 - 1, step % 3 - 1], dim=1)

    def share(where: Tensor) -> Tensor:
        """Return the galaxy's share of the light at (b, 2) places."""
        index = (rows, where[:, 0], where[:, 1])
        return own[index] / total[index].clamp(min=torch.finfo(total.dtype).tiny)

    is_seen_there = (share(place) >= 0.5) & (share(start) <= 1 - LEAST_SHARE)
    return (place - start) * is_seen_there[:, None]
