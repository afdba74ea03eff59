"""Degrade stamps on the device: a wider PSF, then more noise. Isolated galaxies → what a restorer learns from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skymill.config.restorer import DegradationConfig
from skymill.config.train import AugmentConfig
from skymill.data.survey import Survey
from skymill.models.degradation import added_sigma_px, blurred, reach_px
from skymill.rng import rng
from skymill.tasks.restore import Degraded
from skymill.training.galaxies import turned

EVEN = 8
"""Windows' sides are multiples of this: Fourier transforms are slow where they have large prime factors."""


class Ratios(NamedTuple):
    """How bad each of b images is, over the survey's own: width of the PSF and noise, ndarray (b,)."""

    psf: NDArray[np.float64]
    noise: NDArray[np.float64]


def window_px(input_px: int, psf_fwhm_px: float, widest: float) -> int:
    """Return the side (even) of the light that stamps are made of: nothing from beyond is missing, nothing wraps."""
    needed = input_px + 2 * reach_px(psf_fwhm_px, widest)
    return -(-needed // EVEN) * EVEN


def degrade(
    light: Tensor, ratios: Ratios, survey: Survey, input_px: int, generator: np.random.Generator
) -> Degraded:
    """Widen the PSF of light and add noise.

    The noise is that of an exposure of the degraded light that is `ratios.noise` times as noisy as the survey's: of the
    background and of the photons (gain).

    Parameters
    ----------
    light : Tensor (b, 1, w, w)
        Galaxies at pixel w // 2 with the survey's PSF and without noise, background rms; w from :func:`window_px`.
    ratios : Ratios
        How bad each becomes.
    survey : Survey
        Its PSF's width, background rms and gain.
    input_px : int
        Side of the stamps that are given, even.
    generator : numpy.random.Generator
        Draws the noise.
    """
    device = light.device
    psf, noise = (torch.from_numpy(values.astype(np.float32)).to(device) for values in ratios)
    wide = blurred(light[:, 0], added_sigma_px(survey.psf_fwhm_px, psf))[:, None]
    first = light.shape[-1] // 2 - input_px // 2
    box = slice(first, first + input_px)
    true, wide = light[..., box, box], wide[..., box, box]
    normal = torch.from_numpy(generator.standard_normal(wide.shape, dtype=np.float32)).to(device)
    # In the degraded image's own background rms, as on a shallower tile.
    unit = noise[:, None, None, None]
    photons = wide.clamp(min=0) / (survey.gain_e_per_unit * survey.background_rms)
    image = wide / unit + normal * torch.sqrt(1 + photons)
    return Degraded(image, true / unit, torch.stack([torch.log2(psf), torch.log2(noise)], dim=1))


class Degrade:
    """Turn and mirror galaxies, draw how bad their images are, and degrade them.

    Parameters
    ----------
    config : AugmentConfig
        Whether to turn and to mirror.
    degradation : DegradationConfig
        Ranges of the ratios.
    survey : Survey
        The survey whose images are restored.
    input_px : int
        Side of the stamps.
    seed : int
        The run's seed.
    """

    def __init__(
        self, config: AugmentConfig, degradation: DegradationConfig, survey: Survey, input_px: int, seed: int
    ) -> None:
        self.config, self.degradation, self.survey = config, degradation, survey
        self.input_px, self.seed = input_px, seed

    def __call__(self, windows: dict[str, Tensor], epoch: int, batch: int) -> Degraded:
        """Degrade what :class:`~skymill.training.galaxies.GalaxyData` gives; an epoch's batch is always the same."""
        generator = rng(self.seed, "restorer", "augment", epoch, batch)
        n = len(windows["image"])
        turns = generator.integers(4, size=n) * self.config.quarter_turns
        flips = generator.integers(2, size=n) * self.config.flip
        return self._degraded(turned(windows, turns, flips), generator)

    def as_they_are(self, windows: dict[str, Tensor], batch: int) -> Degraded:
        """Degrade stamps in their own position, for validation; always in the same way."""
        return self._degraded(windows, rng(self.seed, "restorer", "validation", batch))

    def _degraded(self, windows: dict[str, Tensor], generator: np.random.Generator) -> Degraded:
        light = windows["image"][..., :-1, :-1]
        psf = generator.uniform(*self.degradation.psf_fwhm_ratio, size=len(light))
        noise = np.exp(generator.uniform(*np.log(self.degradation.noise_ratio), size=len(light)))
        return degrade(light, Ratios(psf, noise), self.survey, self.input_px, generator)
