"""Knots of star formation in discs: where they are, and how they look through the PSF.

Smooth profiles teach a network that all structure within a galaxy is another galaxy. Real discs have clumps and arms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, pi
from typing import TYPE_CHECKING, Any

import galsim
import numpy as np
from scipy.fft import irfft2, next_fast_len
from scipy.special import gammainc, gammaincinv

from skymill.config.simulate import KnotsConfig
from skymill.simulate.psf import transfer_function

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCALE_LENGTHS_PER_RE = 1.678347
"""Half-light radius of an exponential disc over its scale length: Graham & Driver 2005, PASA 22, 118, section 2.1."""
MOST_ARMS = 4
ARM_WIDTH_RAD = 0.3
"""Scatter of knots across an arm; a free choice."""
INNERMOST = 0.05
"""Scale lengths within which an arm winds no further."""
OUTERMOST = 3.0
"""Scale lengths within which all knots lie; the disc has 20 % of its light beyond."""
FADING = 2.0
"""Scale lengths over which knots get fainter by a factor e: one far out that outshines its surroundings would be seen
as another galaxy. A free choice."""
PADDING = 2
"""Side of the Fourier grid over the stamp's: what lies up to half a stamp outside does not come back in."""


@dataclass(frozen=True)
class Knots:
    """The knots of one galaxy.

    Parameters
    ----------
    x, y : ndarray (n,)
        Offsets from the galaxy's centre, arcsec.
    sigma : ndarray (n,)
        Widths of the round Gaussians that they are, arcsec.
    share : ndarray (n,)
        Shares of the light of all knots; they add up to 1.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    sigma: NDArray[np.float64]
    share: NDArray[np.float64]


def scatter_knots(galaxy: dict[str, Any], config: KnotsConfig, generator: np.random.Generator) -> Knots:
    """Scatter knots over a galaxy's disc.

    Distances from the centre follow the disc's light (a gamma distribution, as brightness falls off exponentially) out
    to :data:`OUTERMOST`; angles are even, or lie along logarithmic spirals, one to four arms. Brightnesses are
    exponentially distributed and fade outwards (:data:`FADING`), so that a few knots stand out and a galaxy with few of
    them is lopsided. The middle of all knots may lie off the disc's: a third of the discs are lopsided (Zaritsky & Rix
    1997, ApJ 477, 118).

    Parameters
    ----------
    galaxy : dict
        disc_re (arcsec), q_disc and theta (deg) as in the schema ``galaxies``.
    config : KnotsConfig
        Numbers, sizes and arms.
    generator : numpy.random.Generator
        The galaxy's own.
    """
    low, high = np.log(config.number)
    count = int(np.rint(np.exp(generator.uniform(low, high))))
    inside = generator.random(count) * gammainc(2, OUTERMOST)
    radius = gammaincinv(2, inside)  # scale lengths
    angle = generator.uniform(0, 2 * pi, size=count)
    is_spiral, arms = generator.random() < config.spiral_fraction, int(generator.integers(1, MOST_ARMS + 1))
    pitch = np.radians(generator.uniform(*config.pitch_deg))
    arm, across = generator.integers(arms, size=count), generator.normal(0, ARM_WIDTH_RAD, size=count)
    if is_spiral:
        winding = np.log(np.maximum(radius, INNERMOST)) / np.tan(pitch)
        angle = angle[0] + 2 * pi * arm / arms + winding + across
    share = generator.exponential(size=count) * np.exp(-radius / FADING)
    size = np.exp(generator.uniform(*np.log(config.size_re), size=count))
    along = radius * np.cos(angle) * galaxy["disc_re"] / SCALE_LENGTHS_PER_RE
    beside = radius * np.sin(angle) * galaxy["disc_re"] / SCALE_LENGTHS_PER_RE * galaxy["q_disc"]
    offset = generator.uniform(*config.offset_re) * galaxy["disc_re"]
    towards = generator.uniform(0, 2 * pi)
    along += offset * np.cos(towards)
    beside += offset * np.sin(towards) * galaxy["q_disc"]
    theta = np.radians(float(galaxy["theta"]))
    x, y = (
        along * np.cos(theta) - beside * np.sin(theta),
        along * np.sin(theta) + beside * np.cos(theta),
    )
    return Knots(x, y, size * galaxy["disc_re"], share / share.sum())


def draw_knots(
    knots: Knots, psf: galsim.GSObject, size: int, dx: float, dy: float, pixel_scale_arcsec: float
) -> NDArray[np.float64]:
    """Draw knots of total flux 1 through a round PSF.

    The transform of a Gaussian is a product of one factor in x and one in y, so that of all knots is a product of two
    matrices.

    Parameters
    ----------
    knots : Knots
        The knots.
    psf : galsim.GSObject
        Effective PSF, sizes in arcsec.
    size : int
        Side of the stamp in pixels.
    dx, dy : float
        Offset of the galaxy's centre from the centre of pixel ``size // 2``, px.
    pixel_scale_arcsec : float
        Side of a pixel.

    Returns
    -------
    ndarray (size, size), float64
        Their sum is 1 less what lies outside the stamp.
    """
    finer, kx, ky, transfer = _grid(psf, size, pixel_scale_arcsec)
    # One pixel of the grid is a pixel of the image divided by `finer`; all below is in such pixels.
    unit = finer / pixel_scale_arcsec
    x = (size // 2 + dx) * finer + knots.x * unit
    y = (size // 2 + dy) * finer + knots.y * unit
    width = knots.sigma * unit
    side, seen = transfer.shape[0], size * finer
    # The grid repeats itself: a knot beyond the middle of what is not seen would come back on the other side.
    reached = (np.abs(x - seen / 2) < side / 2) & (np.abs(y - seen / 2) < side / 2)
    x, y, width, share = x[reached], y[reached], width[reached], knots.share[reached]
    in_x = np.exp(-1j * np.outer(x, kx) - 0.5 * np.outer(width, kx) ** 2)  # (n, kx)
    in_y = np.exp(-1j * np.outer(ky, y) - 0.5 * np.outer(ky, width) ** 2)  # (ky, n)
    spectrum = (in_y * share) @ in_x * transfer
    return irfft2(spectrum, s=(side, side))[:seen:finer, :seen:finer] * finer**2


@lru_cache(maxsize=8)
def _grid(
    psf: galsim.GSObject, size: int, pixel_scale_arcsec: float
) -> tuple[int, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return how much finer than pixels the grid is, its wave numbers (radians per grid pixel), and the PSF there."""
    finer = max(1, ceil(psf.maxk * pixel_scale_arcsec / pi))
    side = next_fast_len(PADDING * size * finer, real=True)
    kx, ky = 2 * pi * np.fft.rfftfreq(side), 2 * pi * np.fft.fftfreq(side)
    transfer = transfer_function(psf, np.hypot(ky[:, None], kx) * finer / pixel_scale_arcsec)
    return finer, kx, ky, transfer
