"""Width of a source at half of its peak: a Moffat profile fitted to its core, the same for every detector.

Second moments above a threshold are no widths: of a bright star they hold the wings, of a faint one half of the core.
The fit is a Levenberg-Marquardt one (Marquardt 1963, SIAM J. 11, 431) of many sources at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skymill.data.tile import MaskBit, Tile, cutouts

if TYPE_CHECKING:
    from numpy.typing import NDArray

LN2 = np.log(2.0)
ROUNDS, ITERATIONS = 3, 12
"""Fits, each in the window that the one before asks for, and steps of each."""
WINDOW_FWHM = 1.2
"""Radius of the window in FWHM: the core and the beginning of the wings."""
HALF_SIZES_PX = (4, 5, 6, 8, 11, 15, 21, 30, 42)
"""Half the sides of stamps, of which the least is taken that is large enough."""
STAMP_FWHM, STAMP_RADII = 1.5, 2.5
"""Half a stamp holds this many FWHM of the PSF and half-light radii (a star's is 0.5 to 0.6 FWHM)."""
CHUNK_PIXELS = 2**15
SHAPE, SHAPE_SPREAD = 0.25, 0.25
"""Mean and spread of 1 / beta before the fit: 0 is a Gaussian, seeing has 0.2 to 0.4."""
LARGEST_ERROR = 0.3
"""Widths with a larger relative error are not known."""
MOST_HIDDEN = 0.25
"""Largest part of the core's light that may fall on unusable or saturated pixels."""
LEAST_FWHM_PX = 0.7
LOW, HIGH = np.array([1e-3, -4, -4, -9, -1, -1, 0.01]), np.array([1e12, 4, 4, 3, 1, 1, 0.95])
"""Bounds of peak (rms), x, y (px from the start), ln of the inverse square of the width, two components of the
ellipticity, and 1 / beta."""
MOST_ELLIPTICITY = 0.9


def core_fwhm(tile: Tile, x: NDArray, y: NDArray, flux_radius: NDArray) -> NDArray[np.float64]:
    """Measure full widths at half maximum.

    Parameters
    ----------
    tile : Tile
        Background-subtracted.
    x, y : ndarray (n,)
        0-based positions (px); the peak is looked for within 4 px of them.
    flux_radius : ndarray (n,)
        Half-light radii (px), which say how large a stamp must be; NaN for stars.

    Returns
    -------
    ndarray (n,), float64
        FWHM in pixels, of an elongated source the geometric mean of both axes, as the image has it: with the PSF and
        the pixel. NaN where it cannot be measured: the fit's relative error is above 0.3, a quarter of the core or
        more is saturated, masked or off the tile, or it is wider than the stamp.
    """
    radius = STAMP_RADII * np.nan_to_num(flux_radius, posinf=0.0)
    wanted = np.maximum(radius, STAMP_FWHM * tile.meta.psf_fwhm_px)
    place = np.minimum(np.searchsorted(HALF_SIZES_PX, wanted), len(HALF_SIZES_PX) - 1)
    widths = np.full(len(x), np.nan)
    for number, half in enumerate(HALF_SIZES_PX):
        rows, size = np.flatnonzero(place == number), 2 * half + 1
        step = max(1, CHUNK_PIXELS // size**2)
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            widths[some] = _stamps_fwhm(tile, x[some], y[some], size)
            tile.release()
    return widths


def _stamps_fwhm(tile: Tile, x: NDArray, y: NDArray, size: int) -> NDArray[np.float64]:
    n, step = len(x), np.arange(size) - size // 2
    dx, dy = step - (x - np.rint(x))[:, None], step - (y - np.rint(y))[:, None]  # (n, s)
    dx = np.broadcast_to(dx[:, None, :], (n, size, size)).reshape(n, -1)  # (n, s * s)
    dy = np.broadcast_to(dy[:, :, None], (n, size, size)).reshape(n, -1)
    hidden = cutouts(tile.mask, x, y, size, fill=int(MaskBit.NO_DATA)).reshape(n, -1) > 0
    rms = cutouts(tile.rms, x, y, size, fill=1.0).reshape(n, -1).astype(np.float64)
    unit = np.ma.median(np.ma.array(rms, mask=hidden), axis=1).filled(np.nan)
    known = np.isfinite(unit) & (unit > 0)
    light = cutouts(tile.science, x, y, size).reshape(n, -1) / np.where(known, unit, 1.0)[:, None]
    light = np.where(hidden, 0.0, light)
    start = np.zeros((n, len(LOW)))
    near = np.hypot(dx, dy) < 1.5
    start[:, 0] = np.where(near, light, 0.0).max(axis=1).clip(min=1.0)
    start[:, 3] = np.log(4 * LN2 / tile.meta.psf_fwhm_px**2)
    start[:, 6] = SHAPE
    return np.where(known, _fit(light, ~hidden, dx, dy, start, size), np.nan)


def _fit(
    light: NDArray, good: NDArray[np.bool_], dx: NDArray, dy: NDArray, values: NDArray, size: int
) -> NDArray[np.float64]:
    """Return the widths (n,) of sources on flattened stamps (n, p) in units of their noise; NaN where unknown."""
    width, radius = _width(values), np.hypot(dx, dy)
    for _ in range(ROUNDS):
        window = radius < np.clip(WINDOW_FWHM * width, 2.0, size / 2)[:, None]
        values, curvature = _minimise(light, good & window, dx, dy, values)
        width = _width(values)
    model, _ = _moffat(values, dx, dy)
    hidden = (model * (window & ~good)).sum(axis=1) > MOST_HIDDEN * (model * window).sum(axis=1)
    error = _relative_error(values, curvature)
    at_bounds = ((values[:, :6] <= LOW[:6]) | (values[:, :6] >= HIGH[:6])).any(axis=1)
    at_bounds |= np.hypot(values[:, 4], values[:, 5]) > MOST_ELLIPTICITY - 1e-6
    at_bounds |= (width > size / 2) | (width < LEAST_FWHM_PX)
    return np.where(hidden | at_bounds | ~(error < LARGEST_ERROR), np.nan, width)


def _minimise(
    light: NDArray, used: NDArray[np.bool_], dx: NDArray, dy: NDArray, values: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the parameters (n, 7) that fit best and the curvature (n, 7, 7) of half of chi square there."""
    values, damping, left = values.copy(), np.full(len(values), 1e-2), np.arange(len(values))
    cost, slope, curvature = _cost(light, used, dx, dy, values)
    for _ in range(ITERATIONS):
        scale = np.einsum("nii->ni", curvature[left]) * damping[left, None] + 1e-9
        damped = curvature[left] + scale[:, :, None] * np.eye(len(LOW))
        step = np.linalg.solve(damped, slope[left, :, None])[..., 0]
        tried = _bounded(values[left] + step)
        new_cost, *new = _cost(light[left], used[left], dx[left], dy[left], tried)
        better, gain = new_cost <= cost[left], cost[left] - new_cost
        rows = left[better]
        values[rows], cost[rows], slope[rows], curvature[rows] = (
            found[better] for found in (tried, new_cost, *new)
        )
        damping[left] *= np.where(better, 0.2, 5.0)
        # Whoever has arrived is left alone.
        left = left[np.where(better, gain > 1e-3 + 1e-5 * new_cost, damping[left] < 1e4)]
        if not len(left):
            break
    return values, curvature


def _bounded(values: NDArray) -> NDArray[np.float64]:
    values = np.clip(values, LOW, HIGH)
    ellipticity = np.hypot(values[:, 4], values[:, 5])
    values[:, 4:6] *= (MOST_ELLIPTICITY / np.maximum(ellipticity, MOST_ELLIPTICITY))[:, None]
    return values


def _cost(
    light: NDArray, used: NDArray[np.bool_], dx: NDArray, dy: NDArray, values: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return chi square (n,), minus half of its slope (n, 7) and half of its curvature (n, 7, 7)."""
    model, slopes = _moffat(values, dx, dy)  # (n, p), (n, 7, p)
    difference = np.where(used, light - model, 0.0)
    slopes = np.where(used[:, None, :], slopes, 0.0)
    shape = (values[:, 6] - SHAPE) / SHAPE_SPREAD
    slope = np.matmul(slopes, difference[:, :, None])[..., 0]
    curvature = np.matmul(slopes, slopes.transpose(0, 2, 1))
    slope[:, 6] -= shape / SHAPE_SPREAD
    curvature[:, 6, 6] += SHAPE_SPREAD**-2
    return np.square(difference).sum(axis=1) + shape**2, slope, curvature


def _moffat(values: NDArray, dx: NDArray, dy: NDArray) -> tuple[NDArray, NDArray]:
    """Return elliptical Moffat profiles (n, p) and their derivatives (n, 7, p)."""
    peak, x, y, log_power, e1, e2, shape = values.T[:, :, None]
    dx, dy, power = dx - x, dy - y, np.exp(log_power)
    difference, product = power * (dx**2 - dy**2), 2 * power * dx * dy
    radius2 = power * (dx**2 + dy**2) + e1 * difference + e2 * product
    base = 1 + shape * radius2
    log_base = np.log(base)
    form = np.exp(-log_base / shape)
    model = peak * form
    by_radius2 = -model / base
    slopes = [
        form,
        by_radius2 * -2 * power * ((1 + e1) * dx + e2 * dy),
        by_radius2 * -2 * power * ((1 - e1) * dy + e2 * dx),
        by_radius2 * radius2,
        by_radius2 * difference,
        by_radius2 * product,
        model * (log_base / shape**2 - radius2 / (shape * base)),
    ]
    return model, np.stack(slopes, axis=1)


def _width(values: NDArray) -> NDArray[np.float64]:
    """Return the FWHM of profiles: where ``(1 + shape * radius2) ** (-1 / shape)`` is a half."""
    log_power, e1, e2, shape = values.T[3:]
    roundness = 1 - e1**2 - e2**2
    return 2 * np.sqrt((2**shape - 1) / shape * np.exp(-log_power)) / roundness**0.25


def _relative_error(values: NDArray, curvature: NDArray) -> NDArray[np.float64]:
    """Return the relative errors of the widths that the noise gives."""
    e1, e2, shape = values.T[4:]
    roundness = 1 - e1**2 - e2**2
    by = np.zeros_like(values)
    by[:, 3], by[:, 4], by[:, 5] = -0.5, 0.5 * e1 / roundness, 0.5 * e2 / roundness
    by[:, 6] = 0.5 * (2**shape * LN2 / (2**shape - 1) - 1 / shape)
    ridge = 1e-12 * np.einsum("nii->n", curvature)[:, None, None] * np.eye(len(LOW))
    variance = np.einsum("ni,ni->n", by, np.linalg.solve(curvature + ridge, by[:, :, None])[..., 0])
    return np.sqrt(np.maximum(variance, 0.0))
