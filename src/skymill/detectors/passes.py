"""One pass over a tile, or a cold and a hot one put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skymill.config.detect import ThresholdConfig
from skymill.data.tile import Tile
from skymill.detectors.detector import Columns, Extractor, concatenate, select
from skymill.detectors.ellipses import contained

if TYPE_CHECKING:
    from skymill.data.mosaic import Layout


def find_sources(extractor: Extractor, config: ThresholdConfig, tile: Tile) -> Columns:
    """Find the sources of a tile in the setting that the config names.

    With ``cold_hot`` the two passes are put together as GALAPAGOS does (Barden et al. 2012, MNRAS 422, 449, section
    3.1): the cold pass finds bright galaxies whole; of the hot one only sources are added whose centre lies in no
    Kron ellipse of the cold one.
    """
    if config.setting == "plain":
        return extractor.extract(tile, config.plain)
    return add_outside(extractor.extract(tile, config.cold), extractor.extract(tile, config.hot))


def find_blends(extractor: Extractor, config: ThresholdConfig, tile: Tile, layout: Layout) -> Columns:
    """Find the sources of a mosaic of blends; adds ``stamp_id`` and turns x, y into canvas pixels.

    With ``cold_hot`` a blend's sources are the hot ones where the cold pass finds fewer than two, as Boucaud et al.
    (2020, MNRAS 491, 2481) run SExtractor. What lies in the gaps between stamps is dropped.
    """
    if config.setting == "plain":
        return on_stamps(extractor.extract(tile, config.plain), layout)
    cold = on_stamps(extractor.extract(tile, config.cold), layout)
    hot = on_stamps(extractor.extract(tile, config.hot), layout)
    return hot_where_merged(cold, hot)


def add_outside(cold: Columns, hot: Columns) -> Columns:
    """Add the hot sources whose centre lies outside every cold source's Kron ellipse."""
    covered, _ = contained(hot["x"], hot["y"], cold)
    outside = np.ones(len(hot["x"]), dtype=bool)
    outside[covered] = False
    return concatenate([cold, select(hot, outside)])


def on_stamps(columns: Columns, layout: Layout) -> Columns:
    """Turn positions on a mosaic into stamps and positions on them."""
    stamp_id, x, y = layout.to_stamp(columns["x"], columns["y"])
    return select({**columns, "stamp_id": stamp_id, "x": x, "y": y}, stamp_id >= 0)


def hot_where_merged(cold: Columns, hot: Columns) -> Columns:
    """Take the cold sources of stamps where there are at least two, the hot ones of the others."""
    stamps, count = np.unique(cold["stamp_id"], return_counts=True)
    resolved = stamps[count >= 2]
    return concatenate(
        [
            select(cold, np.isin(cold["stamp_id"], resolved)),
            select(hot, ~np.isin(hot["stamp_id"], resolved)),
        ]
    )
