"""One pass over a tile, or a cold and a hot one put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skymill.config.detect import Pass, ThresholdConfig
from skymill.data.tile import Tile
from skymill.detectors.detector import Columns, Extractor, concatenate, select
from skymill.detectors.ellipses import contained
from skymill.detectors.fwhm import core_fwhm

if TYPE_CHECKING:
    from skymill.data.mosaic import Layout


def find_sources(extractor: Extractor, config: ThresholdConfig, tile: Tile) -> Columns:
    """Find the sources of a tile in the setting that the config names.

    With ``cold_hot`` the two passes are put together as GALAPAGOS does (Barden et al. 2012, MNRAS 422, 449, section
    3.1): the cold pass finds bright galaxies whole; of the hot one only sources are added whose centre lies in no
    Kron ellipse of the cold one.
    """
    if config.setting == "plain":
        return with_fwhm(extractor.extract(tile, config.plain), tile)
    cold, hot = (extractor.extract(tile, settings) for settings in (config.cold, config.hot))
    return with_fwhm(add_outside(cold, hot), tile)


def find_blends(extractor: Extractor, config: ThresholdConfig, tile: Tile, layout: Layout) -> Columns:
    """Find the sources of a mosaic of blends; adds ``stamp_id`` and turns x, y into canvas pixels.

    With ``cold_hot`` a blend's sources are the hot ones where the cold pass finds fewer than two, as Boucaud et al.
    (2020, MNRAS 491, 2481) run SExtractor. What lies in the gaps between stamps is dropped.
    """
    if config.setting == "plain":
        return _on_stamps(extractor, config.plain, tile, layout)
    cold, hot = (_on_stamps(extractor, settings, tile, layout) for settings in (config.cold, config.hot))
    return hot_where_merged(cold, hot)


def with_fwhm(columns: Columns, tile: Tile) -> Columns:
    """Add ``fwhm``, which no tool measures as another does: see :func:`~skymill.detectors.fwhm.core_fwhm`."""
    return {**columns, "fwhm": core_fwhm(tile, columns["x"], columns["y"], columns["flux_radius"])}


def _on_stamps(extractor: Extractor, settings: Pass, tile: Tile, layout: Layout) -> Columns:
    return on_stamps(with_fwhm(extractor.extract(tile, settings), tile), layout)


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
