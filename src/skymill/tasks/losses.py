"""Losses of fluxes and of masks, by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from skymill.registry import Registry

EMPTY_RMS = 0.5
"""Light of a pixel, background rms, at which half of its share counts as nobody's."""
LEAST_SCALE = 0.002
"""Least width of the error distribution: 0.2 % of the flux. It bounds the weight of single bright galaxies."""

FLUX_LOSSES: Registry[Callable[[Tensor, Tensor, Tensor], Tensor]] = Registry("flux loss")
"""Each entry is called with the predicted ln F, its scale and the true ln F, all (b, g); it gives (b, g)."""

MASK_LOSSES: Registry[Callable[[Tensor, Tensor], Tensor]] = Registry("mask loss")
"""Each entry is called with logits and true masks, both (b, m, y, x); it gives a scalar."""


def scale_of(raw: Tensor) -> Tensor:
    """Turn a raw output into the scale of a Laplace distribution of ln F: ``LEAST_SCALE + exp(raw - 2)``."""
    # The shift by 2 starts an untrained network, whose raw output is 0, near a relative error of 15 %.
    return LEAST_SCALE + torch.exp(raw.clamp(max=6.0) - 2.0)


@FLUX_LOSSES.register("laplace")
def laplace(predicted: Tensor, scale: Tensor, true: Tensor) -> Tensor:
    """Negative log likelihood of a Laplace distribution of ln F; its location is the median of the flux."""
    return (predicted - true).abs() / scale + torch.log(2 * scale)


@FLUX_LOSSES.register("log_l1")
def log_l1(predicted: Tensor, scale: Tensor, true: Tensor) -> Tensor:
    """|Δ ln F|: all galaxies weigh the same; the scale is learned beside it and does not act on the location."""
    return (predicted - true).abs() + _scale_only(predicted, scale, true)


@FLUX_LOSSES.register("mape")
def mape(predicted: Tensor, scale: Tensor, true: Tensor) -> Tensor:
    """|ΔF| / F as in Boucaud et al. (2020, MNRAS 491, 2481); it favours fluxes that are too low."""
    # Beyond a factor e**3 the exponential would throw the network off; there the slope is kept constant.
    ratio = (
        torch.exp((predicted - true).clamp(max=3.0)) + (predicted - true - 3.0).clamp(min=0.0) * torch.e**3
    )
    return (ratio - 1).abs() + _scale_only(predicted, scale, true)


def _scale_only(predicted: Tensor, scale: Tensor, true: Tensor) -> Tensor:
    """Likelihood that trains the scale only: a small share, so that it does not rule the shared layers."""
    return 0.05 * laplace(predicted.detach(), scale, true)


@MASK_LOSSES.register("bce")
def bce(logits: Tensor, masks: Tensor) -> Tensor:
    """Binary cross-entropy for each pixel of each mask."""
    return functional.binary_cross_entropy_with_logits(logits, masks)


@MASK_LOSSES.register("dice")
def dice(logits: Tensor, masks: Tensor) -> Tensor:
    """One minus the soft Dice coefficient of each mask (Milletari et al. 2016), one pixel added for empty ones."""
    chance = logits.sigmoid()
    shared = (chance * masks).sum(dim=(2, 3))  # (b, m)
    total = chance.sum(dim=(2, 3)) + masks.sum(dim=(2, 3))  # (b, m)
    return (1 - (2 * shared + 1) / (total + 1)).mean()


@MASK_LOSSES.register("bce_dice")
def bce_dice(logits: Tensor, masks: Tensor) -> Tensor:
    """Sum of cross-entropy and Dice loss."""
    return bce(logits, masks) + dice(logits, masks)


def misplaced_light(share: Tensor, central: Tensor, neighbours: Tensor) -> Tensor:
    """Return which part of a stamp's light the share gives to the wrong galaxy.

    Parameters
    ----------
    share : Tensor (b, y, x)
        Share of each pixel's light that is said to be the central galaxy's.
    central, neighbours : Tensor (b, y, x)
        Their light without noise, background rms.

    Returns
    -------
    Tensor (b,)
        Mean of |share - truth| with the light as weight; where there is hardly any light (:data:`EMPTY_RMS`), the
        true share goes to 0, so that sums over the deblended image do not gather noise.
    """
    light = (central + neighbours).clamp(min=0.0)
    true = central.clamp(min=0.0) / (light + EMPTY_RMS)
    weight = light + 2 * EMPTY_RMS
    return ((share - true).abs() * weight).sum(dim=(1, 2)) / weight.sum(dim=(1, 2))
