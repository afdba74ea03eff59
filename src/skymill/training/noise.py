"""Noise of blends to train on, drawn on the device for whole batches: the same distributions as blend's."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skymill.blend.sky import find_blank_sky
from skymill.config.blend import GaussianNoise, NoiseConfig, NoNoise, PoissonNoise, RealNoise
from skymill.data.survey import Survey
from skymill.data.tile import Tile
from skymill.errors import ConfigError
from skymill.registry import Registry
from skymill.training.share import Stream

MOST_PATCHES = 20_000
"""Patches of blank sky kept in memory, spread evenly over the tile: 20 MB at 16 px."""

BatchNoise = Callable[[Tensor, Stream], Tensor]
"""Called with light (b, band, y, x) in background rms and a stream of its device; it returns noisy images."""

BATCH_NOISES: Registry[Callable[[Any, Survey, Tile | None], BatchNoise]] = Registry("kind of noise")
"""Noise by the `kind` of its configuration, made from (config, survey, tile that sky is cut from)."""


@BATCH_NOISES.register("none")
def noiseless(config: NoNoise, survey: Survey, tile: Tile | None) -> BatchNoise:
    """Return what leaves light as it is."""
    return lambda light, stream: light


@BATCH_NOISES.register("gaussian")
def gaussian(config: GaussianNoise, survey: Survey, tile: Tile | None) -> BatchNoise:
    """Return white noise of the background rms, the same under bright light."""
    return lambda light, stream: light + stream.normal(light.shape)


@BATCH_NOISES.register("poisson")
def poisson(config: PoissonNoise, survey: Survey, tile: Tile | None) -> BatchNoise:
    """Return noise of variance 1 + light / electrons, `electrons` being those of one background rms.

    It is normal and not Poisson: with 20 electrons to one rms a pixel of blank sky holds 400, and the skewness of so
    many is 0.05. Drawing Poisson numbers would take as long as the network itself.
    """
    electrons = survey.gain_e_per_unit * survey.background_rms
    return lambda light, stream: (
        light + stream.normal(light.shape) * torch.sqrt(1 + light.clamp(min=0.0) / electrons)
    )


@BATCH_NOISES.register("real")
class RealSky:
    """Patches of blank sky beside each other, and the noise of the light's own electrons (normal, as above)."""

    def __init__(self, config: RealNoise, survey: Survey, tile: Tile | None) -> None:
        if tile is None:
            raise ConfigError("blend.noise.tile", expected="an ingested tile to cut sky from", found="none")
        sky = find_blank_sky(tile, config, survey.zero_point_mag)
        scale = 1 / (sky.measure_rms() if config.is_rescaled else survey.background_rms)
        chosen = np.unique(np.linspace(0, len(sky) - 1, min(len(sky), MOST_PATCHES)).astype(np.int64))
        self.patches = torch.from_numpy(np.stack([sky.patch(int(one)) for one in chosen]) * np.float32(scale))
        self.electrons = survey.gain_e_per_unit * survey.background_rms if config.has_source_noise else None

    def __call__(self, light: Tensor, stream: Stream) -> Tensor:
        """Return noisy images."""
        if self.electrons is not None:
            spread = torch.sqrt(light.clamp(min=0.0) / self.electrons)
            light = light + stream.normal(light.shape) * spread
        return light + self._stitched(light, stream)

    def _stitched(self, light: Tensor, stream: Stream) -> Tensor:
        """Lay patches beside each other, drawn with replacement and flipped at random: the shape of `light`."""
        self.patches = self.patches.to(light.device)
        side, (height, width) = self.patches.shape[-1], light.shape[-2:]
        shape = (len(light), light.shape[1], ceil(height / side), ceil(width / side))
        patches = self.patches[stream.integers(len(self.patches), shape)]  # (b, band, rows, columns, s, s)
        for axis in (-2, -1):
            flip = stream.integers(2, (*shape, 1, 1)).bool()
            patches = torch.where(flip, patches.flip(axis), patches)
        canvas = patches.movedim(-2, -3).flatten(-2).flatten(-3, -2)
        return canvas[..., :height, :width]


def build_batch_noise(config: NoiseConfig, survey: Survey, tile: Tile | None) -> BatchNoise:
    """Make the noise that `config` describes."""
    return BATCH_NOISES[config.kind](config, survey, tile)
