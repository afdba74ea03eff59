"""How unlike an isolated galaxy a stamp is: the misfit of its reconstruction, in terms of what is usual."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from skymill.errors import TrainingError
from skymill.models.vae import GalaxyNetwork, Seen
from skymill.training.generator_card import Ordinary

if TYPE_CHECKING:
    from numpy.typing import NDArray

APERTURE = 3.0
"""Radius within which the misfit counts, in units of the seen half-light radius."""
LEAST_APERTURE_PX = 6.0
WINDOW = 7.0
"""Radius of what the network is shown, in the same unit; at 5, three times as many isolated galaxies score above 2."""
LEAST_WINDOW_PX = 8.0
PSF_PX = 1.5
BINS = 8
QUANTILES = 200
TAIL = 0.95
"""Beyond this quantile the distribution of misfits is taken to fall off exponentially."""
FEWEST = 20
MOST_SCORE = 30.0


@torch.inference_mode()
def misfits(
    network: GalaxyNetwork,
    image: Tensor,
    noise: Tensor,
    electrons: Tensor,
    relative_error: float,
    seen_re_px: Tensor | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return log10 of the signal to noise and the log of the reduced chi² of stamps, (b,) each.

    Flux, size, place and form are what the encoder sees in the pixels; the flux is then fitted (least squares).

    Parameters
    ----------
    network : GalaxyNetwork
        In evaluation mode.
    image : Tensor (b, 1, y, x)
        Stamps in the survey's background rms.
    noise : Tensor (b,)
        Noise of blank sky in that unit.
    electrons : Tensor (b,)
        Electrons of one background rms.
    relative_error : float
        Part of a pixel's light that counts as noise.
    seen_re_px : Tensor (b,), optional
        Half-light radii of the sources with the PSF, where somebody else has measured them: the network is not shown
        light farther away than seven of them, and of the residuals those within three count.
    """
    looked_at = image if seen_re_px is None else image * window(image.shape[-1], seen_re_px)
    guess = network.guesser(looked_at, noise)
    flux, re_px = torch.exp(guess.log_flux), torch.exp(guess.log_re_px).clamp(0.1, image.shape[-1] / 2)
    offset = guess.offset.clamp(-2, 2)
    look = network.recognised(Seen(looked_at, noise, flux, re_px, offset))
    model = network.decode(look, flux, re_px, offset, image.shape[-1])
    positive = model.clamp(min=0)
    variance = (1 + positive / electrons[:, None, None, None]) * noise[:, None, None, None] ** 2 + (
        relative_error * positive
    ) ** 2
    aperture = within(image.shape[-1], re_px, offset, seen_re_px)[:, None]
    total = (aperture * model**2 / variance).sum(dim=(1, 2, 3)).clamp(min=1e-12)
    scale = (aperture * model * image / variance).sum(dim=(1, 2, 3)) / total
    residual = image - scale.clamp(min=0)[:, None, None, None] * model
    reduced = (aperture * residual**2 / variance).sum(dim=(1, 2, 3)) / aperture.sum(dim=(1, 2, 3))
    log_snr = 0.5 * torch.log10(total * scale.clamp(min=1e-3) ** 2)
    return log_snr.double().cpu().numpy(), torch.log(reduced).double().cpu().numpy()


def window(size: int, seen_re_px: Tensor) -> Tensor:
    """Return which pixels are shown, (b, 1, y, x): the network knows single galaxies, and takes two for a large one."""
    radius = (WINDOW * seen_re_px).clamp(LEAST_WINDOW_PX)
    axis = torch.arange(size, device=seen_re_px.device) - size // 2
    return (torch.hypot(axis[:, None].float(), axis[None, :].float()) <= radius[:, None, None])[
        :, None
    ].float()


def within(size: int, re_px: Tensor, offset: Tensor, seen_re_px: Tensor | None = None) -> Tensor:
    """Return which pixels' residuals count, (b, y, x): those of a circle around the galaxy."""
    seen = torch.sqrt(re_px**2 + PSF_PX**2)
    if seen_re_px is not None:
        seen = torch.minimum(seen, seen_re_px)
    radius = (APERTURE * seen).clamp(LEAST_APERTURE_PX, size / 2)
    axis = torch.arange(size, device=re_px.device) - size // 2
    dx, dy = axis - offset[:, :1], axis - offset[:, 1:]
    return (torch.hypot(dx[:, None, :], dy[:, :, None]) <= radius[:, None, None]).float()


def fit_ordinary(log_snr: NDArray, log_misfit: NDArray) -> Ordinary:
    """Measure what is usual for isolated galaxies: median and scatter by signal to noise, and the form around them.

    Raises
    ------
    TrainingError
        If there are fewer than 20 galaxies.
    """
    if len(log_snr) < FEWEST:
        raise TrainingError(
            "what is usual for isolated galaxies",
            expected=f"at least {FEWEST} galaxies of the validation side",
            found=f"{len(log_snr)}",
            remedy="Raise n_galaxies of the population, or split.validation.",
        )
    groups = np.array_split(np.argsort(log_snr, kind="stable"), min(BINS, len(log_snr) // 10))
    low, middle, high = np.array([np.quantile(log_misfit[rows], (0.16, 0.5, 0.84)) for rows in groups]).T
    places, spread = np.array([log_snr[rows].mean() for rows in groups]), np.maximum((high - low) / 2, 1e-3)
    relative = (log_misfit - np.interp(log_snr, places, middle)) / np.interp(log_snr, places, spread)
    edge = np.quantile(relative, TAIL)
    return Ordinary(
        log_snr=tuple(places.tolist()),
        middle=tuple(middle.tolist()),
        spread=tuple(spread.tolist()),
        quantiles=tuple(np.quantile(relative, np.arange(QUANTILES) / QUANTILES).tolist()),
        tail=float((relative[relative > edge] - edge).mean()),
        n=len(log_snr),
    )


def anomaly_score(log_snr: NDArray, log_misfit: NDArray, ordinary: Ordinary) -> NDArray[np.float64]:
    """Return -log10 of the fraction of isolated galaxies of that signal to noise whose misfit is as large.

    0 for the best fit, 0.3 for the median, 1 for one galaxy in ten, 2 for one in a hundred; beyond one in twenty it
    goes by an exponential tail, up to 30.
    """
    middle = np.interp(log_snr, ordinary.log_snr, ordinary.middle)
    relative = (log_misfit - middle) / np.interp(log_snr, ordinary.log_snr, ordinary.spread)
    below = np.interp(relative, ordinary.quantiles, np.arange(QUANTILES) / QUANTILES)
    edge = np.interp(TAIL, np.arange(QUANTILES) / QUANTILES, ordinary.quantiles)
    tail = -np.log10(1 - TAIL) + (relative - edge) / ordinary.tail * np.log10(np.e)
    bulk = -np.log10(1 - np.minimum(below, TAIL))
    return np.minimum(np.where(relative > edge, tail, bulk), MOST_SCORE)
