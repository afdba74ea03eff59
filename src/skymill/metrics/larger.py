"""What is known of two numbers of which only the larger one is seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def expected_of_pair(larger: ArrayLike, mean: ArrayLike, sigma: ArrayLike) -> NDArray[np.float64]:
    """Return the expectation of two independent normal numbers, given the larger of them.

    Either number is the one that is seen, with the odds of the densities, or it lies below it, where its mean is that
    of a normal distribution cut off there (Johnson, Kotz & Balakrishnan 1994, section 10.1). No other estimate has a
    smaller mean squared error.

    Parameters
    ----------
    larger : array_like (n, ...)
        The larger one.
    mean, sigma : array_like (n, 2, ...)
        Mean and standard deviation of both.

    Returns
    -------
    ndarray (n, 2, ...)
        Their expectations.
    """
    from scipy.stats import norm

    seen = np.asarray(larger, dtype=np.float64)[:, None]
    mean, sigma = np.asarray(mean, dtype=np.float64), np.asarray(sigma, dtype=np.float64)
    z = (seen - mean) / sigma
    log_density, log_below = norm.logpdf(z), norm.logcdf(z)
    # Chance that this number is the one that is seen and the other one lies below it.
    chance = log_density - np.log(sigma) + log_below[:, ::-1]
    chance = np.exp(chance - np.logaddexp.reduce(chance, axis=1, keepdims=True))
    below = mean - sigma * np.exp(log_density - log_below)
    return chance * seen + (1 - chance) * below
