"""What is on images beside sources: clipped stars, tracks of particles and satellites, hot pixels, uneven background.

Forms are simple on purpose. A detector shall learn that such things are not sources, not what a certain camera makes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skymill.config.scene import ArtefactConfig
from skymill.data.survey import Survey

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_CLIP_RMS = 1000.0
LARGEST_CLIP_RMS = 10_000.0
"""Where stars are clipped if the survey does not say: a level between these, in units of the background rms."""
OVEREXPOSURE = (1.0, 30.0)
HALO_SHARE = (0.003, 0.03)
HALO_CORE_FWHM = 3.0
SPIKE_SHARE = (3e-4, 3e-3)
TRACK_PX, TRACK_RMS, HOT_RMS = (1.0, 14.0), (5.0, 200.0), (5.0, 200.0)
STREAK_RMS = (1.0, 10.0)


@dataclass(frozen=True)
class SaturatedStar:
    """A star brighter than the detector can count.

    Parameters
    ----------
    x, y : float
        Centre, px.
    flux : float
        Total light, image units.
    light : ndarray (y, x)
        What it adds to the image, not clipped yet.
    """

    x: float
    y: float
    flux: float
    light: NDArray[np.float64]


class Artefacts:
    """Draws artefacts on square images.

    Parameters
    ----------
    config : ArtefactConfig
        How many.
    survey : Survey
        PSF, noise and saturation level.
    side_px : int
        Side of the images.
    """

    def __init__(self, config: ArtefactConfig, survey: Survey, side_px: int) -> None:
        self.config, self.rms, self.fwhm, self.side = (
            config,
            survey.background_rms,
            survey.psf_fwhm_px,
            side_px,
        )
        highest = survey.saturation or LARGEST_CLIP_RMS * self.rms
        self.clip_range = (min(LEAST_CLIP_RMS * self.rms, highest), highest)
        self.y, self.x = np.mgrid[:side_px, :side_px].astype(np.float64)

    def clip_level(self, generator: np.random.Generator) -> float:
        """Draw the level above which an image is clipped, image units."""
        return float(_log_uniform(generator, self.clip_range))

    def saturated_stars(
        self, psf: NDArray[np.float32], level: float, generator: np.random.Generator
    ) -> list[SaturatedStar]:
        """Draw stars whose peak is above `level`; `psf` is the light of a star of flux 1 (odd square)."""
        stars = []
        angle = generator.uniform(0, np.pi / 2)
        for _ in range(generator.poisson(self.config.saturated_stars_per_patch)):
            x, y = generator.integers(self.side, size=2).tolist()
            flux = level * _log_uniform(generator, OVEREXPOSURE) / float(psf.max())
            light = flux * self._spread(psf, x, y)
            light += self._halo(x, y, flux, generator) + self._spikes(
                x, y, flux, float(psf.max()), angle, generator
            )
            self._bleed(light, x, y, level, generator)
            stars.append(SaturatedStar(x, y, flux, light))
        return stars

    def _spread(self, psf: NDArray, x: int, y: int) -> NDArray[np.float64]:
        half = len(psf) // 2
        padded = np.zeros((self.side + 2 * half, self.side + 2 * half))
        padded[y : y + len(psf), x : x + len(psf)] = psf
        return padded[half : half + self.side, half : half + self.side]

    def _halo(self, x: int, y: int, flux: float, generator: np.random.Generator) -> NDArray[np.float64]:
        """Scattered light that falls as r**-3, steeper than ghosts and flatter than a Moffat profile's wings."""
        core = HALO_CORE_FWHM * self.fwhm
        profile = (1 + ((self.x - x) ** 2 + (self.y - y) ** 2) / core**2) ** -1.5 / (2 * np.pi * core**2)
        return flux * _log_uniform(generator, HALO_SHARE) * profile

    def _spikes(
        self, x: int, y: int, flux: float, peak: float, angle: float, generator: np.random.Generator
    ) -> NDArray[np.float64]:
        """Four arms, as wide as the PSF, whose brightness falls as 1 / r."""
        strength = flux * peak * _log_uniform(generator, SPIKE_SHARE)
        dx, dy, light = self.x - x, self.y - y, np.zeros((self.side, self.side))
        for turn in (angle, angle + np.pi / 2):
            along, across = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
            arm = np.exp(-0.5 * (across / (0.4 * self.fwhm)) ** 2) / (1 + np.abs(along) / (5 * self.fwhm))
            light += strength * arm
        return light

    def _bleed(
        self, light: NDArray[np.float64], x: int, y: int, level: float, generator: np.random.Generator
    ) -> None:
        """Let the charge above `level` run along the columns, or, for half of the stars, nowhere."""
        excess = np.maximum(light - level, 0.0).sum() / level
        length = int(min(excess / 2, self.side)) if generator.random() < 0.5 else 0
        light[max(0, y - length) : y + length + 1, x] += level * (length > 0)

    def background(self, generator: np.random.Generator) -> NDArray[np.float64]:
        """Draw an uneven background (y, x), image units: a surface of second order and, now and then, a step."""
        config = self.config
        u, v = 2 * self.x / (self.side - 1) - 1, 2 * self.y / (self.side - 1) - 1
        terms = np.stack([np.ones_like(u), u, v, u * v, u**2, v**2])
        surface = np.tensordot(generator.normal(size=6), terms, axes=1)
        surface *= generator.uniform(0, config.background_rms) / max(np.abs(surface).max(), 1e-9)
        has_step, edge = generator.random() < config.step_fraction, generator.integers(1, self.side)
        beyond = (self.x if generator.random() < 0.5 else self.y) >= edge
        return self.rms * (surface + has_step * generator.uniform(-1, 1) * config.step_rms * beyond)

    def streaks(self, generator: np.random.Generator) -> NDArray[np.float64]:
        """Draw the light of a satellite's track, or nothing: (y, x), image units."""
        is_crossed = generator.random() < self.config.streak_fraction
        angle, offset = generator.uniform(0, np.pi), generator.uniform(-0.5, 0.5) * self.side
        middle = (self.side - 1) / 2
        across = (self.y - middle) * np.cos(angle) - (self.x - middle) * np.sin(angle) - offset
        peak = is_crossed * self.rms * _log_uniform(generator, STREAK_RMS)
        return peak * np.exp(-0.5 * (across / (self.fwhm * generator.uniform(0.4, 1.2))) ** 2)

    def hits(self, generator: np.random.Generator) -> NDArray[np.float64]:
        """Draw tracks of particles and hot pixels (y, x), image units: they are sharper than the PSF."""
        image = np.zeros((self.side, self.side))
        for _ in range(generator.poisson(self.config.cosmic_rays_per_patch)):
            length, angle = generator.uniform(*TRACK_PX), generator.uniform(0, 2 * np.pi)
            steps = np.arange(0, length, 0.5)
            x, y = (generator.uniform(0, self.side) + steps * part for part in (np.cos(angle), np.sin(angle)))
            self._mark(image, x, y, self.rms * _log_uniform(generator, TRACK_RMS))
        for _ in range(generator.poisson(self.config.hot_pixels_per_patch)):
            x, y = generator.uniform(0, self.side, (2, 1))
            self._mark(image, x, y, self.rms * _log_uniform(generator, HOT_RMS))
        return image

    def _mark(self, image: NDArray[np.float64], x: NDArray, y: NDArray, value: float) -> None:
        column, row = x.astype(np.int64), y.astype(np.int64)
        inside = (x >= 0) & (y >= 0) & (column < self.side) & (row < self.side)
        image[row[inside], column[inside]] = value


def _log_uniform(generator: np.random.Generator, limits: tuple[float, float]) -> float:
    return float(np.exp(generator.uniform(*np.log(limits))))
