"""Which sources a patch has, where, and how bright: everything but their light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skymill.blend.galaxies import Galaxies
from skymill.config.scene import SceneConfig
from skymill.data.survey import Survey

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORM_SCATTER = 0.1
"""Scatter of the place among the galaxies from which a source takes its form, as a share of their range."""
MARGIN_FWHM = 2.0
"""Sources may lie this far outside of a patch: their light reaches in, as at the edges of an image."""


@dataclass(frozen=True)
class Sources:
    """n sources of one patch.

    Parameters
    ----------
    is_star : ndarray (n,), bool
        Whether it is a point.
    galaxy : ndarray (n,), int64
        Row among the galaxies whose form it takes; of no meaning for stars.
    x, y : ndarray (n,), float64
        Where its centre is wanted, px; it is placed within half a pixel of it.
    snr : ndarray (n,), float64
        Signal to noise above the background alone.
    turns : ndarray (n,), int64
        Quarter turns of the galaxy's stamp, counter-clockwise.
    flip : ndarray (n,), bool
        Whether the stamp is mirrored in x after the turn.
    """

    is_star: NDArray[np.bool_]
    galaxy: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    snr: NDArray[np.float64]
    turns: NDArray[np.int64]
    flip: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of sources."""
        return len(self.x)


class SourceRecipe:
    """Draws the sources of patches.

    Parameters
    ----------
    config : SceneConfig
        Densities, brightnesses, pairs.
    survey : Survey
        Width of the PSF.
    galaxies : Galaxies
        Galaxies of one side of the split.
    """

    def __init__(self, config: SceneConfig, survey: Survey, galaxies: Galaxies) -> None:
        self.config, self.fwhm_px = config, survey.psf_fwhm_px
        # Light over width is the signal to noise of a Gaussian but for a factor that is the same for all.
        own = np.log(galaxies.flux / galaxies.radius_px)
        self.order = np.argsort(own, kind="stable")
        self.own = own[self.order]

    def draw(self, generator: np.random.Generator) -> Sources:
        """Draw the sources of one patch; the same generator gives the same."""
        config = self.config
        n = self._number(generator)
        snr = np.exp(generator.uniform(*np.log(config.snr), n))
        x, y, host = self._places(n, generator)
        snr = self._beside(snr, host, generator)
        return Sources(
            is_star=generator.random(n) < config.star_fraction,
            galaxy=self._forms(snr, generator),
            x=x,
            y=y,
            snr=snr,
            turns=generator.integers(4, size=n),
            flip=generator.integers(2, size=n).astype(bool),
        )

    def _number(self, generator: np.random.Generator) -> int:
        density = np.exp(generator.uniform(*np.log(self.config.density_per_1000_fwhm2)))
        return max(1, round(density / 1000 * (self.config.side_px / self.fwhm_px) ** 2))

    def _places(self, n: int, generator: np.random.Generator) -> tuple[NDArray, NDArray, NDArray[np.int64]]:
        """Spread sources evenly; move some beside one that stays where it is, its host (-1: none)."""
        margin = MARGIN_FWHM * self.fwhm_px
        x, y = generator.uniform(-0.5 - margin, self.config.side_px - 0.5 + margin, (2, n))
        moved = generator.random(n) < self.config.pair_fraction
        distance = generator.uniform(*self.config.pair_separation_fwhm, n) * self.fwhm_px
        angle, which = generator.uniform(0, 2 * np.pi, n), generator.random(n)
        hosts = np.flatnonzero(~moved)
        if not len(hosts):
            return x, y, np.full(n, -1)
        host = hosts[(which * len(hosts)).astype(np.int64)]
        x = np.where(moved, x[host] + distance * np.cos(angle), x)
        y = np.where(moved, y[host] + distance * np.sin(angle), y)
        return x, y, np.where(moved, host, -1)

    def _beside(
        self, snr: NDArray[np.float64], host: NDArray[np.int64], generator: np.random.Generator
    ) -> NDArray[np.float64]:
        """Give sources beside a host their signal to noise by that of the host."""
        if self.config.pair_snr_ratio is None:
            return snr
        ratio = np.exp(generator.uniform(*np.log(self.config.pair_snr_ratio), len(snr)))
        return np.where(host < 0, snr, np.clip(snr[host] * ratio, *self.config.snr))

    def _forms(self, snr: NDArray, generator: np.random.Generator) -> NDArray[np.int64]:
        """Choose galaxies in the same place of their own range: faint sources look like faint galaxies."""
        low, high = np.log(self.config.snr)
        share = (np.log(snr) - low) / max(high - low, 1e-9)
        share = np.clip(share + generator.uniform(-FORM_SCATTER, FORM_SCATTER, len(snr)), 0, 1)
        value = self.own[0] + share * (self.own[-1] - self.own[0])
        rank = np.searchsorted(self.own, value)
        return self.order[np.clip(rank, 0, len(self.order) - 1)]


def brighter_distance(x: NDArray, y: NDArray, flux: NDArray) -> NDArray[np.float64]:
    """Return each source's distance to the nearest brighter one; NaN for the brightest."""
    if not len(x):
        return np.empty(0)
    distance = np.hypot(x[:, None] - x[None, :], y[:, None] - y[None, :])
    distance[flux[None, :] <= flux[:, None]] = np.inf
    nearest = distance.min(axis=1)
    return np.where(np.isfinite(nearest), nearest, np.nan)
