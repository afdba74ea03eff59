"""Distances that two galaxies of a blend may have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from skymill.config.blend import RadiusSeparation, SeparationConfig, UniformSeparation
from skymill.registry import Registry

SEPARATIONS: Registry[Callable[[Any, float, float], tuple[float, float]]] = Registry("kind of separation")
"""By the `kind` of their configuration: (config, radius_px of one, of the other) give (smallest, largest) in px.

The distance is drawn in between (:func:`draw_distance`); a pair whose smallest distance is not below its largest is
never made.
"""


@SEPARATIONS.register("uniform")
def uniform(config: UniformSeparation, radius_one: float, radius_other: float) -> tuple[float, float]:
    """Return the same range for all pairs."""
    return config.separation_px


@SEPARATIONS.register("radius")
def radius(config: RadiusSeparation, radius_one: float, radius_other: float) -> tuple[float, float]:
    """Return the range of Boucaud et al. 2020 (MNRAS 491, 2481; code aboucaud/candels-blender, blender.py)."""
    smaller, larger = sorted((radius_one, radius_other))
    low, high = config.min_factor * larger, min(config.max_factor * smaller, config.limit_px)
    if low >= high and config.squeeze is not None:
        low = config.squeeze * high
    return low, high


def draw_distance(config: SeparationConfig, low: float, high: float, generator: np.random.Generator) -> float:
    """Draw a distance from `low` to `high`, evenly or evenly in its logarithm as `config` says."""
    if config.spacing == "log":
        return float(np.exp(generator.uniform(np.log(low), np.log(high))))
    return generator.uniform(low, high)
