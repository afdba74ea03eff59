"""How far the distributions of two samples are apart, statistic by statistic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from skymill.metrics.bootstrap import draw_counts, percentile_interval


class SampleDistance(NamedTuple):
    """Distance of a sample from a reference in one statistic.

    Parameters
    ----------
    value, low, high : float
        Wasserstein-1 distance in standard deviations of the reference, with its bootstrap interval. A distance is
        never negative and resampling adds to it, so the interval of two samples of one population lies above 0: it is
        `chance` that says whether they differ.
    chance : float
        What two samples of these sizes of one population stay below with the interval's probability.
    n, n_reference : int
        Rows with a finite statistic.
    """

    value: float
    low: float
    high: float
    chance: float
    n: int
    n_reference: int

    @property
    def differs(self) -> bool:
        """Whether the samples are farther apart than by chance."""
        return self.value > self.chance


def sample_distances(
    sample: Mapping[str, NDArray],
    reference: Mapping[str, NDArray],
    generator: np.random.Generator,
    *,
    n_resamples: int = 1000,
    level: float = 0.95,
) -> dict[str, SampleDistance]:
    """Return the normalised Wasserstein-1 distance of each statistic's distributions.

    The area between the two cumulative distributions, or the least mean distance that values have to be moved to turn
    one sample into the other (Villani 2009, *Optimal Transport*, ch. 6), over the standard deviation of the
    *reference*: 0.1 means that values are off by a tenth of the spread of real galaxies on average. It is not
    symmetric in the two samples for that reason.

    Parameters
    ----------
    sample, reference : mapping of str to ndarray (n,)
        The same statistics of both, as of :func:`skymill.metrics.morphology.morphology`. Rows without a finite value
        are left out of that statistic.
    generator : numpy.random.Generator
        Draws resamples of both samples, and divides the two taken together at random for `chance`.
    n_resamples : int
        Number of each.
    level : float
        Probability of the interval, and of `chance`.

    Raises
    ------
    ValueError
        If the statistics are not the same, or one has fewer than two rows or no spread in the reference.
    """
    if set(sample) != set(reference):
        raise ValueError(
            f"expected the same statistics, found {', '.join(sorted(set(sample) ^ set(reference)))} in one"
        )
    return {
        name: _distance(name, sample[name], reference[name], generator, n_resamples, level) for name in sample
    }


def _distance(
    name: str,
    sample: NDArray,
    reference: NDArray,
    generator: np.random.Generator,
    n_resamples: int,
    level: float,
) -> SampleDistance:
    one, other = (np.asarray(values, dtype=np.float64) for values in (sample, reference))
    one, other = one[np.isfinite(one)], other[np.isfinite(other)]
    if min(len(one), len(other)) < 2 or not (spread := other.std()) > 0:
        raise ValueError(
            f"{name}: expected two rows of each sample and a spread, found {len(one)} and {len(other)} rows"
        )
    one, other = one / spread, other / spread
    of_one, of_other = (draw_counts(generator, n_resamples, len(rows)) for rows in (one, other))
    drawn = [wasserstein_distance(one, other, *weights) for weights in zip(of_one, of_other, strict=True)]
    both = np.concatenate([one, other])
    divided = [_of_divided(generator.permutation(both), len(one)) for _ in range(n_resamples)]
    chance = np.quantile(divided, level)
    low, high = percentile_interval(np.array(drawn), level)
    return SampleDistance(
        float(wasserstein_distance(one, other)), low, high, float(chance), len(one), len(other)
    )


def _of_divided(values: NDArray, n: int) -> float:
    return float(wasserstein_distance(values[:n], values[n:]))
