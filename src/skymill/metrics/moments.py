"""Where the light of images is and how it is spread: moments under a Gaussian window, n images at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Moments(NamedTuple):
    """Moments of n images under a window; all NaN where the window holds no net light.

    Parameters
    ----------
    x, y : ndarray (n,)
        Mean position, 0-based px.
    size : ndarray (n,)
        Root of the mean of the two second moments about it, px; NaN where that mean is not positive.
    e1, e2 : ndarray (n,)
        Ellipticity (Qxx - Qyy) / (Qxx + Qyy), 2 Qxy / (Qxx + Qyy): length (a² - b²) / (a² + b²) for axes a and b,
        half the angle from +x towards +y. NaN as `size`.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    size: NDArray[np.float64]
    e1: NDArray[np.float64]
    e2: NDArray[np.float64]


def light_width(light: NDArray) -> NDArray[np.float64]:
    """Return the width of light (…, y, x), px: of a round Gaussian its standard deviation, 0 where there is none.

    (Σ l)² / Σ l² is the area in which a source's noise counts, 4 π σ² for a Gaussian.
    """
    light = np.asarray(light, dtype=np.float64)
    squares = np.square(light).sum(axis=(-2, -1))
    return light.sum(axis=(-2, -1)) / np.sqrt(4 * np.pi * np.maximum(squares, np.finfo(np.float64).tiny))


def moments(images: NDArray, x: NDArray, y: NDArray, sigma_px: ArrayLike) -> Moments:
    """Return first and second moments of images under round Gaussian windows that stay where they are put.

    ``Q_ij = sum w I (r - <r>)_i (r - <r>)_j / sum w I`` (Kaiser, Squires & Broadhurst 1995, ApJ 449, 460, section 2).
    The window keeps noise out, which unweighted moments drown in, and makes every moment smaller: of a round Gaussian
    of width s the size is s / sqrt(1 + s² / sigma²), and offsets are 1 / (1 + s² / sigma²) of the true ones. Compare
    moments under the same window.

    Parameters
    ----------
    images : ndarray (n, y, x)
        Sky-subtracted images.
    x, y : ndarray (n,)
        Centres of the windows, 0-based px.
    sigma_px : float or ndarray (n,)
        Their standard deviations; infinite for unweighted moments.
    """
    images = np.asarray(images, dtype=np.float64)
    sigma = np.broadcast_to(np.asarray(sigma_px, dtype=np.float64), len(images))
    along_x, along_y = (
        _powers(side, centre, sigma) for side, centre in zip(images.shape[:0:-1], (x, y), strict=True)
    )
    rows = np.einsum("nyx,nkx->nky", images, along_x)  # (n, power of dx, y)
    sums = np.einsum("nky,nly->nkl", rows, along_y)  # (n, power of dx, power of dy)
    total = np.where(sums[:, 0, 0] > 0, sums[:, 0, 0], np.nan)
    dx, dy = sums[:, 1, 0] / total, sums[:, 0, 1] / total
    qxx, qyy = sums[:, 2, 0] / total - dx**2, sums[:, 0, 2] / total - dy**2
    qxy, trace = sums[:, 1, 1] / total - dx * dy, np.where(qxx + qyy > 0, qxx + qyy, np.nan)
    return Moments(x + dx, y + dy, np.sqrt(trace / 2), (qxx - qyy) / trace, 2 * qxy / trace)


def _powers(side: int, centre: NDArray, sigma: NDArray) -> NDArray[np.float64]:
    """Return window, window times offset and window times offset² along one axis, (n, 3, side)."""
    offset = np.arange(side) - np.asarray(centre, dtype=np.float64)[:, None]
    window = np.exp(-0.5 * (offset / sigma[:, None]) ** 2)
    return np.stack([window, window * offset, window * offset**2], axis=1)


def centroid_error(found: Moments, true: Moments) -> NDArray[np.float64]:
    """Return the distance of the mean positions, px, (n,)."""
    return np.hypot(found.x - true.x, found.y - true.y)


def size_error(found: Moments, true: Moments) -> NDArray[np.float64]:
    """Return the relative error of the size, (n,): positive where the image is too large."""
    return found.size / true.size - 1.0


def ellipticity_error(found: Moments, true: Moments) -> NDArray[np.float64]:
    """Return the length of the difference of the ellipticities, (n,): wrong elongations and wrong angles count."""
    return np.hypot(found.e1 - true.e1, found.e2 - true.e2)
