"""How the light of images grows with the radius of a circle, n images at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skymill.metrics.images import distances

#: Surface brightness at the Petrosian radius over the mean within it (Lotz, Primack & Madau 2004, AJ 128, 163).
PETROSIAN_RATIO = 0.2
#: Petrosian radii that hold all light of a galaxy, as far as concentrations are concerned (Bershady et al. 2000).
TOTAL_RADII = 1.5


def growth_curves(images: NDArray, x: NDArray, y: NDArray, radii_px: NDArray) -> NDArray[np.float64]:
    """Return the light within circles, (n, k); pixels count as in :func:`skymill.metrics.images.aperture_flux`.

    Parameters
    ----------
    images : ndarray (n, y, x)
        Sky-subtracted images.
    x, y : ndarray (n,)
        Centres, 0-based px.
    radii_px : ndarray (k,)
        Radii, increasing.
    """
    images = np.asarray(images, dtype=np.float64)
    inner, outer = np.asarray(radii_px) - 0.5, np.asarray(radii_px) + 0.5
    curves = np.empty((len(images), len(inner)))
    for place, (image, distance) in enumerate(zip(images, distances(images.shape, x, y), strict=True)):
        order = np.argsort(distance, axis=None)
        radius, light = distance.ravel()[order], image.ravel()[order]
        # Of a pixel at r the part R + 1/2 - r is inside: sums of I and of I r up to each radius say it for all.
        sums, firsts = (np.concatenate([[0.0], np.cumsum(values)]) for values in (light, light * radius))
        whole, begun = (np.searchsorted(radius, edge, side="right") for edge in (inner, outer))
        curves[place] = sums[whole] + outer * (sums[begun] - sums[whole]) - (firsts[begun] - firsts[whole])
    return curves


def radius_of_fraction(
    images: NDArray,
    x: NDArray,
    y: NDArray,
    fraction: float,
    total_radius_px: ArrayLike,
    step_px: float = 0.25,
) -> NDArray[np.float64]:
    """Return the radius of the circle that holds a fraction of an image's light, px, (n,).

    Parameters
    ----------
    images, x, y
        As of :func:`growth_curves`.
    fraction : float
        Fraction of the light within `total_radius_px`.
    total_radius_px : float or ndarray (n,)
        Radius that holds all light.
    step_px : float
        Step of the radii; between them the curve is a straight line.

    Returns
    -------
    ndarray (n,)
        The smallest such radius; NaN where the light within the total radius is not positive, or that is NaN.
    """
    total_radius = np.broadcast_to(np.asarray(total_radius_px, dtype=np.float64), len(images))
    radii = _radii(np.shape(images), step_px)
    found = np.full(len(images), np.nan)
    for place, curve in enumerate(growth_curves(images, x, y, radii)):
        aim = fraction * np.interp(total_radius[place], radii, curve)
        if aim > 0:
            # Noise lets a curve fall again: the first radius counts.
            after = max(int(np.argmax(curve >= aim)), 1)
            low, high = curve[after - 1], curve[after]
            found[place] = radii[after - 1] + step_px * np.clip((aim - low) / (high - low), 0.0, 1.0)
    return found


def petrosian_radius(
    images: NDArray, x: NDArray, y: NDArray, ratio: float = PETROSIAN_RATIO, step_px: float = 0.5
) -> NDArray[np.float64]:
    """Return the Petrosian radius, px, (n,) (Petrosian 1976, ApJ 209, L1).

    The smallest radius at which the mean surface brightness of a ring 2 `step_px` wide is `ratio` of the mean within;
    NaN where it is not within the image.

    Parameters
    ----------
    images, x, y
        As of :func:`growth_curves`.
    ratio : float
        That part of the mean surface brightness.
    step_px : float
        Step of the radii.
    """
    radii = _radii(np.shape(images), step_px)
    curves = growth_curves(images, x, y, radii)
    middle = radii[1:-1]
    ring = (curves[:, 2:] - curves[:, :-2]) / (np.pi * (radii[2:] ** 2 - radii[:-2] ** 2))
    excess = ring - ratio * curves[:, 1:-1] / (np.pi * middle**2)  # (n, k), positive inside the radius
    # The first rings of a galaxy that is fainter than its noise say nothing: from the first positive one on.
    outside = (excess <= 0) & (np.cumsum(excess > 0, axis=1) > 0)
    after = np.argmax(outside, axis=1)
    row = np.arange(len(curves))
    before, behind = excess[row, after - 1], excess[row, after]
    with np.errstate(invalid="ignore", divide="ignore"):
        crossing = middle[after] - step_px * behind / (behind - before)
    return np.where(outside.any(axis=1), crossing, np.nan)


def concentration(images: NDArray, x: NDArray, y: NDArray, total_radius_px: ArrayLike) -> NDArray[np.float64]:
    """Return the concentration of the light, 5 log10(r80 / r20), (n,) (Bershady et al. 2000, AJ 119, 2645).

    With a total of :data:`TOTAL_RADII` Petrosian radii an exponential disc has 2.74 and a de Vaucouleurs profile 4.29;
    with all light out to infinity, 2.80 and 5.27. A PSF and pixels lower it, small galaxies' most.

    Parameters
    ----------
    images, x, y
        As of :func:`growth_curves`.
    total_radius_px : float or ndarray (n,)
        Radius that holds all light.

    Returns
    -------
    ndarray (n,)
        NaN where the light within that radius is not positive.
    """
    r20, r80 = (radius_of_fraction(images, x, y, fraction, total_radius_px) for fraction in (0.2, 0.8))
    return 5.0 * np.log10(r80 / r20)


def _radii(shape: tuple[int, ...], step_px: float) -> NDArray[np.float64]:
    """Return radii from 0 to the corner that is farthest from the middle of the image."""
    return np.arange(0.0, np.hypot(*shape[1:]) / 2 + 2 * step_px, step_px)
