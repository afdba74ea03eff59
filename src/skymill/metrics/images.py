"""How near images are to the true ones, n images at a time.

Images are sky-subtracted pixels in a linear unit unless said otherwise. PSNR and SSIM come from photography, where
pixels run from 0 to 255; astronomical ones do not, so what stands for that range, the level that counts as black and
the curve that pixels are seen through are arguments without defaults. Values compare only where all three are the same.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skymill.metrics.weighted import mean, median

#: Takes pixels above the background, returns them as they are compared; works on each pixel alone.
Stretch = Callable[[NDArray], NDArray]

#: Standard deviation (px) and cut (standard deviations) of the window of SSIM, as in Wang et al. 2004.
SSIM_SIGMA_PX, SSIM_TRUNCATE = 1.5, 3.5


def linear(pixels: NDArray) -> NDArray:
    """Return the pixels as they are."""
    return pixels


def asinh(softening: float) -> Stretch:
    """Return the stretch ``arsinh(pixels / softening)`` (Lupton, Gunn & Szalay 1999, AJ 118, 1406).

    Parameters
    ----------
    softening : float
        Pixel value where it turns from linear to logarithmic, such as the noise; positive.

    Raises
    ------
    ValueError
        If the softening is not positive.
    """
    if not softening > 0:
        raise ValueError(f"softening: expected a positive pixel value, found {softening}")
    return lambda pixels: np.arcsinh(pixels / softening)


def peak(true: NDArray) -> NDArray[np.float64]:
    """Return the brightest pixel of each image (n, y, x): the data range of sky-subtracted, linear images."""
    return np.asarray(true, dtype=np.float64).max(axis=(1, 2))


def psnr(
    images: NDArray, true: NDArray, *, data_range: ArrayLike, background: ArrayLike, stretch: Stretch
) -> NDArray[np.float64]:
    """Return the peak signal-to-noise ratio of each image, dB.

    ``10 log10(data_range² / mean squared difference)``, over all pixels of an image. Of linear, sky-subtracted pixels
    with the true image's peak as the range it is 20 log10 of how many root-mean-square errors of a pixel fit into that
    peak: it grows with the brightness and compactness of a galaxy, and falls with the side of a stamp only as far as
    its outskirts are better than its middle. A faint galaxy may have a negative value.

    Parameters
    ----------
    images, true : ndarray (n, y, x)
        Images and true images, the same unit.
    data_range : float or ndarray (n,)
        Range of the true pixels, background subtracted and stretched.
    background : float or ndarray (n,)
        Level that is subtracted from both before the stretch. It changes nothing for :func:`linear`.
    stretch : callable
        What both are seen through, such as :func:`linear` or ``asinh(softening)``.

    Returns
    -------
    ndarray (n,)
        inf where the images are the same; NaN where the range is not positive or a pixel is not finite.

    Raises
    ------
    ValueError
        If the two are not of one shape (n, y, x).
    """
    seen, aim = _seen(images, true, background, stretch)
    error = np.mean((seen - aim) ** 2, axis=(1, 2))
    span = _range(data_range, len(seen))
    with np.errstate(divide="ignore"):
        return np.where(np.isnan(error), np.nan, 10.0 * np.log10(span**2 / error))


def ssim(
    images: NDArray, true: NDArray, *, data_range: ArrayLike, background: ArrayLike, stretch: Stretch
) -> NDArray[np.float64]:
    """Return the mean structural similarity of each image (Wang, Bovik, Sheikh & Simoncelli 2004, IEEE TIP 13, 600).

    As the paper has it: a Gaussian window of 1.5 px, K1 = 0.01, K2 = 0.03, population variances, mean over all pixels
    whose window lies within the image; computed by scikit-image. Unlike PSNR it depends on the background: the term of
    luminance compares levels.

    Parameters
    ----------
    images, true, data_range, background, stretch
        As of :func:`psnr`; the sides are at least 11 px.

    Returns
    -------
    ndarray (n,)
        -1 to 1, 1 for equal images; NaN where the range is not positive or a pixel is not finite.

    Raises
    ------
    ValueError
        If the two are not of one shape (n, y, x), or smaller than the window.
    """
    from skimage.metrics import structural_similarity

    seen, aim = _seen(images, true, background, stretch)
    span = _range(data_range, len(seen))
    found = np.full(len(seen), np.nan)
    finite = np.isfinite(seen).all(axis=(1, 2)) & np.isfinite(aim).all(axis=(1, 2)) & (span > 0)
    for place in np.flatnonzero(finite):
        found[place] = structural_similarity(
            seen[place],
            aim[place],
            data_range=span[place],
            gaussian_weights=True,
            sigma=SSIM_SIGMA_PX,
            truncate=SSIM_TRUNCATE,
            use_sample_covariance=False,
        )
    return found


def residual_power(images: NDArray, true: NDArray) -> NDArray[np.float64]:
    """Return the power of the difference over that of the true image: sum (I - T)² / sum T², (n,).

    0 for equal images, 1 for an empty one; NaN where the true image is empty. Of linear pixels its inverse is the
    signal-to-noise ratio of an image as a whole.
    """
    seen, aim = _seen(images, true, 0.0, linear)
    power = np.sum(aim**2, axis=(1, 2))
    return np.sum((seen - aim) ** 2, axis=(1, 2)) / np.where(power > 0, power, np.nan)


def stamp_flux(images: NDArray) -> NDArray[np.float64]:
    """Return the sum of all pixels of each image (n, y, x)."""
    return np.sum(images, axis=(1, 2), dtype=np.float64)


def aperture_flux(images: NDArray, x: NDArray, y: NDArray, radius_px: ArrayLike) -> NDArray[np.float64]:
    """Return the light within a circle of each image, (n,).

    Parameters
    ----------
    images : ndarray (n, y, x)
        Sky-subtracted images.
    x, y : ndarray (n,)
        Centres, 0-based px.
    radius_px : float or ndarray (n,)
        Radii. A pixel counts by how far it reaches into the circle along the line to the centre, which is its share of
        area to within 1 % of the whole from a radius of 3 px on.
    """
    distance = distances(np.shape(images), x, y)
    radius = np.broadcast_to(np.asarray(radius_px, dtype=np.float64), len(distance))
    return np.einsum("nyx,nyx->n", images, np.clip(radius[:, None, None] - distance + 0.5, 0.0, 1.0))


def distances(shape: tuple[int, ...], x: NDArray, y: NDArray) -> NDArray[np.float64]:
    """Return the distance of each pixel's centre from (x, y) of its image, px, (n, y, x)."""
    _, height, width = shape
    dx = np.arange(width) - np.asarray(x, dtype=np.float64)[:, None]  # (n, x)
    dy = np.arange(height) - np.asarray(y, dtype=np.float64)[:, None]  # (n, y)
    return np.hypot(dy[:, :, None], dx[:, None, :])


def mean_percent(error: NDArray, weights: NDArray | None = None) -> NDArray | np.floating:
    """Return the mean size of relative errors (n,), percent; `weights` are bootstrap counts, (..., n)."""
    return 100.0 * mean(np.abs(error), weights)


def median_percent(error: NDArray, weights: NDArray | None = None) -> NDArray | np.floating:
    """Return the median size of relative errors (n,), percent; `weights` are bootstrap counts, (..., n)."""
    return 100.0 * median(np.abs(error), weights)


def _seen(
    images: NDArray, true: NDArray, background: ArrayLike, stretch: Stretch
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both as they are compared, float64."""
    images, true = np.asarray(images, dtype=np.float64), np.asarray(true, dtype=np.float64)
    if images.ndim != 3 or images.shape != true.shape:
        raise ValueError(f"expected images of one shape (n, y, x), found {images.shape} and {true.shape}")
    level = np.broadcast_to(np.asarray(background, dtype=np.float64), len(images))[:, None, None]
    return stretch(images - level), stretch(true - level)


def _range(data_range: ArrayLike, n: int) -> NDArray[np.float64]:
    """Return the range of each image, NaN where it is none."""
    span = np.broadcast_to(np.asarray(data_range, dtype=np.float64), n)
    return np.where(span > 0, span, np.nan)
