"""The stage inject: galaxies of known flux added to a real tile.

What the detectors recover of them is the comparison that needs no simulated background: noise, artefacts, PSF
wings and crowding are the tile's own (Suchyta et al. 2016, MNRAS 457, 786). Light and its photon noise are added to
the science image, the noise's variance to the rms map. The truth holds what was injected and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skymill.catalog.catalogue import Catalogue, essentials
from skymill.catalog.flags import Flag
from skymill.compare.placement import is_free, is_isolated, spaced
from skymill.config.compare import InjectConfig
from skymill.data.stamps import StampSet, centre_index
from skymill.data.survey import Survey, flux_scale, mag_to_njy
from skymill.data.tile import MaskBit, Tile
from skymill.errors import DataError
from skymill.provenance.record import recording
from skymill.rng import rng

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

#: Stamps that are read at once.
BATCH = 64
#: Candidates of draw d have the numbers from d times this on: a draw more leaves the others as they are.
DRAW_STRIDE = 10**7
#: Largest |tile / survey - 1| of the pixel scale at which stamps may be pasted without resampling.
PIXEL_SCALE_TOLERANCE = 0.02


@dataclass(frozen=True)
class Injections:
    """n galaxies and where they go.

    Parameters
    ----------
    number : ndarray (n,), int64
        Number of the candidate, or -1 - that number for the one beside it: the key of its random numbers.
    pair : ndarray (n,), int64
        1 + the number of the first galaxy of its pair; 0 for those that are alone.
    galaxy : ndarray (n,), int64
        Row of the truth catalogue and number of the stamp.
    x_px, y_px : ndarray (n,), int64
        Pixel of the tile on which the stamp's nominal centre falls.
    x, y : ndarray (n,), float64
        True centre: the pixel plus the stamp's own sub-pixel offset.
    mag : ndarray (n,), float64
        True AB magnitude after scaling.
    """

    number: NDArray[np.int64]
    pair: NDArray[np.int64]
    galaxy: NDArray[np.int64]
    x_px: NDArray[np.int64]
    y_px: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    mag: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of galaxies."""
        return len(self.number)

    def select(self, rows: NDArray) -> Injections:
        """Return some of them."""
        return Injections(**{name: values[rows] for name, values in vars(self).items()})


def inject_tile(
    recipe: Mapping[str, Any],
    tile: str | Path,
    stamps: str | Path,
    truth: str | Path,
    output: str | Path,
    output_truth: str | Path,
) -> None:
    """Add galaxies of known flux to a tile.

    Parameters
    ----------
    recipe : mapping
        ``params``: ``seed``; ``survey`` (dict of the :class:`~skymill.data.survey.Survey` that the stamps were made
        for); ``inject`` (:class:`~skymill.config.compare.InjectConfig`); ``draw``, which of several draws of
        galaxies into this tile, from 0.
    tile : path
        Tile to add to.
    stamps, truth : path
        Isolated, noise-free galaxies (layer ``image``) and their catalogue (schema ``galaxies``); only galaxies of
        the side ``test`` are used, never points.
    output, output_truth : path
        The new tile and its truth (schema ``sources``), in one folder.

    Raises
    ------
    DataError
        If the pixel scales differ, no galaxy fits the configuration, or the tile has no room.
    """
    config = InjectConfig.model_validate(recipe["params"]["inject"])
    survey = Survey.model_validate(recipe["params"]["survey"])
    seed, draw = int(recipe["params"]["seed"]), int(recipe["params"]["draw"])
    parents = {"tile": tile, "stamps": stamps, "truth": truth}
    with recording(recipe, Path(output).parent, parents=parents) as record:
        image, galaxies = Tile.read(tile), Catalogue.read(truth, "galaxies")
        _check_scale(image, survey, tile)
        chosen = choose(image, galaxies, _usable(galaxies, config, truth), config, seed, draw)
        with StampSet.open(stamps) as stamp_set:
            added = add_light(image, stamp_set, chosen, galaxies["mag"], survey.zero_point_mag, seed)
        added = replace(added, meta=replace(added.meta, version=recipe["version"]))
        sources = _sources(image, added, galaxies, chosen, config, draw, essentials(recipe))
        added.write(output)
        sources.write(output_truth)
        record.rows = len(sources)


def choose(
    tile: Tile,
    galaxies: Catalogue,
    usable: NDArray[np.int64],
    config: InjectConfig,
    seed: int,
    draw: int = 0,
) -> Injections:
    """Draw galaxies, magnitudes and positions.

    Parameters
    ----------
    tile : Tile
        Where they go.
    galaxies : Catalogue
        Schema ``galaxies``.
    usable : ndarray (m,), int64
        Rows of it to draw from.
    config : InjectConfig
        Number, spacing, magnitudes.
    seed : int
        The run's seed: candidate i of a tile is the same whatever the number of galaxies.
    draw : int
        Which of several draws into this tile.

    Returns
    -------
    Injections
        As many as were asked for or as there is room for.
    """
    wanted = _number(tile, config)
    number = draw * DRAW_STRIDE + np.arange(4 * wanted + 100)
    drawn = np.array([rng(seed, "inject", tile.meta.tile_id, int(i)).random(4) for i in number])
    height, width = tile.shape
    x_px, y_px = (drawn[:, 0] * width).astype(np.int64), (drawn[:, 1] * height).astype(np.int64)
    galaxy = usable[(drawn[:, 2] * len(usable)).astype(np.int64)]
    mag = galaxies["mag"][galaxy]
    if config.flux == "rescaled":
        mag = config.mag[0] + drawn[:, 3] * (config.mag[1] - config.mag[0])
    x, y = x_px + galaxies["dx"][galaxy].astype(np.float64), y_px + galaxies["dy"][galaxy].astype(np.float64)
    candidates = Injections(number, np.zeros_like(number), galaxy, x_px, y_px, x, y, mag)
    candidates = candidates.select(is_free(tile, x_px, y_px, config.edge_px))
    chosen = candidates.select(spaced(candidates.x, candidates.y, config.min_distance_px))
    pairs = round(config.crowded_fraction * wanted / 2)
    _check_room(tile, len(chosen), wanted - pairs)
    chosen = chosen.select(np.arange(min(wanted - pairs, len(chosen))))
    hosts = chosen.select(np.arange(min(pairs, len(chosen))))
    beside = _beside(tile, hosts, galaxies, usable, config, seed)
    # Only who has got a second galaxy is one of a pair.
    is_paired = np.isin(1 + chosen.number, beside.pair)
    return _joined(replace(chosen, pair=np.where(is_paired, 1 + chosen.number, 0)), beside)


def _beside(
    tile: Tile,
    hosts: Injections,
    galaxies: Catalogue,
    usable: NDArray[np.int64],
    config: InjectConfig,
    seed: int,
) -> Injections:
    """Draw a second galaxy beside each host; those that would fall on bad pixels are left out."""
    keys = (rng(seed, "inject", tile.meta.tile_id, int(number), "beside") for number in hosts.number)
    drawn = np.array([generator.random(4) for generator in keys]).reshape(-1, 4)
    galaxy = usable[(drawn[:, 0] * len(usable)).astype(np.int64)]
    mag = galaxies["mag"][galaxy]
    if config.flux == "rescaled":
        mag = config.mag[0] + drawn[:, 1] * (config.mag[1] - config.mag[0])
    low, high = config.crowded_separation_fwhm
    distance, angle = tile.meta.psf_fwhm_px * (low + drawn[:, 2] * (high - low)), 2 * np.pi * drawn[:, 3]
    dx, dy = (galaxies[name][galaxy].astype(np.float64) for name in ("dx", "dy"))
    x_px = np.rint(hosts.x + distance * np.cos(angle) - dx).astype(np.int64)
    y_px = np.rint(hosts.y + distance * np.sin(angle) - dy).astype(np.int64)
    number, pair = -1 - hosts.number, 1 + hosts.number
    beside = Injections(number, pair, galaxy, x_px, y_px, x_px + dx, y_px + dy, mag)
    return beside.select(is_free(tile, x_px, y_px, config.edge_px)) if len(beside) else beside


def _joined(first: Injections, second: Injections) -> Injections:
    return Injections(
        **{name: np.concatenate([values, vars(second)[name]]) for name, values in vars(first).items()}
    )


def add_light(
    tile: Tile,
    stamps: StampSet,
    injections: Injections,
    stamp_mag: NDArray[np.float64],
    stamp_zero_point_mag: float,
    seed: int,
) -> Tile:
    """Add the galaxies' light and its photon noise.

    A galaxy's photons are drawn pixel by pixel from a Poisson distribution of its expected electrons; sums of
    independent Poisson variables are Poisson variables, so galaxies may overlap.

    Parameters
    ----------
    tile : Tile
        Where they go; not changed.
    stamps : StampSet
        Noise-free images, layer ``image`` of shape (n, 1, y, x).
    injections : Injections
        What goes where.
    stamp_mag : ndarray, float64
        AB magnitudes of the stamps' galaxies.
    stamp_zero_point_mag : float
        Zero-point of the stamps' image unit.
    seed : int
        The run's seed.

    Returns
    -------
    Tile
        A new tile. Pixels without data stay 0; pixels that reach the saturation level are marked.
    """
    science, rms = (np.array(image, dtype=np.float32) for image in (tile.science, tile.rms))
    # The stamp's light in the tile's unit, at the magnitude that it shall have.
    fainter = 10 ** (0.4 * (stamp_mag[injections.galaxy] - injections.mag))
    scale = fainter * flux_scale(stamp_zero_point_mag, tile.meta.zero_point_mag)
    corner_x = injections.x_px - centre_index(stamps.shape("image")[3])
    corner_y = injections.y_px - centre_index(stamps.shape("image")[2])
    for start in range(0, len(injections), BATCH):
        part = slice(start, start + BATCH)
        light = stamps.read("image", injections.galaxy[part])[:, 0] * scale[part, np.newaxis, np.newaxis]
        for image, number, x0, y0 in zip(
            light, injections.number[part], corner_x[part], corner_y[part], strict=True
        ):
            generator = rng(seed, "inject", tile.meta.tile_id, int(number), "photons")
            _add_one(science, rms, image, (int(y0), int(x0)), tile.meta.gain_e_per_unit, generator)
    mask = np.array(tile.mask)
    science[(mask & MaskBit.NO_DATA) != 0] = 0
    if tile.meta.saturation is not None:
        mask[science >= tile.meta.saturation] |= int(MaskBit.SATURATED)
    return replace(tile, science=science, rms=rms, mask=mask)


def _add_one(
    science: NDArray[np.float32],
    rms: NDArray[np.float32],
    light: NDArray,
    corner: tuple[int, int],
    gain: float,
    generator: np.random.Generator,
) -> None:
    """Add one stamp in place; `corner` is the (y, x) of its first pixel and may lie outside."""
    # The whole stamp is drawn, also what falls off the tile: the noise does not depend on the tile's size.
    expected = np.maximum(light, 0.0)
    noisy = generator.poisson(expected * gain) / gain + np.minimum(light, 0.0)
    y0, x0 = corner
    height, width = light.shape
    inside = np.s_[max(y0, 0) : max(y0 + height, 0), max(x0, 0) : max(x0 + width, 0)]
    rows, columns = science[inside].shape
    on_stamp = np.s_[max(-y0, 0) : max(-y0, 0) + rows, max(-x0, 0) : max(-x0, 0) + columns]
    science[inside] += noisy[on_stamp]
    rms[inside] = np.sqrt(rms[inside].astype(np.float64) ** 2 + expected[on_stamp] / gain)


def _sources(
    before: Tile,
    after: Tile,
    galaxies: Catalogue,
    chosen: Injections,
    config: InjectConfig,
    draw: int,
    meta: Mapping[str, str | int | float],
) -> Catalogue:
    """Return the truth of what was injected."""
    ra, dec = before.sky(chosen.x, chosen.y)
    saturated = (after.mask[chosen.y_px, chosen.x_px] & MaskBit.SATURATED) != 0
    return Catalogue.from_columns(
        "sources",
        meta,
        source_id=draw * DRAW_STRIDE + np.arange(len(chosen)),
        x=chosen.x,
        y=chosen.y,
        ra=ra,
        dec=dec,
        mag=chosen.mag,
        flux=mag_to_njy(chosen.mag),
        re=galaxies["re"][chosen.galaxy] / before.meta.pixel_scale_arcsec,
        kind=np.full(len(chosen), "galaxy"),
        pair_id=chosen.pair,
        is_isolated=is_isolated(before, chosen.x, chosen.y, config.isolation_px, config.isolation_snr),
        flags=np.where(saturated, int(Flag.SATURATED), 0),
    )


def _usable(galaxies: Catalogue, config: InjectConfig, path: str | Path) -> NDArray[np.int64]:
    """Return the rows that may be injected."""
    rows = (galaxies["side"] == "test") & (galaxies["kind"] != "point")
    rows &= ((galaxies["flags"] & Flag.FAILED) == 0) & (galaxies["flux"] > 0)
    if config.flux == "as_simulated" and config.mag is not None:
        rows &= (galaxies["mag"] >= config.mag[0]) & (galaxies["mag"] <= config.mag[1])
    if not rows.any():
        raise DataError(
            path,
            expected=f"galaxies of the side test with mag in {list(config.mag or ('any', 'any'))}",
            found=f"none among {len(galaxies)} rows",
            remedy="Simulate more galaxies, widen inject.mag or set inject.flux: rescaled.",
        )
    return np.flatnonzero(rows)


def _number(tile: Tile, config: InjectConfig) -> int:
    """Return how many galaxies the tile shall get."""
    if config.number is not None:
        return config.number
    pixels = np.count_nonzero((np.asarray(tile.mask) & MaskBit.NO_DATA) == 0)
    area_arcmin2 = pixels * (tile.meta.pixel_scale_arcsec / 60) ** 2
    return max(1, round(config.density_per_arcmin2 * area_arcmin2))


def _check_scale(tile: Tile, survey: Survey, path: str | Path) -> None:
    if abs(tile.meta.pixel_scale_arcsec / survey.pixel_scale_arcsec - 1) > PIXEL_SCALE_TOLERANCE:
        raise DataError(
            path,
            expected=f"the pixel scale of the stamps' survey {survey.name}, {survey.pixel_scale_arcsec} arcsec",
            found=f"{tile.meta.pixel_scale_arcsec} arcsec",
            remedy="Inject galaxies that were simulated for this tile's survey.",
        )


def _check_room(tile: Tile, room: int, wanted: int) -> None:
    if not room:
        raise DataError(
            f"tile {tile.meta.tile_id}",
            expected="room for at least one injected galaxy",
            found=f"none on {tile.shape[1]}x{tile.shape[0]} px",
            remedy="Lower inject.edge_px.",
        )
    if room < wanted:
        log.warning("tile %s: room for %d of %d galaxies", tile.meta.tile_id, room, wanted)
