"""Non-parametric statistics of the images of galaxies, n images at a time.

What a sample of galaxies looks like, in numbers that presume no profile: to compare drawn or generated galaxies with
real ones (:mod:`skymill.metrics.samples`). The tests compare with statmorph (Rodriguez-Gomez et al. 2019, MNRAS 483,
4140), which takes about a second for each galaxy and finds its own segments and skies; here both are given.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from skymill.metrics.bound import NORMAL_ABS_MEAN
from skymill.metrics.growth import TOTAL_RADII, concentration, petrosian_radius
from skymill.metrics.images import distances
from skymill.metrics.moments import moments

#: Part of the light that counts as the brightest (Lotz, Primack & Madau 2004).
BRIGHTEST = 0.2
#: Steps of the search for the centre of symmetry.
CENTRE_STEPS_PX = (0.5, 0.25, 0.125)


def morphology(
    images: NDArray, x: NDArray, y: NDArray, *, threshold: ArrayLike, background_rms: ArrayLike
) -> dict[str, NDArray[np.float64]]:
    """Return all statistics of images that hold one galaxy each.

    Parameters
    ----------
    images : ndarray (n, y, x)
        Sky-subtracted images, linear.
    x, y : ndarray (n,)
        Centres, 0-based px.
    threshold : float or ndarray (n,)
        Surface brightness of the edge of the galaxy's segment, image units; several times the noise.
    background_rms : float or ndarray (n,)
        Noise of a pixel, whose asymmetry is subtracted; 0 for images without noise.

    Returns
    -------
    dict of str to ndarray (n,)
        ``gini``, ``m20`` (of the segment), ``concentration``, ``asymmetry`` (within 1.5 Petrosian radii), ``size``
        (second moments of the segment, px) and ``ellipticity`` (their (a² - b²) / (a² + b²)). NaN for a galaxy without
        a pixel above the threshold, or whose Petrosian radius is not within its image.
    """
    images = np.asarray(images, dtype=np.float64)
    parts = segments(images, x, y, threshold)
    total_px = TOTAL_RADII * petrosian_radius(images, x, y)
    form = moments(np.where(parts, images, 0.0), x, y, np.inf)
    return {
        "gini": gini(images, parts),
        "m20": m20(images, parts),
        "concentration": concentration(images, x, y, total_px),
        "asymmetry": asymmetry(images, x, y, total_px, background_rms),
        "size": form.size,
        "ellipticity": np.hypot(form.e1, form.e2),
    }


def segments(images: NDArray, x: NDArray, y: NDArray, threshold: ArrayLike) -> NDArray[np.bool_]:
    """Return the connected pixels above a threshold that the centre is among, (n, y, x).

    Parameters
    ----------
    images : ndarray (n, y, x)
        Sky-subtracted images.
    x, y : ndarray (n,)
        Centres, 0-based px, rounded; pixels that touch at a corner are connected. Empty where the centre is below.
    threshold : float or ndarray (n,)
        Image units.
    """
    above = np.asarray(images) > np.broadcast_to(np.asarray(threshold), len(images))[:, None, None]
    for part, column, row in zip(above, np.rint(x).astype(int), np.rint(y).astype(int), strict=True):
        labels, _ = ndimage.label(part, structure=np.ones((3, 3)))
        part &= labels == labels[row, column]
    return above


def gini(images: NDArray, segment: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the Gini coefficient of each image's pixels, (n,).

    ``sum (2 i - m - 1) |X_i| / (mean |X| m (m - 1))`` over the m pixels of the segment in increasing order of |X|
    (Lotz, Primack & Madau 2004, AJ 128, 163, eq. 6): 0 where all are alike, 1 where one holds all light. NaN for fewer
    than two pixels, or none with light.

    Parameters
    ----------
    images : ndarray (n, y, x)
        Sky-subtracted images.
    segment : ndarray (n, y, x), bool
        Which pixels are the galaxy's.
    """
    member = np.asarray(segment).reshape(len(images), -1)
    # Pixels outside come first in the order, and count for nothing.
    values = np.sort(
        np.where(member, np.abs(np.asarray(images, dtype=np.float64)).reshape(member.shape), -1.0)
    )
    m = member.sum(axis=1)
    rank = np.arange(values.shape[1]) - (values.shape[1] - m)[:, None] + 1
    values = np.where(rank > 0, values, 0.0)
    light = values.sum(axis=1) * (m - 1)
    return np.sum((2 * rank - m[:, None] - 1) * values, axis=1) / np.where(light > 0, light, np.nan)


def m20(images: NDArray, segment: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the normalised second moment of the brightest pixels with a fifth of the light, (n,).

    ``log10(sum_brightest f_i d_i² / sum f_i d_i²)``, d from the centre of light, about which the moment is least (Lotz,
    Primack & Madau 2004, eqs. 7 and 8; as in statmorph, the pixel with which the fifth is reached counts in). NaN
    without positive light; -inf where all of that fifth is at the centre.

    Parameters
    ----------
    images, segment
        As of :func:`gini`.
    """
    flux = np.where(segment, np.asarray(images, dtype=np.float64), 0.0)
    total = flux.sum(axis=(1, 2))
    total = np.where(total > 0, total, np.nan)
    centre = moments(flux, np.zeros(len(flux)), np.zeros(len(flux)), np.inf)
    second = (flux * distances(flux.shape, centre.x, centre.y) ** 2).reshape(len(flux), -1)
    light = flux.reshape(len(flux), -1)
    order = np.argsort(-light, axis=1, kind="stable")
    light, second = (np.take_along_axis(values, order, axis=1) for values in (light, second))
    before = np.cumsum(light, axis=1) - light
    # Rounding may leave the pixel after an exact fifth just below it.
    brightest = before < BRIGHTEST * (1 - 1e-9) * total[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log10(np.sum(second * brightest, axis=1) / second.sum(axis=1)) + 0.0 * total


def asymmetry(
    images: NDArray, x: NDArray, y: NDArray, radius_px: ArrayLike, background_rms: ArrayLike
) -> NDArray[np.float64]:
    """Return the rotational asymmetry of each image, (n,) (Conselice, Bershady & Jangren 2000, ApJ 529, 886).

    ``(sum |I - I180| - that of noise alone) / sum |I|`` over the pixels of a circle around the centre, I180 turned by
    half around it; the least over centres near (x, y), as the paper has it, found in steps down to an eighth of a
    pixel. Between pixels the turned image is interpolated by cubic splines. 0 for a symmetric image, up to 2.

    Parameters
    ----------
    images : ndarray (n, y, x)
        Sky-subtracted images.
    x, y : ndarray (n,)
        Centres to begin with, 0-based px.
    radius_px : float or ndarray (n,)
        Radius of the circle; pixels whose partner lies outside the image are left out.
    background_rms : float or ndarray (n,)
        Noise of a pixel, independent of its neighbours': what it adds where there is no light is subtracted. On top of
        light it adds less, so a galaxy little brighter than its noise may have a negative value.

    Returns
    -------
    ndarray (n,)
        NaN where the radius is, or the circle holds no light.
    """
    images = np.asarray(images, dtype=np.float64)
    radius, rms = (
        np.broadcast_to(np.asarray(value, dtype=np.float64), len(images))
        for value in (radius_px, background_rms)
    )
    rows = zip(images, x, y, radius, rms, strict=True)
    return np.array([_least_asymmetry(*row) for row in rows], dtype=np.float64)


def _least_asymmetry(image: NDArray, x: float, y: float, radius: float, rms: float) -> float:
    """Walk to the centre with the least asymmetry, to the best of nine places with each step."""
    spline = ndimage.spline_filter(image[::-1, ::-1], order=3)
    best, centre = np.nan, (float(x), float(y))
    for step in CENTRE_STEPS_PX if np.isfinite(radius) else ():
        places = [(centre[0] + i * step, centre[1] + j * step) for i in (0, -1, 1) for j in (0, -1, 1)]
        found = [_asymmetry_about(image, spline, *place, radius, rms) for place in places]
        best, centre = found[int(np.argmin(found))], places[int(np.argmin(found))]
    return best


def _asymmetry_about(image: NDArray, spline: NDArray, x: float, y: float, radius: float, rms: float) -> float:
    """Return the asymmetry about one centre; `spline` is that of the image turned about the middle of its grid."""
    shift = 2 * y - (image.shape[0] - 1), 2 * x - (image.shape[1] - 1)
    turned = ndimage.shift(spline, shift, order=3, mode="constant", cval=np.nan, prefilter=False)
    inside = np.isfinite(turned) & (distances((1, *image.shape), np.array([x]), np.array([y]))[0] <= radius)
    difference = np.abs(image - turned)[inside].sum()
    noise = rms * NORMAL_ABS_MEAN * np.sqrt(1 + _kept_variance(shift[0]) * _kept_variance(shift[1]))
    light = np.abs(image)[inside].sum()
    return float((difference - noise * inside.sum()) / light) if light > 0 else np.nan


@lru_cache(maxsize=4096)
def _kept_variance(shift: float) -> float:
    """Return the part of white noise's variance that interpolation by cubic splines leaves, along one axis."""
    impulse = np.zeros(41)
    impulse[20] = 1.0
    return float(np.sum(ndimage.shift(impulse, shift - np.rint(shift), order=3) ** 2))


def power_spectrum(images: NDArray, n_bins: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the power of each image by wave number, averaged over directions.

    ``|F|² / (number of pixels)``: white noise has its variance at all wave numbers, and the mean over all of the plane
    is the mean square of the pixels (Parseval).

    Parameters
    ----------
    images : ndarray (n, s, s)
        Square images; what is cut at an edge leaves a cross of power.
    n_bins : int
        Rings between the wave numbers 0 and 1/2, the Nyquist frequency; corners beyond it are left out, as is the mean
        level (wave number 0).

    Returns
    -------
    wave_number : ndarray (n_bins,)
        Middle of each ring, cycles per px.
    power : ndarray (n, n_bins)
        NaN in rings without a wave number, where there are more rings than half the side has pixels.
    """
    images = np.asarray(images, dtype=np.float64)
    side = images.shape[-1]
    power = np.abs(np.fft.fft2(images)) ** 2 / side**2
    frequency = np.fft.fftfreq(side)
    k = np.hypot(frequency[:, None], frequency[None, :])
    # The Nyquist frequency itself belongs to the last ring.
    ring = np.minimum((k * 2 * n_bins).astype(np.int64), n_bins - 1)
    ring[(k > 0.5) | (k == 0)] = n_bins
    members = np.bincount(ring.ravel(), minlength=n_bins + 1)[:n_bins]
    in_ring = (ring.ravel()[:, None] == np.arange(n_bins)).astype(np.float64)  # (pixel, ring)
    edges = np.linspace(0.0, 0.5, n_bins + 1)
    sums = power.reshape(len(images), -1) @ in_ring
    return (edges[1:] + edges[:-1]) / 2, sums / np.where(members > 0, members, np.nan)
