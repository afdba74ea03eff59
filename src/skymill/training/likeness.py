"""How like real galaxies drawn ones are: what a training that no likelihood judges is validated by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from skymill.metrics.morphology import morphology

THRESHOLD = 3.0
"""Surface brightness at the edge of the segments that are measured, in units of the noise."""
NO_GALAXIES = 10.0
"""Distance where too few drawn galaxies have a statistic at all, standard deviations."""


class Likeness:
    """Distances between the distributions of drawn and of real galaxies' statistics, over a validation set.

    Those of :func:`skymill.metrics.morphology.morphology`, which drawn galaxies are judged by as well; Wasserstein-1
    distances in standard deviations of the real ones, as in :func:`skymill.metrics.samples.sample_distances`.
    """

    def __init__(self) -> None:
        self.drawn: list[dict[str, NDArray]] = []
        self.real: list[dict[str, NDArray]] = []
        self.known: list[dict[str, NDArray]] | None = None

    def update(self, drawn: NDArray, real: NDArray, place: tuple[NDArray, NDArray], noise: NDArray) -> None:
        """Add images (n, y, x) of drawn and of real galaxies at the same places (px), with noise (n,)."""
        levels = {"threshold": THRESHOLD * noise, "background_rms": noise}
        self.drawn.append(morphology(drawn, *place, **levels))
        # Real ones are the same in each epoch.
        number = len(self.real)
        self.real.append(morphology(real, *place, **levels) if self.known is None else self.known[number])

    def compute(self) -> dict[str, float]:
        """Return the distance of each statistic, and the largest."""
        found = {f"distance_{name}": self._distance(name) for name in self.real[0]}
        return {**found, "largest_distance": max(found.values())}

    def mean(self) -> float:
        """Return the mean of the distances."""
        return float(np.mean([self._distance(name) for name in self.real[0]]))

    def reset(self) -> None:
        """Forget what was drawn."""
        self.known = list(self.real)
        self.drawn.clear()
        self.real.clear()

    def _distance(self, name: str) -> float:
        one, other = (np.concatenate([row[name] for row in rows]) for rows in (self.drawn, self.real))
        one, other = one[np.isfinite(one)], other[np.isfinite(other)]
        spread = other.std() if len(other) > 1 else 0.0
        if len(one) < 2 or spread == 0:
            return NO_GALAXIES
        return float(wasserstein_distance(one / spread, other / spread))
