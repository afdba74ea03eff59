"""What every detector offers, and the list of those that work with thresholds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from skymill.catalog.catalogue import Catalogue
from skymill.config.detect import Pass
from skymill.data.tile import MaskBit, Tile
from skymill.registry import Registry

if TYPE_CHECKING:
    from numpy.typing import NDArray

Columns = dict[str, "NDArray"]
"""Sources of a tile as arrays (n,): positions and sizes in pixels, fluxes in image units, theta in degrees."""

SOURCE_COLUMNS: dict[str, type] = {
    "x": np.float64,
    "y": np.float64,
    "flux": np.float64,
    "flux_err": np.float64,
    "a": np.float64,
    "b": np.float64,
    "theta": np.float64,
    "flux_radius": np.float64,
    "kron_radius": np.float64,
    "flags": np.int64,
    "is_primary": np.bool_,
}
"""The columns that one pass of a baseline gives; of the flags only :data:`~skymill.detectors.flags.TOOL_FLAGS`."""


class Detector(Protocol):
    """Finds and measures the sources of a tile."""

    def detect(self, tile: Tile, meta: Mapping[str, Any]) -> Catalogue:
        """Return a catalogue of the schema ``measurement`` with `meta` in its header."""

    def tools(self) -> dict[str, str]:
        """Return the versions of the programs and libraries that did the work."""


class Extractor(Protocol):
    """A program or library that finds sources above a threshold: one pass over a tile."""

    def extract(self, tile: Tile, settings: Pass) -> Columns:
        """Return the sources of a tile with the columns of :data:`SOURCE_COLUMNS`."""

    def tools(self) -> dict[str, str]:
        """Return the versions of the programs and libraries that do the work."""


EXTRACTORS: Registry[Callable[[Any], Extractor]] = Registry("detector")
"""Extractors by ``kind``; each is called with its config (:mod:`skymill.config.detect`)."""


def no_sources() -> Columns:
    """Return the columns of a pass that found nothing."""
    return {name: np.empty(0, dtype=dtype) for name, dtype in SOURCE_COLUMNS.items()}


def as_columns(**columns: NDArray) -> Columns:
    """Cast the columns of one pass and wrap theta; all sources are primary unless said otherwise."""
    columns.setdefault("is_primary", np.ones(len(columns["x"]), dtype=bool))
    columns["theta"] = wrap_theta(columns["theta"])
    return {name: np.asarray(columns[name]).astype(dtype) for name, dtype in SOURCE_COLUMNS.items()}


def concatenate(parts: Sequence[Columns]) -> Columns:
    """Put columns of several passes below each other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def select(columns: Columns, rows: NDArray) -> Columns:
    """Return the rows chosen by a mask or by row numbers."""
    return {name: values[rows] for name, values in columns.items()}


def unusable(tile: Tile) -> NDArray[np.bool_]:
    """Return the pixels in which nothing must be detected: bad ones and those without data; not saturated ones."""
    return (np.asarray(tile.mask) & int(MaskBit.BAD | MaskBit.NO_DATA)) > 0


def wrap_theta(degrees: NDArray) -> NDArray[np.float64]:
    """Bring position angles into [-90, 90); rounding in float32 can put them a hair beyond."""
    return (np.asarray(degrees, dtype=np.float64) + 90.0) % 180.0 - 90.0
