"""How near measured fluxes come to the least error that the noise allows.

`flux`, `flux_true` and `flux_bound` share one unit; the last is the Cramér–Rao bound of each flux, the standard
deviation that an unbiased measurement has at least. `weights` are the bootstrap counts of
:mod:`skymill.metrics.weighted`. A measurement that leans on what is usual among galaxies is not unbiased, and may be
nearer to the truth than the bound.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skymill.metrics.weighted import mean, median

#: Median and mean of the absolute value of a normal number of standard deviation 1: Phi^-1(3/4), sqrt(2 / pi).
NORMAL_ABS_MEDIAN, NORMAL_ABS_MEAN = 0.6744898, 0.7978846


def flux_error_over_bound(
    flux: NDArray, flux_true: NDArray, flux_bound: NDArray, weights: NDArray | None = None
) -> NDArray | np.floating:
    """Return the typical error of fluxes in units of their bounds.

    The median of ``|flux - flux_true| / flux_bound`` over that of a normal distribution: 1 for unbiased normal errors
    at the bound. Errors of both kinds count, scatter and bias; nearly half of the galaxies may be wrong by any factor.

    Parameters
    ----------
    flux, flux_true, flux_bound : ndarray, shape (n,)
        Measured flux, true flux and bound.
    weights : ndarray, shape (..., n), optional
        Bootstrap counts.
    """
    return median(np.abs(np.asarray(flux) - flux_true) / flux_bound, weights) / NORMAL_ABS_MEDIAN


def flux_bound_median(
    flux_true: NDArray, flux_bound: NDArray, weights: NDArray | None = None
) -> NDArray | np.floating:
    """Return the median of the bounds (n,) in percent of the true fluxes (n,)."""
    return 100.0 * median(np.asarray(flux_bound) / flux_true, weights)


def flux_mape_bound(
    flux_true: NDArray, flux_bound: NDArray, weights: NDArray | None = None
) -> NDArray | np.floating:
    """Return the flux MAPE in percent of unbiased normal errors at the bounds (n,) of true fluxes (n,).

    The mean of ``sqrt(2 / pi) flux_bound / flux_true``: what :func:`skymill.metrics.photometry.flux_mape` would be.
    """
    return 100.0 * NORMAL_ABS_MEAN * mean(np.asarray(flux_bound) / flux_true, weights)
