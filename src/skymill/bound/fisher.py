"""Fisher information of pixels, and the Cramér–Rao bound on fluxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALLEST_EIGENVALUE = 1e-12
"""Directions whose information is below this fraction of the largest one's (all parameters scaled to information 1)
are dropped: rounding has eaten them."""


def fisher_matrix(images: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Fisher information of independent pixels.

    ``F_ij = sum over pixels of (dI/dp_i) (dI/dp_j) / variance``. For white noise of known width this is the whole
    information; for counted electrons it is so too, exactly, although their variance depends on the parameters: the
    information of Poisson counts of mean m is ``dm dm / m`` and holds no further term (Kay 1993, *Fundamentals of
    Statistical Signal Processing: Estimation Theory*, section 3.8, gives the additional ``1/2 dvar dvar / var**2`` for
    *normal* noise of unknown variance; it would count twice what is in the counts once).

    Parameters
    ----------
    images : ndarray (p, y, x)
        Derivatives of the noise-free image.
    variance : ndarray (y, x)
        Variance of the pixels, positive.

    Returns
    -------
    ndarray (p, p)
        Symmetric.
    """
    scaled = (images / np.sqrt(variance)).reshape(len(images), -1)
    return scaled @ scaled.T


def flux_bounds(
    information: NDArray[np.float64], total_flux: NDArray[np.float64]
) -> tuple[NDArray[np.float64], int]:
    """Return the least standard deviation that unbiased measurements of total fluxes can have.

    The Cramér–Rao bound ``sqrt(g F^-1 g)`` with every parameter free, g being the derivative of a total flux. The
    matrix is first scaled to unit diagonal, which makes its condition independent of the parameters' units. Directions
    without information (the angle of a round galaxy; two components of one shape) are dropped, that is held fixed: the
    result is then still a bound, if not the highest one. A direction that only exchanges light between components of
    one galaxy leaves the total flux as it is, and dropping it changes nothing.

    Parameters
    ----------
    information : ndarray (p, p)
        Fisher matrix.
    total_flux : ndarray (m, p)
        Derivative of each of m total fluxes with respect to the parameters.

    Returns
    -------
    sigma : ndarray (m,), float64
        Bounds, in the unit of the fluxes.
    n_dropped : int
        Directions that were dropped.
    """
    scale = np.sqrt(np.diag(information))
    known = scale > 0
    scale = scale[known]
    values, vectors = np.linalg.eigh(information[np.ix_(known, known)] / np.outer(scale, scale))
    kept = values > SMALLEST_EIGENVALUE * values[-1]
    along = (total_flux[:, known] / scale) @ vectors[:, kept]
    sigma = np.sqrt((along**2 / values[kept]).sum(axis=1))
    return sigma, len(information) - int(kept.sum())
