"""How far measured fluxes are from true ones.

`flux` and `flux_true` share one unit. ``delta_mag`` is measured minus true magnitude: positive when the measurement
is too faint. The definitions are those of Boucaud et al. 2020 (MNRAS 491, 2481), whose published figures
`tests/science/test_published_figures.py` recomputes with these functions. `weights` are the bootstrap counts of
:mod:`skymill.metrics.weighted`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skymill.metrics.weighted import mean, median, nmad, standard_deviation

#: |delta_mag| above which a flux is catastrophically wrong: a factor of two (Boucaud et al. 2020, figure 9).
OUTLIER_MAG = 0.75


def mag_difference(flux: ArrayLike, flux_true: ArrayLike) -> NDArray[np.float64]:
    """Return measured minus true magnitude.

    Parameters
    ----------
    flux, flux_true : array_like, shape (n,)
        Measured and true flux in the same unit; the true flux is positive.

    Returns
    -------
    ndarray of float64, shape (n,)
        ``-2.5 log10(flux / flux_true)``: +inf where the measured flux is zero or negative (fainter than any
        magnitude), NaN where it is NaN (nothing was measured).
    """
    ratio = np.asarray(flux, dtype=np.float64) / np.asarray(flux_true, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return -2.5 * np.log10(np.where(ratio < 0, 0.0, ratio))


def flux_ape(flux: ArrayLike, flux_true: ArrayLike) -> NDArray[np.float64]:
    """Return the absolute error of each flux as a fraction of the true flux.

    Parameters
    ----------
    flux, flux_true : array_like, shape (n,)
        Measured and true flux in the same unit.
    """
    return np.abs(np.asarray(flux, dtype=np.float64) / np.asarray(flux_true, dtype=np.float64) - 1.0)


def flux_mape(flux: ArrayLike, flux_true: ArrayLike, weights: NDArray | None = None) -> NDArray | np.floating:
    """Return the mean absolute percentage error of the fluxes, in percent (Boucaud et al. 2020, equation 2).

    Parameters
    ----------
    flux, flux_true : array_like, shape (n,)
        Measured and true flux in the same unit.
    weights : ndarray, shape (..., n), optional
        Bootstrap counts.
    """
    return 100.0 * mean(flux_ape(flux, flux_true), weights)


def flux_ape_median(
    flux: ArrayLike, flux_true: ArrayLike, weights: NDArray | None = None
) -> NDArray | np.floating:
    """Return the median absolute percentage error of the fluxes, in percent; parameters as of :func:`flux_mape`."""
    return 100.0 * median(flux_ape(flux, flux_true), weights)


def flux_mape_ratio(
    flux: ArrayLike, flux_true: ArrayLike, other_flux: ArrayLike, weights: NDArray | None = None
) -> NDArray | np.floating:
    """Return how many times larger the flux MAPE of another detector is on the same sources.

    Parameters
    ----------
    flux, flux_true, other_flux : array_like, shape (n,)
        Measured and true flux, and that which the other detector measured, in the same unit.
    weights : ndarray, shape (..., n), optional
        Bootstrap counts.

    Returns
    -------
    float or ndarray
        Infinite, or NaN, where every `flux` is the true one.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.divide(flux_mape(other_flux, flux_true, weights), flux_mape(flux, flux_true, weights))


def mag_bias(delta_mag: NDArray, weights: NDArray | None = None) -> NDArray | np.floating:
    """Return the median of `delta_mag` (n,), in mag."""
    return median(delta_mag, weights)


def mag_abs_median(delta_mag: NDArray, weights: NDArray | None = None) -> NDArray | np.floating:
    """Return the median of the absolute value of `delta_mag` (n,), in mag."""
    return median(np.abs(delta_mag), weights)


def mag_sigma(delta_mag: NDArray, weights: NDArray | None = None) -> NDArray | np.floating:
    """Return the standard deviation of `delta_mag` (n,), in mag, with all outliers in it.

    Rows without a finite magnitude are left out; :func:`outlier_fraction` counts them.
    """
    return standard_deviation(*_finite(delta_mag, weights))


def mag_nmad(delta_mag: NDArray, weights: NDArray | None = None) -> NDArray | np.floating:
    """Return the normalised median absolute deviation of `delta_mag` (n,), in mag: the width of the core.

    Rows without a finite magnitude are left out; :func:`outlier_fraction` counts them.
    """
    return nmad(*_finite(delta_mag, weights))


def outlier_fraction(
    delta_mag: NDArray, weights: NDArray | None = None, limit_mag: float = OUTLIER_MAG
) -> NDArray | np.floating:
    """Return the fraction with an absolute `delta_mag` (n,) above `limit_mag`; a flux of zero or less is one."""
    return mean(np.abs(delta_mag) > limit_mag, weights)


def coverage(
    low: NDArray, high: NDArray, flux_true: NDArray, weights: NDArray | None = None
) -> NDArray | np.floating:
    """Return the fraction of true fluxes inside an interval, ends included.

    Parameters
    ----------
    low, high, flux_true : ndarray, shape (n,)
        Ends of each measurement's interval and the true flux, in the same unit.
    weights : ndarray, shape (..., n), optional
        Bootstrap counts.

    Returns
    -------
    float or ndarray
        For honest errors what the interval promises; less means that the errors are too small.
    """
    return mean((np.asarray(low) <= flux_true) & (flux_true <= np.asarray(high)), weights)


def _finite(values: NDArray, weights: NDArray | None) -> tuple[NDArray, NDArray | None]:
    """Return the finite values and their weights."""
    values = np.asarray(values, dtype=np.float64)
    keep = np.isfinite(values)
    return values[keep], None if weights is None else weights[..., keep]
