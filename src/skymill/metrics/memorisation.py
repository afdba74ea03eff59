"""Whether a generator gives back the images that it was trained on.

Distances are Euclidean, between images or any vectors that describe them. Which vectors is the caller's choice, and is
what "alike" means: images divided by their norm if brightness shall not count, all eight turns and mirror images of the
training set (:func:`turned_and_mirrored`) if training turned them.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu

from skymill.metrics.bootstrap import draw_counts, percentile_interval
from skymill.metrics.detection import binomial_interval
from skymill.metrics.weighted import median

#: Images whose distances to all of a reference are held at once.
CHUNK = 256
#: A generator memorises if its images are nearer to the training set than this part of real ones' distance …
RATIO_LIMIT = 0.9
#: … or if more than `COPY_FACTOR` times as many as that part of real ones are as near as the nearest part of those.
COPY_QUANTILE, COPY_FACTOR = 0.01, 3.0
#: Real images held out: their nearest hundredth must be known.
MIN_HELD_OUT = 100
#: Of two models on two halves: part of the images that may be nearer to their own half; a half if nothing is memorised.
OWN_LIMIT = 0.6


class Memorisation(NamedTuple):
    """How near generated images are to the training set, beside real ones that were held out.

    Parameters
    ----------
    ratio, ratio_low, ratio_high : float
        Median distance of generated images to their nearest training image over that of held-out ones, and its 95 %
        bootstrap interval: 1 if the generator draws new galaxies of the same kind.
    closer : float
        Probability that a generated image is nearer to the training set than a held-out one: 0.5 in that case.
    copies, copies_low, copies_high : float
        Fraction of generated images that are nearer than all but a hundredth of held-out ones, and its 95 % Wilson
        interval: 0.01 in that case.
    """

    ratio: float
    ratio_low: float
    ratio_high: float
    closer: float
    copies: float
    copies_low: float
    copies_high: float

    @property
    def memorises(self) -> bool:
        """Whether all are too near (interval of the ratio below 0.9) or some are (that of the copies above 3 %)."""
        return self.ratio_high < RATIO_LIMIT or self.copies_low > COPY_FACTOR * COPY_QUANTILE


def memorisation(
    generated: NDArray,
    held_out: NDArray,
    training: NDArray,
    generator: np.random.Generator,
    n_resamples: int = 1000,
) -> Memorisation:
    """Compare distances to the nearest training image (Meehan, Chaudhuri & Dasgupta 2020, AISTATS, arXiv:2004.05675).

    Parameters
    ----------
    generated, held_out, training : ndarray (n, …), (m, …), (k, …)
        Images or vectors of the generator, of real galaxies that it was not trained on, and of those that it was. The
        latter two are of one population: split at random, by galaxy.
    generator : numpy.random.Generator
        Draws the resamples of generated and held-out images.
    n_resamples : int
        Number of resamples.

    Returns
    -------
    Memorisation
        A generator that draws only the most usual galaxies is nearer to any set of real ones without having
        memorised any: :func:`two_models` does not take that for memory.

    Raises
    ------
    ValueError
        If fewer than 100 images are held out, or one of the three is of another size.
    """
    if len(held_out) < MIN_HELD_OUT:
        raise ValueError(f"held_out: expected {MIN_HELD_OUT} images or more, found {len(held_out)}")
    near, usual = (nearest_distance(images, training) for images in (generated, held_out))
    low, high = _ratio_interval(near, usual, generator, n_resamples)
    copies = near < np.quantile(usual, COPY_QUANTILE)
    copies_low, copies_high = binomial_interval(copies.sum(), len(copies))
    above = mannwhitneyu(usual, near).statistic / (len(usual) * len(near))
    return Memorisation(
        float(np.median(near) / np.median(usual)),
        low,
        high,
        float(above),
        float(copies.mean()),
        float(copies_low),
        float(copies_high),
    )


class TwoModels(NamedTuple):
    """How near the images of two models are to what each was trained on.

    Parameters
    ----------
    nearer, nearer_low, nearer_high : float
        Fraction of images that are nearer to their own model's training set than to the other's, and its 95 % Wilson
        interval: 0.5 if nothing is memorised.
    ratio : float
        Median distance to the own training set over that to the other's.
    """

    nearer: float
    nearer_low: float
    nearer_high: float
    ratio: float

    @property
    def memorises(self) -> bool:
        """Whether the interval lies above 0.6."""
        return self.nearer_low > OWN_LIMIT


def two_models(generated: tuple[NDArray, NDArray], training: tuple[NDArray, NDArray]) -> TwoModels:
    """Compare the images of two models with both their training sets, random halves of one population.

    Each half is the other model's held-out set, so only what a model knows of its own half makes a difference: not
    which galaxies it prefers, nor how smooth its images are.

    Parameters
    ----------
    generated, training : (ndarray (n, …), ndarray (m, …))
        Images or vectors of the first and the second model, and of what each was trained on.

    Raises
    ------
    ValueError
        If the training sets are not of one size: in the larger one more is near.
    """
    first, second = training
    if len(first) != len(second):
        raise ValueError(
            f"training: expected halves of one size, found {len(first)} and {len(second)} images"
        )
    pairs = zip(generated, (first, second), (second, first), strict=True)
    found = [(nearest_distance(images, own), nearest_distance(images, other)) for images, own, other in pairs]
    own, other = (np.concatenate(parts) for parts in zip(*found, strict=True))
    # An image that is as near to both says nothing: half a point for each side.
    nearer = np.sum(own < other) + 0.5 * np.sum(own == other)
    low, high = binomial_interval(nearer, len(own))
    return TwoModels(
        float(nearer / len(own)), float(low), float(high), float(np.median(own) / np.median(other))
    )


def same_noise_ratio(generated: tuple[NDArray, NDArray], training: tuple[NDArray, NDArray]) -> float:
    """Return how alike two models' images of the same noise are, in distances to what they were trained on.

    The median distance of the pairs over the median distance of all images to the nearest image of their own training
    set. Models that were trained on two halves and have learned the population draw the same galaxy from the same
    noise, below 1; models that memorise draw two galaxies that they know, far above 1 (Kadkhodaie, Guth, Simoncelli &
    Mallat 2024, ICLR, arXiv:2310.02557).

    Parameters
    ----------
    generated : (ndarray (n, …), ndarray (n, …))
        Images of both models; row i of both was drawn from the same noise.
    training : (ndarray (m, …), ndarray (m, …))
        What each was trained on.
    """
    first, second = (_vectors(images) for images in generated)
    pairs = np.linalg.norm(first - second, axis=1)
    own = [nearest_distance(images, known) for images, known in zip(generated, training, strict=True)]
    return float(np.median(pairs) / np.median(np.concatenate(own)))


def nearest_distance(images: NDArray, reference: NDArray) -> NDArray[np.float64]:
    """Return the Euclidean distance of each image (n, …) to the nearest one of a reference (m, …), (n,)."""
    rows, known = _vectors(images), _vectors(reference)
    if rows.shape[1] != known.shape[1] or not len(known):
        raise ValueError(f"expected images of one size, found {np.shape(images)} and {np.shape(reference)}")
    chunks = (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))
    return np.concatenate([cdist(chunk, known).min(axis=1) for chunk in chunks] or [np.empty(0)])


def turned_and_mirrored(images: NDArray) -> NDArray:
    """Return images (n, s, s) in all eight positions that pixels allow, (8 n, s, s)."""
    turns = [np.rot90(images, number, axes=(1, 2)) for number in range(4)]
    return np.concatenate([*turns, *(turned[:, :, ::-1] for turned in turns)])


def _vectors(images: NDArray) -> NDArray[np.float64]:
    return np.asarray(images, dtype=np.float64).reshape(len(images), -1)


def _ratio_interval(
    near: NDArray, usual: NDArray, generator: np.random.Generator, n_resamples: int
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the ratio of medians of two independent samples."""
    draw = partial(draw_counts, generator, n_resamples)
    ratios = median(near, draw(len(near))) / median(usual, draw(len(usual)))
    return percentile_interval(np.asarray(ratios), 0.95)
