"""Measuring an image that holds one galaxy and little else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOW_STEPS = 20
WINDOW_CONVERGED_PX = 1e-3


def centroid(image: NDArray, sigma: float, start: tuple[float, float] | None = None) -> tuple[float, float]:
    """Return the centre of the light under a Gaussian window that follows it.

    The window keeps noise and the image's far corners out, as in SExtractor's XWIN_IMAGE (SExtractor manual,
    'Windowed positional parameters'): each step moves by twice the weighted mean offset.

    Parameters
    ----------
    image : ndarray (y, x)
        Sky-subtracted.
    sigma : float
        Standard deviation of the window, px.
    start : (float, float), optional
        Where the window is put first, (x, y); the middle of the image if not given.

    Returns
    -------
    x, y : float
        0-based pixels. The start if the centre runs away from it, by a quarter of the image or more.
    """
    height, width = image.shape
    first = np.array([(width - 1) / 2, (height - 1) / 2] if start is None else start, dtype=np.float64)
    rows, columns = np.indices(image.shape)
    centre = first.copy()
    for _ in range(WINDOW_STEPS):
        dx, dy = columns - centre[0], rows - centre[1]
        weight = image * np.exp(-(dx**2 + dy**2) / (2 * sigma**2))
        total = weight.sum()
        if total <= 0:
            return float(first[0]), float(first[1])
        step = 2 * np.array([(weight * dx).sum(), (weight * dy).sum()]) / total
        centre += step
        if not (np.abs(centre - first) < np.array([width, height]) / 4).all():
            return float(first[0]), float(first[1])
        if np.hypot(*step) < WINDOW_CONVERGED_PX:
            break
    return float(centre[0]), float(centre[1])


def half_light_radius_px(image: NDArray, x: float, y: float) -> float:
    """Return the radius of the circle around (x, y) that holds half of the image's light, px.

    Pixels count by their centres' distance; the growth curve is interpolated between them. At least half a pixel.
    """
    rows, columns = np.indices(image.shape)
    radius = np.hypot(columns - x, rows - y).ravel()
    order = np.argsort(radius, kind="stable")
    growth = np.cumsum(image.ravel()[order], dtype=np.float64)
    reached = int(np.argmax(growth >= 0.5 * growth[-1]))
    # A pixel's light counts as a disc of its area around its centre would: half of it lies inside.
    return float(max(radius[order][reached], 0.5))
