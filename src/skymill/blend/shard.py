"""Stage blend, one shard: noisy blends, their noise-free layers, and what is true of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skymill.blend.compose import compose
from skymill.blend.galaxies import Galaxies, galaxies_of_side
from skymill.blend.groups import GroupRecipe
from skymill.blend.noise import Noise, build_noise
from skymill.blend.truth import group_truth
from skymill.catalog.catalogue import Catalogue, essentials
from skymill.config.blend import Composition
from skymill.data.stamps import Attributes, StampSet, write_shard
from skymill.data.survey import Survey
from skymill.data.tile import Tile
from skymill.errors import ConfigError
from skymill.provenance.record import check_inputs
from skymill.rng import rng

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

BLENDS_AT_ONCE = 128
"""Blends whose stamps are read together; memory grows with this, results do not change."""
LAYERS = {"image": np.float32, "central": np.float32, "neighbours": np.float32, "masks": np.uint8}


def blend_shard(
    recipe: Mapping[str, Any],
    galaxies_stamps: str | Path,
    galaxies_truth: str | Path,
    start: int,
    stop: int,
    stamps: str | Path,
    truth: str | Path,
    noise_tile: str | Path | None = None,
) -> None:
    """Make blends `start` … `stop` - 1 of one side of the split.

    Parameters
    ----------
    recipe : mapping
        :meth:`skymill.provenance.recipe.Recipe.to_dict`; params: seed, survey, blend, side.
    galaxies_stamps, galaxies_truth : path
        The population, as :func:`skymill.simulate.gather.simulate_population` made it.
    start, stop : int
        First and one-past-last blend. They change nothing but where the shard is cut.
    stamps : path
        HDF5 to write with the layers ``image`` (noisy), ``central`` and ``neighbours`` (noise-free), float32, image
        units, and ``masks``, uint8 (1 central, 2 neighbours); all (n, 1, y, x). The central galaxy is at pixel
        ``canvas_px // 2`` plus its sub-pixel offset.
    truth : path
        Catalogue to write, schema ``blends``.
    noise_tile : path, optional
        Ingested tile that blank sky is cut from, for real noise.

    Raises
    ------
    ConfigError
        If stamps are too small for the canvas, the side has too few galaxies, or magnitudes or separations cannot be
        had with them.
    DataError
        If a file cannot be read or written, or the tile has too little blank sky.
    """
    params, tiles = recipe["params"], {"noise_tile": noise_tile} if noise_tile else {}
    check_inputs({"stamps": galaxies_stamps, "truth": galaxies_truth, **tiles})
    config, survey = Composition.model_validate(params["blend"]), Survey.model_validate(params["survey"])
    population = Catalogue.read(galaxies_truth, "galaxies")
    galaxies = galaxies_of_side(population, params["side"], survey, max(config.group_sizes))
    noise = build_noise(config.noise, survey, Tile.read(noise_tile) if noise_tile else None)
    maker = _Maker(recipe, config, survey, galaxies, noise)
    with StampSet.open(galaxies_stamps) as source:
        _check_stamps(config, source.shape("image")[-1], galaxies_stamps)
        layers, columns = maker.make(source, start, stop)
    write_shard(stamps, layers, start, stamp_attributes(recipe, survey))
    Catalogue.from_columns("blends", essentials(recipe), **columns).write(truth)
    log.info("%s blends %d to %d are made", params["side"], start, stop - 1)


def _check_stamps(config: Composition, stamp_px: int, path: str | Path) -> None:
    if stamp_px < config.required_stamp_px():
        raise ConfigError(
            "blend.canvas_px",
            expected=f"stamps of at least {config.required_stamp_px()} px (canvas_px + twice the largest separation)",
            found=f"{stamp_px} px in {path}",
            remedy="Raise stamp_px of the population, or lower blend.canvas_px or the separation's limit.",
        )


class _Maker:
    """Makes blends by number."""

    def __init__(
        self, recipe: Mapping[str, Any], config: Composition, survey: Survey, galaxies: Galaxies, noise: Noise
    ) -> None:
        self.seed, self.name = recipe["params"]["seed"], recipe["name"]
        self.config, self.galaxies, self.noise = config, galaxies, noise
        self.groups = GroupRecipe(config, galaxies)
        self.threshold = config.mask_threshold_rms * survey.background_rms

    def make(self, source: StampSet, start: int, stop: int) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
        """Return the layers of blends `start` … `stop` - 1 and their truth by column."""
        shape = (stop - start, 1, self.config.canvas_px, self.config.canvas_px)
        layers = {name: np.zeros(shape, dtype=dtype) for name, dtype in LAYERS.items()}
        rows: list[dict[str, Any]] = []
        for first in range(start, stop, BLENDS_AT_ONCE):
            for number, images, truth in self._some(source, range(first, min(first + BLENDS_AT_ONCE, stop))):
                for name, image in images.items():
                    layers[name][number - start, 0] = image
                rows.append(truth)
        return layers, {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}

    def _some(
        self, source: StampSet, numbers: range
    ) -> Iterator[tuple[int, dict[str, NDArray], dict[str, Any]]]:
        """Draw the groups of some blends, read their stamps at one go, and compose them."""
        generators = {number: rng(self.seed, "blend", self.name, number) for number in numbers}
        groups = {number: self.groups.draw(generator) for number, generator in generators.items()}
        wanted = [self.galaxies.galaxy_id[group.members] for group in groups.values()]
        stamps = source.read("image", np.concatenate(wanted))[:, 0]  # (sum of m, y, x)
        ends = np.cumsum([len(members) for members in wanted])
        for (number, group), end in zip(groups.items(), ends, strict=True):
            mine = stamps[end - len(group.members) : end]
            made = compose(mine, group.shift_x, group.shift_y, self.config.canvas_px, self.threshold)
            image = self.noise.add(made.central + made.neighbours, generators[number])
            images = {
                "image": image,
                "central": made.central,
                "neighbours": made.neighbours,
                "masks": made.masks,
            }
            truth = group_truth(number, group, self.galaxies, self.config.canvas_px, made.contamination)
            yield number, images, truth


def stamp_attributes(recipe: Mapping[str, Any], survey: Survey) -> Attributes:
    """Return the facts that stand in the header of a set of blends."""
    return {
        **essentials(recipe),
        "side": recipe["params"]["side"],
        "survey": survey.name,
        "band": survey.band,
        "pixel_scale_arcsec": survey.pixel_scale_arcsec,
        "zero_point_mag": survey.zero_point_mag,
        "background_rms": survey.background_rms,
    }
