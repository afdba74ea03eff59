"""Stage scene, one shard: patches of sky, their segments, and what is true of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skymill.blend.galaxies import Galaxies, galaxies_of_side
from skymill.blend.noise import build_noise
from skymill.blend.shard import stamp_attributes
from skymill.catalog.catalogue import Catalogue, essentials
from skymill.config.scene import SceneConfig
from skymill.data.stamps import StampSet, write_shard
from skymill.data.survey import Survey
from skymill.data.tile import Tile
from skymill.provenance.record import check_inputs
from skymill.rng import rng
from skymill.scene.patch import Patch, PatchMaker
from skymill.scene.points import Points
from skymill.scene.sources import SourceRecipe, Sources

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)


def scene_shard(
    recipe: Mapping[str, Any],
    galaxies_stamps: str | Path,
    galaxies_truth: str | Path,
    start: int,
    stop: int,
    stamps: str | Path,
    truth: str | Path,
    noise_tile: str | Path | None = None,
) -> None:
    """Make patches `start` … `stop` - 1 of one side of the split.

    Parameters
    ----------
    recipe : mapping
        :meth:`skymill.provenance.recipe.Recipe.to_dict`; params: seed, survey, scene, side.
    galaxies_stamps, galaxies_truth : path
        The population, as :func:`skymill.simulate.gather.simulate_population` made it.
    start, stop : int
        First and one-past-last patch. They change nothing but where the shard is cut.
    stamps : path
        HDF5 to write with the layers ``image`` (noisy, float32, image units) and ``segments`` (uint16: 1 + number of
        the source that is the brightest there), both (n, 1, y, x).
    truth : path
        Catalogue to write, schema ``scenes``.
    noise_tile : path, optional
        Ingested tile that blank sky is cut from, for real noise.

    Raises
    ------
    ConfigError
        If the side has no galaxy.
    DataError
        If a file cannot be read or written, or the tile has too little blank sky.
    """
    params, tiles = recipe["params"], {"noise_tile": noise_tile} if noise_tile else {}
    check_inputs({"stamps": galaxies_stamps, "truth": galaxies_truth, **tiles})
    config, survey = SceneConfig.model_validate(params["scene"]), Survey.model_validate(params["survey"])
    galaxies = galaxies_of_side(Catalogue.read(galaxies_truth, "galaxies"), params["side"], survey, 1)
    noise = build_noise(config.noise, survey, Tile.read(noise_tile) if noise_tile else None)
    maker, sources = PatchMaker(config, survey, Points(survey), noise), SourceRecipe(config, survey, galaxies)
    patches = []
    with StampSet.open(galaxies_stamps) as bank:
        for number in range(start, stop):
            generator = rng(params["seed"], "scene", recipe["name"], number)
            patches.append(_patch(maker, sources.draw(generator), galaxies, bank, generator))
    layers = {
        name: np.stack([getattr(patch, name) for patch in patches])[:, None] for name in ("image", "segments")
    }
    write_shard(stamps, layers, start, stamp_attributes(recipe, survey))
    Catalogue.from_columns("scenes", essentials(recipe), **_columns(patches, start)).write(truth)
    log.info("%s patches %d to %d are made", params["side"], start, stop - 1)


def _patch(
    maker: PatchMaker, sources: Sources, galaxies: Galaxies, bank: StampSet, generator: np.random.Generator
) -> Patch:
    rows = sources.galaxy
    is_galaxy = np.flatnonzero(~sources.is_star)
    light = np.zeros((len(sources), *bank.shape("image")[2:]), dtype=np.float32)
    light[is_galaxy] = bank.read("image", galaxies.galaxy_id[rows[is_galaxy]])[:, 0]
    offsets = np.column_stack([galaxies.dx[rows], galaxies.dy[rows]])
    return maker.make(sources, light, galaxies.flux[rows], offsets, generator)


def _columns(patches: list[Patch], start: int) -> dict[str, NDArray]:
    columns = {name: np.concatenate([patch.truth[name] for patch in patches]) for name in patches[0].truth}
    counts = [len(patch.truth["x"]) for patch in patches]
    return {"patch_id": np.repeat(np.arange(start, start + len(patches)), counts), **columns}
