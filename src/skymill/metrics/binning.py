"""Bins of a quantity, with the names that they have in metrics.json."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Bins:
    """Half-open intervals of one quantity.

    Parameters
    ----------
    quantity : str
        Name of the quantity, the first part of the labels.
    edges : tuple of float
        At least two increasing numbers: bin i is ``edges[i] <= value < edges[i + 1]``.

    Raises
    ------
    ValueError
        If the edges are fewer than two or do not increase.

    Examples
    --------
    >>> Bins("mag", (18, 20, 21.5)).labels
    ('mag:18-20', 'mag:20-21.5')
    """

    quantity: str
    edges: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.edges) < 2 or not np.all(np.diff(self.edges) > 0):
            raise ValueError(
                f"edges of {self.quantity}: expected two or more increasing numbers, found {self.edges}"
            )

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the bins: ``quantity:low-high``."""
        return tuple(
            f"{self.quantity}:{low:g}-{high:g}" for low, high in zip(self.edges, self.edges[1:], strict=False)
        )

    def index(self, values: ArrayLike) -> NDArray[np.int64]:
        """Return the bin of each value, shape as `values`; -1 outside all bins and for NaN."""
        values = np.asarray(values, dtype=np.float64)
        index = np.searchsorted(self.edges, values, side="right") - 1
        inside = (values >= self.edges[0]) & (values < self.edges[-1])
        return np.where(inside, index, -1).astype(np.int64)

    def members(self, values: ArrayLike) -> dict[str, NDArray[np.bool_]]:
        """Return for each label the rows that are in its bin."""
        index = self.index(values)
        return {label: index == number for number, label in enumerate(self.labels)}
