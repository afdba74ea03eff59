"""Fourier transforms of round Sersic profiles, with their derivatives."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.fft import fht, fhtoffset
from scipy.interpolate import CubicSpline
from scipy.special import gamma, gammaincinv

if TYPE_CHECKING:
    from numpy.typing import NDArray

NODES = 2048
LOG10_RADIUS = (-9.0, 9.0)
"""Radii of the logarithmic grid, in half-light radii. From 1024 nodes on, transforms of indices 0.5 to 6 are stable to
1e-7 (a test holds n = 1 against its closed form)."""
STEP_LN_N = 1e-3
"""Half-width in ln n of the central difference for the derivative with respect to the index; its error, of second
order, is below 1e-5 of the derivative's largest value (a test)."""
ARGUMENT = (1e-4, 1e4)
"""Wave number times half-light radius between which transforms are tabulated; below, a profile is a point."""


class Radial(NamedTuple):
    """Transform of a profile of flux 1 and its derivatives, each of the shape of the argument.

    Parameters
    ----------
    value : ndarray
        The transform; 1 at wave number 0.
    by_ln_size : ndarray
        Derivative with respect to ln(half-light radius).
    by_ln_n : ndarray
        Derivative with respect to ln(Sersic index) at fixed half-light radius.
    """

    value: NDArray[np.float64]
    by_ln_size: NDArray[np.float64]
    by_ln_n: NDArray[np.float64]


def sersic_transform(n: float, argument: NDArray[np.float64]) -> Radial:
    """Return the Fourier transform of a round Sersic profile.

    It is a Hankel transform, computed by FFTLog (Talman 1978, J. Comput. Phys. 29, 35; Hamilton 2000, MNRAS 312, 257)
    rather than read from GalSim, whose tables are right to 2e-4: enough for images, not for differences in n.

    Parameters
    ----------
    n : float
        Sersic index.
    argument : ndarray
        Wave number (radians per length) times half-light radius, not negative.

    Returns
    -------
    Radial
        Value and derivatives at `argument`.
    """
    inside = np.clip(argument, *ARGUMENT)
    value, by_ln_size, by_ln_n = np.moveaxis(_table(float(n))(np.log(inside)), -1, 0)
    return Radial(value, by_ln_size, by_ln_n)


@lru_cache(maxsize=256)
def _table(n: float) -> CubicSpline:
    """Tabulate the transform and its derivatives, as three columns, against the logarithm of the argument."""
    ln_argument, value = _hankel(n)
    chosen = (ln_argument > np.log(ARGUMENT[0]) - 0.1) & (ln_argument < np.log(ARGUMENT[1]) + 0.1)
    slope = CubicSpline(ln_argument, value)(ln_argument, 1)
    higher, lower = (_hankel(n * np.exp(step))[1] for step in (STEP_LN_N, -STEP_LN_N))
    columns = np.stack([value, slope, (higher - lower) / (2 * STEP_LN_N)], axis=1)
    return CubicSpline(ln_argument[chosen], columns[chosen])


def _hankel(n: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ln(wave number) and the transform of a Sersic profile with flux and half-light radius 1.

    The profile is that of Graham & Driver 2005 (PASA 22, 118), equation 1, with b_n solved exactly.
    """
    radius = np.logspace(*LOG10_RADIUS, NODES)
    b = gammaincinv(2 * n, 0.5)
    flux = 2 * np.pi * n * gamma(2 * n) * b ** (-2 * n)
    light = np.exp(-b * radius ** (1 / n)) / flux
    step = float(np.log(radius[1] / radius[0]))
    offset = fhtoffset(step, mu=0.0)
    wave_number = np.exp(offset) / radius[::-1]
    return np.log(wave_number), 2 * np.pi * fht(light * radius, step, mu=0.0, offset=offset) / wave_number
