"""Noise of blends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from skymill.blend.sky import BlankSky, find_blank_sky
from skymill.config.blend import GaussianNoise, NoiseConfig, NoNoise, PoissonNoise, RealNoise
from skymill.data.survey import Survey
from skymill.data.tile import Tile
from skymill.errors import ConfigError
from skymill.registry import Registry

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Noise(Protocol):
    """Adds noise to a noise-free image."""

    def add(self, light: NDArray, generator: np.random.Generator) -> NDArray[np.float64]:
        """Return a noisy image (y, x) in image units with zero mean sky."""
        ...

    def variance(self, light: NDArray) -> NDArray[np.float64]:
        """Return the variance (y, x) of each pixel's noise around a noise-free image, image units squared."""
        ...


NOISES: Registry[Callable[[Any, Survey, Tile | None], Noise]] = Registry("kind of noise")
"""Noise by the `kind` of its configuration, made from (config, survey, tile that sky is cut from)."""


@NOISES.register("none")
class Noiseless:
    """No noise."""

    def __init__(self, config: NoNoise, survey: Survey, tile: Tile | None) -> None: ...

    def add(self, light: NDArray, generator: np.random.Generator) -> NDArray[np.float64]:
        """Return the light as it is."""
        return np.asarray(light, dtype=np.float64)

    def variance(self, light: NDArray) -> NDArray[np.float64]:
        """Return zeros."""
        return np.zeros(light.shape)


@NOISES.register("gaussian")
class Gaussian:
    """White noise of the survey's ``background_rms``, the same under bright light."""

    def __init__(self, config: GaussianNoise, survey: Survey, tile: Tile | None) -> None:
        self.rms = survey.background_rms

    def add(self, light: NDArray, generator: np.random.Generator) -> NDArray[np.float64]:
        """Add a normal number to each pixel."""
        return light + generator.normal(0.0, self.rms, light.shape)

    def variance(self, light: NDArray) -> NDArray[np.float64]:
        """Return the background's variance."""
        return np.full(light.shape, self.rms**2)


@NOISES.register("poisson")
class Poisson:
    """Counted electrons: variance ``background_rms**2 + light / gain_e_per_unit`` per pixel."""

    def __init__(self, config: PoissonNoise, survey: Survey, tile: Tile | None) -> None:
        self.gain = survey.gain_e_per_unit
        self.sky_electrons = (survey.background_rms * self.gain) ** 2

    def add(self, light: NDArray, generator: np.random.Generator) -> NDArray[np.float64]:
        """Count the electrons of light and background and subtract the background's mean."""
        electrons = generator.poisson(np.maximum(light * self.gain + self.sky_electrons, 0.0))
        return (electrons - self.sky_electrons) / self.gain

    def variance(self, light: NDArray) -> NDArray[np.float64]:
        """Return the variance of background and light."""
        return (np.maximum(light, 0.0) * self.gain + self.sky_electrons) / self.gain**2


@NOISES.register("real")
class Real:
    """Blank sky of a tile, and the Poisson noise of the light."""

    def __init__(self, config: RealNoise, survey: Survey, tile: Tile | None) -> None:
        if tile is None:
            raise ConfigError("blend.noise.tile", expected="an ingested tile to cut sky from", found="none")
        self.gain = survey.gain_e_per_unit
        self.has_source_noise = config.has_source_noise
        self.sky: BlankSky = find_blank_sky(tile, config, survey.zero_point_mag)
        rms = self.sky.measure_rms()
        self.scale = survey.background_rms / rms if config.is_rescaled else 1.0
        self.rms = self.scale * rms

    def add(self, light: NDArray, generator: np.random.Generator) -> NDArray[np.float64]:
        """Add patches of sky, and count the electrons of the light where that is asked for."""
        if self.has_source_noise:
            light = generator.poisson(np.maximum(light * self.gain, 0.0)) / self.gain + np.minimum(light, 0.0)
        return light + self.scale * self.sky.stitch(light.shape, generator)

    def variance(self, light: NDArray) -> NDArray[np.float64]:
        """Return the variance of the sky and, where it is added, of the light."""
        of_light = np.maximum(light, 0.0) / self.gain if self.has_source_noise else np.zeros(light.shape)
        return self.rms**2 + of_light


def build_noise(config: NoiseConfig, survey: Survey, tile: Tile | None) -> Noise:
    """Make the noise that `config` describes."""
    return NOISES[config.kind](config, survey, tile)
