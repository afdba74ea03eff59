"""The evidence lower bound of galaxies with the noise of each pixel, and a guess of flux, size and place."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from skymill.models.vae import VaeOutputs
from skymill.training.galaxies import GalaxyBatch

GUESS_SCALE = (0.1, 0.1, 0.1)
"""Errors of ln flux, ln half-light radius and offsets (px) that weigh as much as one unit of the bound."""


class VaeTask:
    """The loss of a VAE of galaxies.

    Parameters
    ----------
    kl_weight : float
        Weight of the divergence of the latent distribution from a standard normal one.
    """

    def __init__(self, kl_weight: float) -> None:
        self.kl_weight = kl_weight

    def loss(self, outputs: VaeOutputs, batch: GalaxyBatch) -> Tensor:
        """Return the mean over the batch of chi² / 2 + divergence + the guess's error, natural units a stamp.

        The logarithm of the variance is left out: it is known, and nothing that is learned changes it.
        """
        misfit = 0.5 * chi2(outputs.model, batch)
        return (misfit + self.kl_weight * divergence(outputs) + guess_error(outputs, batch)).mean()

    def metrics(self) -> VaeMetrics:
        """Return the figures of a validation."""
        return VaeMetrics()


def chi2(model: Tensor, batch: GalaxyBatch) -> Tensor:
    """Return the sum over pixels of the squared residual in units of the known noise, (b,)."""
    return ((batch.image - model) ** 2 / batch.variance).sum(dim=(1, 2, 3))


def divergence(outputs: VaeOutputs) -> Tensor:
    """Return the Kullback–Leibler divergence of the latent distribution from a standard normal one, (b,)."""
    mean, log_variance = outputs.mean, outputs.log_variance
    return 0.5 * (mean**2 + torch.exp(log_variance) - 1 - log_variance).sum(dim=1)


def guess_error(outputs: VaeOutputs, batch: GalaxyBatch) -> Tensor:
    """Return the Huber loss of what is guessed from the pixels alone, (b,)."""
    guess, seen = outputs.guess, batch.seen
    pairs = (
        (guess.log_flux, torch.log(seen.flux)),
        (guess.log_re_px, torch.log(seen.re_px)),
        (guess.offset, seen.offset),
    )
    errors = [
        functional.huber_loss(found / scale, true / scale, reduction="none")
        for (found, true), scale in zip(pairs, GUESS_SCALE, strict=True)
    ]
    return errors[0] + errors[1] + errors[2].sum(dim=1)


class VaeMetrics:
    """Figures over a validation set: ``reduced_chi2``, the ``divergence`` and median errors of the guesses."""

    def __init__(self) -> None:
        self.parts: list[Tensor] = []

    def update(self, outputs: VaeOutputs, batch: GalaxyBatch) -> None:
        """Add a batch."""
        guess, seen = outputs.guess, batch.seen
        columns = (
            chi2(outputs.model, batch) / batch.image[0].numel(),
            divergence(outputs),
            (torch.exp(guess.log_flux) / seen.flux - 1).abs(),
            (torch.exp(guess.log_re_px) / seen.re_px - 1).abs(),
        )
        self.parts.append(torch.stack(columns, dim=1).detach().double().cpu())

    def compute(self) -> dict[str, float]:
        """Return the figures of all batches since the last reset."""
        rows = torch.cat(self.parts)
        return {
            "reduced_chi2": float(rows[:, 0].mean()),
            "divergence": float(rows[:, 1].mean()),
            "guessed_flux_error": float(rows[:, 2].median()),
            "guessed_size_error": float(rows[:, 3].median()),
        }

    def reset(self) -> None:
        """Start anew."""
        self.parts.clear()
