"""From the noise maps that surveys give to rms per pixel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from skymill.data.tile import bands, release
from skymill.errors import DataError
from skymill.registry import Registry

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEDIAN_PIXELS = 2_000_000

NOISE_KINDS: Registry[Callable[[NDArray[np.float64]], NDArray[np.float64]]] = Registry("kind of noise map")


@NOISE_KINDS.register("rms")
def _rms(noise: NDArray[np.float64]) -> NDArray[np.float64]:
    return noise


@NOISE_KINDS.register("variance")
def _variance(noise: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(noise)


@NOISE_KINDS.register("inverse_variance")
def _inverse_variance(noise: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 / np.sqrt(noise)


def rms_from(
    noise: NDArray, kind: str, max_bad_fraction: float, where: str, factor: float = 1.0
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Turn a noise map into rms per pixel.

    Parameters
    ----------
    noise : ndarray (y, x)
        As the survey gives it, of any type: a variance of float64 may be below what float32 holds.
    kind : {'rms', 'variance', 'inverse_variance'}
        What it holds.
    max_bad_fraction : float
        A larger part of unusable pixels is an error.
    where : str
        File and HDU, for the message.
    factor : float
        What the image is multiplied with, and therefore its rms.

    Returns
    -------
    rms : ndarray (y, x), float32
        Positive and finite everywhere; unusable pixels hold the median of the others.
    bad : ndarray (y, x), bool
        Pixels whose noise is zero, negative, infinite or NaN.

    Raises
    ------
    DataError
        If more than `max_bad_fraction` of the pixels, or all, are unusable.
    """
    rms = np.empty(noise.shape, dtype=np.float32)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for rows in bands(len(noise)):
            rms[rows] = NOISE_KINDS[kind](noise[rows].astype(np.float64)) * factor
    return usable_rms(rms, max_bad_fraction, f"{where} as {kind}")


def usable_rms(
    rms: NDArray[np.float32], max_bad_fraction: float, where: str
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Replace unusable noise by the median of the usable; arguments, results and errors as for :func:`rms_from`."""
    bad = np.empty(rms.shape, dtype=bool)
    for rows in bands(len(rms)):
        bad[rows] = ~(np.isfinite(rms[rows]) & (rms[rows] > 0))
        release(rms)
    if bad.all() or bad.mean() > max_bad_fraction:
        raise DataError(
            where,
            expected=f"a noise that is positive in at least {1 - max_bad_fraction:.0%} of the pixels",
            found=f"{bad.mean():.1%} zero, negative or not finite",
            remedy="Check the image, rms_hdu and rms_kind in the tile table, or raise ingest.max_bad_rms_fraction.",
        )
    if bad.any():
        rms = np.where(bad, typical(rms, ~bad), rms)
    return rms.astype(np.float32, copy=False), bad


def grid_step(pixels: int) -> int:
    """Return the step of the grid of pixels whose median stands for that of an image of so many."""
    return max(1, int(np.sqrt(pixels / MEDIAN_PIXELS)))


def typical(image: NDArray[np.float32], good: NDArray[np.bool_] | None = None) -> float:
    """Return the median of an image, of a grid of its pixels if it is large; with `good`, of those pixels only."""
    step = grid_step(image.size)
    values = image[::step, ::step]
    if good is not None:
        chosen = good[::step, ::step]
        # A grid may miss the few good pixels that there are.
        values = values[chosen] if chosen.any() else image[good]
    return float(np.median(values))
