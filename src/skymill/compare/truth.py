"""True sources of a dataset in one form, whether they are galaxies of blends or sources on a tile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skymill.catalog.catalogue import Catalogue
from skymill.catalog.flags import Flag
from skymill.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Where the truth of an image is not worth a comparison: cut off, on masked or on saturated pixels.
UNCOUNTED = Flag.EDGE | Flag.MASKED | Flag.SATURATED
NONE = "none"
#: Brighter sources are looked for within this distance.
NEAR_PX = 30.0
#: Blends are laid this far apart when neighbours are looked for.
STRIDE_PX = 4096.0


@dataclass(frozen=True)
class Truth:
    """n true sources.

    Parameters
    ----------
    truth_id, stamp_id : ndarray (n,), int64
        ``galaxy_id`` or ``source_id``; blend, -1 on tiles.
    pair_id : ndarray (n,), int64
        As in the schema ``sources``; 0 outside pairs and on blends.
    role, kind, blend_class : ndarray (n,), str
        ``central`` or ``companion``, ``source`` on tiles; what it is; ``none`` outside blends.
    x, y : ndarray (n,), float64
        Position in pixels, on the blend's canvas or the tile.
    mag, flux : ndarray (n,), float64
        Total AB magnitude and flux density in nJy.
    separation, separation_re : ndarray (n,), float32
        As in the schema ``blends``; NaN outside blends.
    brighter_distance : ndarray (n,), float32
        Distance to the nearest brighter true source of the blend or tile, px; NaN where none is within `NEAR_PX`.
    is_isolated : ndarray (n,), bool
        Whether nothing else touches its photometry.
    flags : ndarray (n,), int32
        Bits of :class:`~skymill.catalog.flags.Flag`.
    bulge_to_total : ndarray (n,), float32
        Bulge's fraction of the flux; NaN where it is not known.
    flux_bound : ndarray (n,), float64
        As in the schema ``bounds``, nJy; NaN where it is not known.
    """

    truth_id: NDArray[np.int64]
    stamp_id: NDArray[np.int64]
    pair_id: NDArray[np.int64]
    role: NDArray[np.str_]
    kind: NDArray[np.str_]
    blend_class: NDArray[np.str_]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    mag: NDArray[np.float64]
    flux: NDArray[np.float64]
    separation: NDArray[np.float32]
    separation_re: NDArray[np.float32]
    brighter_distance: NDArray[np.float32]
    is_isolated: NDArray[np.bool_]
    flags: NDArray[np.int32]
    bulge_to_total: NDArray[np.float32]
    flux_bound: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of sources."""
        return len(self.truth_id)

    @property
    def is_counted(self) -> NDArray[np.bool_]:
        """Whether each source is in the figures: not at an edge, masked or saturated, and of known flux."""
        return ((self.flags & UNCOUNTED) == 0) & (self.flux > 0)


def read_truth(path: str | Path, bounds: str | Path = "") -> Truth:
    """Read a catalogue of schema ``blends`` or ``sources``.

    Parameters
    ----------
    path : path
        The catalogue.
    bounds : path, optional
        Catalogue of schema ``bounds`` of the same blends; galaxies that are not in it have no bound.

    Raises
    ------
    DataError
        If it is of another schema, or the bounds are not of these blends.
    """
    catalogue = Catalogue.read(path)
    makers = {"blends": _of_blends, "sources": _of_sources}
    if catalogue.schema.name not in makers:
        raise DataError(
            path,
            expected="a truth catalogue (schema blends or sources)",
            found=f"schema {catalogue.schema.name}",
        )
    truth = makers[catalogue.schema.name](catalogue)
    return replace(truth, flux_bound=_bounds_of(truth, bounds)) if bounds else truth


def _bounds_of(truth: Truth, path: str | Path) -> NDArray[np.float64]:
    """Return the bound of each source of blends, NaN where there is none."""
    bounds = Catalogue.read(path, "bounds")
    place = {key: row for row, key in enumerate(zip(truth.stamp_id, truth.truth_id, strict=True))}
    keys = list(zip(bounds["stamp_id"], bounds["galaxy_id"], strict=True))
    if unknown := [key for key in keys if key not in place]:
        stamp_id, galaxy_id = unknown[0]
        raise DataError(
            path, expected="galaxies of the blends", found=f"galaxy {galaxy_id} of blend {stamp_id}"
        )
    found = np.full(len(truth), np.nan)
    found[[place[key] for key in keys]] = bounds["flux_bound"]
    return found


def _of_blends(catalogue: Catalogue) -> Truth:
    same = ("stamp_id", "role", "kind", "blend_class", "x", "y", "mag", "flux", "bulge_to_total")
    same += ("separation", "separation_re")
    return Truth(
        truth_id=catalogue["galaxy_id"],
        pair_id=np.zeros(len(catalogue), dtype=np.int64),
        is_isolated=catalogue["blend_class"] == "isolated",
        flags=np.zeros(len(catalogue), dtype=np.int32),
        flux_bound=np.full(len(catalogue), np.nan),
        brighter_distance=brighter_distance(
            catalogue["x"] + STRIDE_PX * catalogue["stamp_id"], catalogue["y"], catalogue["flux"]
        ),
        **{name: catalogue[name] for name in same},
    )


def _of_sources(catalogue: Catalogue) -> Truth:
    n = len(catalogue)
    unknown = np.full(n, np.nan, dtype=np.float32)
    same = ("pair_id", "kind", "x", "y", "mag", "flux", "is_isolated", "flags")
    return Truth(
        truth_id=catalogue["source_id"],
        stamp_id=np.full(n, -1, dtype=np.int64),
        role=np.full(n, "source"),
        blend_class=np.full(n, NONE),
        separation=unknown,
        separation_re=unknown,
        bulge_to_total=unknown,
        flux_bound=np.full(n, np.nan),
        brighter_distance=brighter_distance(catalogue["x"], catalogue["y"], catalogue["flux"]),
        **{name: catalogue[name] for name in same},
    )


def brighter_distance(x: NDArray, y: NDArray, flux: NDArray) -> NDArray[np.float32]:
    """Return each source's distance to the nearest one with more flux, px; NaN where none is within :data:`NEAR_PX`."""
    from scipy.spatial import cKDTree

    nearest = np.full(len(x), np.inf)
    finite = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    places = np.column_stack([x, y])[finite]
    pairs = (
        finite[cKDTree(places).query_pairs(NEAR_PX, output_type="ndarray")] if len(finite) > 1 else finite[:0]
    )
    one, other = pairs.reshape(-1, 2).T
    distance = np.hypot(x[one] - x[other], y[one] - y[other])
    for mine, theirs in ((one, other), (other, one)):
        fainter = flux[mine] < flux[theirs]
        np.minimum.at(nearest, mine[fainter], distance[fainter])
    return np.where(np.isfinite(nearest), nearest, np.nan).astype(np.float32)
