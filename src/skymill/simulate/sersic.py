"""Formulas of Sersic profiles, on arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammainc, gammaincinv

if TYPE_CHECKING:
    from numpy.typing import NDArray

BISECTIONS = 50


def enclosed_fraction(radius: NDArray, re: NDArray, n: NDArray | float) -> NDArray:
    """Return the fraction of a Sersic profile's light within a radius.

    ``gammainc(2 n, b_n (r / re)**(1 / n))`` with b_n such that half lies within `re`: Graham & Driver 2005, PASA 22,
    118, equations 1 to 5 (b_n is solved exactly here).

    Parameters
    ----------
    radius, re : ndarray
        Circularised radius and half-light radius, one unit.
    n : ndarray or float
        Sersic index.
    """
    return gammainc(2 * n, gammaincinv(2 * n, 0.5) * (radius / re) ** (1 / n))


def half_light_radius(
    bulge_to_total: NDArray, bulge_re: NDArray, bulge_n: NDArray, disc_re: NDArray
) -> NDArray[np.float64]:
    """Return the half-light radius of bulge + exponential disc.

    Parameters
    ----------
    bulge_to_total : ndarray (n,)
        Bulge's fraction of the flux.
    bulge_re, disc_re : ndarray (n,)
        Circularised half-light radii, one unit; that of a component without light is ignored but must be positive.
    bulge_n : ndarray (n,)
        Sersic index of the bulge.

    Returns
    -------
    ndarray (n,)
        Circularised half-light radius of the sum, by bisection between the two.
    """
    low = np.log(np.minimum(bulge_re, disc_re))
    high = np.log(np.maximum(bulge_re, disc_re))
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        bulge = bulge_to_total * enclosed_fraction(np.exp(middle), bulge_re, bulge_n)
        disc = (1 - bulge_to_total) * enclosed_fraction(np.exp(middle), disc_re, 1.0)
        inside = bulge + disc < 0.5
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return np.exp(0.5 * (low + high))
