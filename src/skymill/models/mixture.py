"""A mixture of normal distributions: what the looks of galaxies are drawn from, given magnitude and size.

The looks that an encoder finds for the galaxies that a network was trained on are no standard normal distribution; a
generator that draws from one draws galaxies that the population does not hold. The mixture is fitted to them after
training (an ex-post density, Ghosh et al. 2020, ICLR, arXiv:1903.12436), jointly with magnitude and size, so that it
can be asked for galaxies of a given magnitude and size.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

STEPS = 60
LEAST_VARIANCE = 1e-3
"""Added to each variance, in units of the whole sample's."""
TINY = 1e-6


class Mixture(nn.Module):
    """Weights, means and covariances of normal distributions; numpy does the sums, in double precision.

    Parameters
    ----------
    components, dimensions : int
        Number of distributions, and of what they are of.
    """

    def __init__(self, components: int, dimensions: int) -> None:
        super().__init__()
        self.register_buffer("weights", torch.full((components,), 1 / components))
        self.register_buffer("means", torch.zeros(components, dimensions))
        self.register_buffer("covariances", torch.eye(dimensions).repeat(components, 1, 1))

    def set(self, weights: NDArray, means: NDArray, covariances: NDArray) -> None:
        """Take what :func:`fit_mixture` gives."""
        for name, values in (("weights", weights), ("means", means), ("covariances", covariances)):
            getattr(self, name).copy_(torch.from_numpy(np.asarray(values, dtype=np.float32)))

    def given(self, known: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        """Return the mixture of the first dimensions where the last ones are known.

        Parameters
        ----------
        known : ndarray (k,)
            Values of the last k dimensions.

        Returns
        -------
        weights (m,), means (m, d - k), covariances (m, d - k, d - k) : ndarray
        """
        weights, means, covariances = (
            _double(getattr(self, name)) for name in ("weights", "means", "covariances")
        )
        d = means.shape[1] - len(known)
        cross, own = covariances[:, :d, d:], covariances[:, d:, d:]
        offset = known - means[:, d:]
        gain = cross @ np.linalg.inv(own)  # (m, d, k)
        log_weights = np.log(weights) + _log_normal(offset, own)
        chance = np.exp(log_weights - log_weights.max())
        conditional = covariances[:, :d, :d] - gain @ cross.transpose(0, 2, 1)
        return chance / chance.sum(), means[:, :d] + np.einsum("mdk,mk->md", gain, offset), conditional

    def draw(self, known: NDArray, generator: np.random.Generator) -> NDArray[np.float64]:
        """Draw the first dimensions where the last ones are known, (d - k,)."""
        weights, means, covariances = self.given(known)
        chosen = int(generator.choice(len(weights), p=weights))
        root = np.linalg.cholesky(covariances[chosen] + 1e-9 * np.eye(means.shape[1]))
        return means[chosen] + root @ generator.standard_normal(means.shape[1])

    def log_density(self, rows: NDArray) -> NDArray[np.float64]:
        """Return the log of the density of all dimensions at rows (n, d), (n,)."""
        weights, means, covariances = (
            _double(getattr(self, name)) for name in ("weights", "means", "covariances")
        )
        parts = np.log(weights)[:, None] + _log_normals(rows, means, covariances)
        return np.logaddexp.reduce(parts, axis=0)


def fit_mixture(
    rows: NDArray, components: int, generator: np.random.Generator
) -> tuple[NDArray, NDArray, NDArray]:
    """Fit normal distributions to rows by expectation maximisation (Dempster, Laird & Rubin 1977, JRSSB 39, 1).

    Parameters
    ----------
    rows : ndarray (n, d)
        The sample; more rows than components.
    components : int
        Number of distributions.
    generator : numpy.random.Generator
        Draws the rows that the means start from.

    Returns
    -------
    weights (m,), means (m, d), covariances (m, d, d) : ndarray, float64
    """
    rows = np.asarray(rows, dtype=np.float64)
    whole = np.cov(rows.T)
    # What is the same in all rows still needs a width.
    floor = np.diag(LEAST_VARIANCE * np.diag(whole) + TINY)
    means = rows[generator.choice(len(rows), components, replace=False)]
    covariances = np.repeat((whole + floor)[None], components, axis=0)
    weights = np.full(components, 1 / components)
    for _ in range(STEPS):
        parts = np.log(weights)[:, None] + _log_normals(rows, means, covariances)
        member = np.exp(parts - np.logaddexp.reduce(parts, axis=0))  # (m, n)
        count = member.sum(axis=1) + 1e-6
        weights = count / count.sum()
        means = member @ rows / count[:, None]
        for number in range(components):
            offset = rows - means[number]
            scatter = (member[number][:, None] * offset).T @ offset
            # One whole row's worth of the sample's own scatter keeps a component of few rows from collapsing.
            covariances[number] = (scatter + whole) / (count[number] + 1) + floor
    return weights, means, covariances


def _log_normals(rows: NDArray, means: NDArray, covariances: NDArray) -> NDArray[np.float64]:
    """Return the log density of each normal distribution at each row, (m, n)."""
    return np.array(
        [_log_normal(rows - mean, covariance) for mean, covariance in zip(means, covariances, strict=True)]
    )


def _log_normal(offset: NDArray, covariance: NDArray) -> NDArray[np.float64]:
    """Return the log density at offsets from the mean (n, d) of one covariance (d, d), or of one for each."""
    root = np.linalg.cholesky(covariance)
    is_one = root.ndim == 2
    white = np.linalg.solve(root, offset.T if is_one else offset[..., None])
    squared = np.sum(white**2, axis=0 if is_one else (1, 2))
    log_root = np.log(np.diagonal(root, axis1=-2, axis2=-1)).sum(axis=-1)
    return -0.5 * squared - log_root - 0.5 * offset.shape[-1] * np.log(2 * np.pi)


def _double(values: Tensor) -> NDArray[np.float64]:
    return values.detach().cpu().numpy().astype(np.float64)
