"""Forms and first fluxes of sources at known positions, from moments in an adapting Gaussian window."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from skymill.data.tile import cutouts

if TYPE_CHECKING:
    from numpy.typing import NDArray

ITERATIONS = 6
FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))
HALF_LIGHT_PER_SIGMA = np.sqrt(2.0 * np.log(2.0))
HALF_FWHM = 3.0
"""Half the side of a stamp, PSF FWHM."""
NARROWEST, WIDEST = 0.8, 3.0
"""Smallest and largest width of a window, in units of the PSF's sigma."""
KRON_RADIUS = 3.5
"""Size of the photometric ellipse in units of a and b: 2.5 times a Gaussian's first moment (1.25 sigma) is less than
SExtractor's least size, which is this."""
CHUNK_SOURCES = 4096


def gaussian_forms(
    science: NDArray, rms: NDArray, bad: NDArray[np.bool_], x: NDArray, y: NDArray, psf_fwhm_px: float
) -> dict[str, NDArray[np.float64]]:
    """Measure sources as Gaussians.

    The window is an elliptical Gaussian that takes the covariance of the light it sees, times two, until both agree:
    for a Gaussian source it ends as the source itself (adaptive moments, Bernstein & Jarvis 2002, AJ 123, 583, section
    3.1; Hirata & Seljak 2003, MNRAS 343, 459, eq. 5). The flux is that of the window fitted to the image.

    Parameters
    ----------
    science, rms : ndarray (y, x)
        Background-subtracted image and its noise.
    bad : ndarray (y, x), bool
        Pixels that do not count.
    x, y : ndarray (n,)
        Positions, 0-based px; they are kept.
    psf_fwhm_px : float
        FWHM of the PSF: the first window, and what bounds the others.

    Returns
    -------
    dict of str to ndarray (n,)
        ``flux``, ``flux_err`` (image units), ``a``, ``b`` (px), ``theta`` (degrees), ``flux_radius`` (px),
        ``kron_radius`` (units of a and b). The flux is NaN where every pixel is bad.
    """
    parts = [
        _chunk(science, rms, bad, x[rows], y[rows], psf_fwhm_px)
        for rows in (slice(start, start + CHUNK_SOURCES) for start in range(0, max(len(x), 1), CHUNK_SOURCES))
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _chunk(
    science: NDArray, rms: NDArray, bad: NDArray, x: NDArray, y: NDArray, psf_fwhm_px: float
) -> dict[str, NDArray[np.float64]]:
    size = 2 * ceil(HALF_FWHM * psf_fwhm_px) + 1
    good = ~cutouts(bad, x, y, size, fill=True)  # (n, s, s)
    light = np.where(good, cutouts(science, x, y, size), 0.0).astype(np.float64)
    variance = np.where(good, cutouts(rms, x, y, size, fill=1.0).astype(np.float64) ** 2, 1.0)
    step = np.arange(size) - size // 2
    dx = (step - (x - np.rint(x))[:, None])[:, None, :]  # (n, 1, s)
    dy = (step - (y - np.rint(y))[:, None])[:, :, None]  # (n, s, 1)
    sigma = psf_fwhm_px / FWHM_PER_SIGMA
    a = b = np.full(len(x), sigma)
    theta = np.zeros(len(x))
    for _ in range(ITERATIONS):
        weight = _gaussian(dx, dy, a, b, theta) * good
        a, b, theta = _ellipse(weight * light, dx, dy, sigma)
    profile = _gaussian(dx, dy, a, b, theta) / (2 * np.pi * a * b)[:, None, None] * good
    power = np.square(profile).sum(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        flux = np.where(power > 0, (profile * light).sum(axis=(1, 2)) / power, np.nan)
        error = np.where(power > 0, np.sqrt((np.square(profile) * variance).sum(axis=(1, 2))) / power, np.nan)
    return {
        "flux": flux,
        "flux_err": error,
        "a": a,
        "b": b,
        "theta": np.rad2deg(theta),
        "flux_radius": HALF_LIGHT_PER_SIGMA * np.sqrt(a * b),
        "kron_radius": np.full(len(x), KRON_RADIUS),
    }


def _gaussian(dx: NDArray, dy: NDArray, a: NDArray, b: NDArray, theta: NDArray) -> NDArray:
    """Return elliptical Gaussians (n, s, s) of height 1."""
    cos, sin = np.cos(theta)[:, None, None], np.sin(theta)[:, None, None]
    along, across = (dx * cos + dy * sin) / a[:, None, None], (dy * cos - dx * sin) / b[:, None, None]
    return np.exp(-0.5 * (along**2 + across**2))


def _ellipse(
    seen: NDArray, dx: NDArray, dy: NDArray, sigma: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return a, b and theta (radians) of twice the covariance of the light in a window, within bounds."""
    total = seen.sum(axis=(1, 2))
    sound = total > 0
    scale = 2.0 / np.where(sound, total, 1.0)
    xx, yy, xy = (scale * (seen * product).sum(axis=(1, 2)) for product in (dx * dx, dy * dy, dx * dy))
    mean, half = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    low, high = NARROWEST * sigma, WIDEST * sigma
    # Noise can make a covariance that no light has: then the PSF stands in.
    a, b = (np.clip(np.sqrt(np.maximum(value, 0.0)), low, high) for value in (mean + half, mean - half))
    theta = 0.5 * np.arctan2(2 * xy, xx - yy)
    return np.where(sound, a, sigma), np.where(sound, b, sigma), np.where(sound, theta, 0.0)
