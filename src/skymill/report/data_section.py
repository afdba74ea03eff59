"""The section on data: example stamps, blends and tiles."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from skymill.catalog.catalogue import Catalogue
from skymill.config.compare import ReportConfig
from skymill.data.tile import Tile
from skymill.errors import SkymillError
from skymill.report.blend_sets import BLEND_SETS, TEST_BLENDS, BlendSet
from skymill.report.examples import Example, blend_examples, deblended_examples, isolated_examples
from skymill.report.facts import Table
from skymill.report.images import Picture
from skymill.report.inventory import Entry, Inventory
from skymill.report.look import Palette
from skymill.report.panel import Panel
from skymill.report.tile_checks import facts_table, warnings_table
from skymill.report.tile_crops import crops
from skymill.report.tile_overview import Overview, Positions, masked_percent

log = logging.getLogger(__name__)

MAX_TILES = 3
"""Tiles that are drawn; each adds half a megabyte to the page."""
TILE_HEADER = (
    *("Tile", "Size (px)", "Scale (″/px)", "Zero-point (mag)", "PSF FWHM (px)", "PSF from", "Noise (median)"),
    *("Masked (%)", "Saturated (%)", "No data (%)"),
)


@dataclass(frozen=True)
class Group:
    """Examples of one kind with their caption, or the reason why there are none."""

    title: str
    examples: Sequence[Example]
    caption: str


@dataclass(frozen=True)
class TileView:
    """A tile as it is shown."""

    name: str
    overview: Panel
    crops: Sequence[Picture]


def data_context(
    inventory: Inventory, palette: Palette, options: ReportConfig, background_rms: float
) -> dict[str, Any]:
    """Return what the section on data shows."""
    tiles = inventory.of_stage("ingest")
    rows, views = [], []
    for number, entry in enumerate(tiles):
        row, view = _tile(entry, inventory, palette, options, number)
        rows.append(row)
        views += [view] if view else []
    return {
        "isolated": _isolated(inventory, background_rms, options.n_examples),
        "blends": [
            _blends(blends, inventory, background_rms, options.n_examples)
            for blends in BLEND_SETS.values()
            if blends is TEST_BLENDS or inventory.find("blend", blends.artifact)
        ]
        + [
            _deblended(entry, inventory, background_rms, options.n_examples)
            for entry in inventory.of_stage("deblend")
        ],
        "tiles": views,
        "tile_table": Table(TILE_HEADER, rows, (2, 3, 4, 6, 7, 8, 9)),
        "tile_facts": facts_table(tiles),
        "tile_warnings": warnings_table(tiles),
        "tiles_not_shown": [entry.name for entry in tiles[MAX_TILES:]],
        "cutout_px": options.cutout_px,
        "telling": [palette[name] for name in telling(palette, inventory)],
    }


def _isolated(inventory: Inventory, background_rms: float, count: int) -> list[Group]:
    populations = inventory.of_stage("simulate")
    caption = (
        "From the brightest to the faintest, noise-free and convolved with the PSF. Grey levels are set by the "
        "survey's noise: what is invisible here is lost in the noise of the blends."
    )
    groups = [
        _group(
            f"Isolated galaxies: {entry.name}",
            caption,
            lambda entry=entry: isolated_examples(entry, background_rms, count),
        )
        for entry in populations
    ]
    return groups or [Group("Isolated galaxies", (), "This run simulated no isolated galaxies.")]


def _blends(blends: BlendSet, inventory: Inventory, background_rms: float, count: int) -> Group:
    title, entry = blends.title, inventory.find("blend", blends.artifact)
    if entry is None:
        return Group(title, (), f"This run composed no {title.lower()}.")
    caption = (
        "From the closest to the widest, those without a neighbour last. Crosses: true centres. Masks: "
        "blue the central galaxy, orange its neighbours, purple both."
    )
    return _group(title, caption, lambda: blend_examples(entry, background_rms, count))


def _deblended(entry: Entry, inventory: Inventory, background_rms: float, count: int) -> Group:
    """Return what a network took out of the blends that are shown."""
    blends = BLEND_SETS[entry.dataset]
    title = f"{blends.title}: what {entry.detector} takes out of them"
    source = inventory.find("blend", blends.artifact)
    if source is None:
        return Group(title, (), "The blends are not there.")
    caption = (
        "The middle of the same blends, the central galaxy as it is without noise, as the network gives it (a U-Net: "
        "its share of each pixel's light, noise included), the difference of the two (grey: none, dark: too much), and "
        "the masks that the network gives, where it has learned any: blue the galaxy, orange its neighbours, purple "
        "both."
    )
    return _group(title, caption, lambda: deblended_examples(entry, source, background_rms, count))


def _group(title: str, caption: str, make: Callable[[], list[Example]]) -> Group:
    try:
        examples = make()
    except (SkymillError, OSError) as error:
        log.warning("%s", error)
        return Group(title, (), f"They cannot be shown: {error}")
    return Group(title, examples, caption if examples else "The set is empty.")


def _tile(
    entry: Entry, inventory: Inventory, palette: Palette, options: ReportConfig, number: int
) -> tuple[tuple[str, ...], TileView | None]:
    """Return the tile's row of the table and, for the first tiles, its pictures."""
    title = f"Tile {entry.name} with what was detected on it"
    is_shown = number < MAX_TILES
    try:
        tile = Tile.read(entry.main)
        row = _tile_row(entry, tile)
        if not is_shown:
            return row, None
        lists = positions(entry.name, inventory)
        few = telling(palette, inventory)
        overview = Overview(options.tile_image_px, options.max_points, frozenset(few[:2]))
        panel = overview.panel(f"tile-{number}", title, tile, lists, palette)
        drawn = [found for found in lists if found.is_reference or found.name in few]
        return row, TileView(entry.name, panel, crops(tile, drawn, palette, options.cutout_px))
    except (SkymillError, OSError) as error:
        log.warning("%s", error)
        blank = (entry.name, *["–"] * (len(TILE_HEADER) - 1))
        panel = Panel.words(title, f"The tile cannot be shown: {error}")
        return blank, TileView(entry.name, panel, ()) if is_shown else None


def _tile_row(entry: Entry, tile: Tile) -> tuple[str, ...]:
    meta, masked = tile.meta, masked_percent(tile)
    step = max(1, max(tile.shape) // 500)
    return (
        entry.name,
        f"{tile.shape[1]}\u00a0×\u00a0{tile.shape[0]}",
        f"{meta.pixel_scale_arcsec:.4g}" + "\u00a0(assumed)" * ("pixel_scale" in meta.assumed.split()),
        f"{meta.zero_point_mag + 2.5 * np.log10(meta.unit):.3f}",
        f"{meta.psf_fwhm_px:.2f}",
        f"{meta.psf_stars}\u00a0stars" if meta.psf_stars else "survey",
        f"{meta.unit * float(np.median(tile.rms[::step, ::step])):.3g}",
        *(f"{masked[name]:.2f}" for name in ("bad", "saturated", "no_data")),
    )


def telling(palette: Palette, inventory: Inventory) -> list[str]:
    """Return detectors whose positions differ: one network (all measure the same candidates), other main set-ups."""
    others = [
        style.detector
        for style in palette
        if style.detector not in inventory.networks and not style.is_variant
    ]
    return [*inventory.networks[:1], *others]


def positions(tile: str, inventory: Inventory) -> list[Positions]:
    """Return the reference and every detector's list of a tile; one that cannot be read is left out with a warning."""
    makers = [
        (entry, Positions.of_reference) for entry in inventory.of_stage("reference") if entry.name == tile
    ]
    makers += [
        (entry, partial(Positions.of_detector, entry.detector)) for entry in inventory.catalogues(tile)
    ]
    lists = []
    for entry, make in makers:
        try:
            lists.append(make(Catalogue.read(entry.main)))
        except SkymillError as error:
            log.warning("%s", error)
    return lists
