"""Population: a recipe for isolated galaxies."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from skymill.data.survey import Survey
from skymill.registry import Registry
from skymill.simulate.priors import Columns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Population(Protocol):
    """Galaxies by number: what is true of them, and their images.

    An entry of :data:`POPULATIONS` is called with (priors, survey, seed, stage, name); nothing else may determine what
    it gives.
    """

    def truth(self, index: NDArray[np.int64]) -> Columns:
        """Return the columns of the schema ``galaxies`` but galaxy_id, side, flux and flags, for galaxies by number."""
        ...

    def split_keys(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what the split into sides goes by: galaxies with one key never part."""
        ...

    def draw(self, galaxy: dict[str, Any], size: int) -> NDArray[np.float32]:
        """Draw one galaxy with the survey's PSF, without noise.

        Parameters
        ----------
        galaxy : dict
            One row of the truth catalogue, galaxy_id included.
        size : int
            Side of the stamp in pixels.

        Returns
        -------
        ndarray (size, size), float32
            Image units.
        """
        ...


POPULATIONS: Registry[Callable[[Any, Survey, int, str, str], Population]] = Registry("kind of population")
"""Populations by the `kind` of their configuration."""
