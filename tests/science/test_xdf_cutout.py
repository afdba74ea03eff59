"""Ingest, injection and baselines as config/xdf.yaml says, on a real cutout of Hubble's XDF with a map of its noise.

200 x 200 px of F160W at 0.06 arcsec (Illingworth et al. 2013, ApJS 209, 6). Drizzling correlates the noise of
neighbouring pixels, by 0.56, which makes a pixel's scatter smaller than the map says: the map is of the noise that
counts in apertures.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from skymill.catalog.catalogue import Catalogue
from skymill.catalog.match import match_positions
from skymill.compare.inject import inject_tile
from skymill.config.ingest import load_tiles, local_location
from skymill.config.run import RunConfig, load_config
from skymill.config.simulate import SplitConfig
from skymill.data.stamps import link_shards
from skymill.data.survey import njy_to_image_flux
from skymill.data.tile import Tile
from skymill.detectors.baseline import baseline_tile
from skymill.ingest.ingest import ingest_tile
from skymill.plan.available import missing_detectors
from skymill.plan.build import build_plan
from skymill.plan.plan import Plan
from skymill.simulate.shard import simulate_shard

ZERO_POINT = 25.9463
GALAXIES = 60


class Injected(NamedTuple):
    """The ingested cutout, the one with galaxies added, and what was added."""

    before: Tile
    after: Tile
    truth: Catalogue
    path: Path


@pytest.fixture(scope="module")
def config(repository: Path) -> RunConfig:
    return load_config(repository / "config/xdf.yaml")


@pytest.fixture(scope="module")
def plan(config: RunConfig, repository: Path) -> Plan:
    return build_plan(config, repository, missing_detectors())


def simulate(recipe: dict, folder: Path) -> None:
    """Draw the first of the run's galaxies, all of them on the test side."""
    split = SplitConfig(train=0, validation=0, test=1)
    recipe = {**recipe, "params": {**recipe["params"], "split": split.recipe_params()}}
    simulate_shard(recipe, 0, GALAXIES, folder / "shard.h5", folder / "galaxies.parquet")
    link_shards(folder / "stamps.h5", [folder / "shard.h5"], {})


@pytest.fixture(scope="module")
def injected(
    shared_data: Path, config: RunConfig, plan: Plan, repository: Path, tmp_path_factory
) -> Injected:
    folder = tmp_path_factory.mktemp("xdf")
    (row,) = load_tiles(repository / config.tiles)
    data, tile = shared_data / "hst_xdf_cutout", folder / "ingest/tile.fits"
    image, rms = (local_location(location, data) for location in (row.image, row.rms))
    ingest_tile(plan.artifact("ingest", "xdf_f160w").recipe.to_dict(), image, tile, rms=rms)
    simulate(plan.artifact("simulate", "galaxies").recipe.to_dict(), folder)
    recipe = plan.artifact("inject", "xdf_f160w").recipe.to_dict()
    output, truth = folder / "inject/tile.fits", folder / "inject/truth.parquet"
    inject_tile(recipe, tile, folder / "stamps.h5", folder / "galaxies.parquet", output, truth)
    return Injected(Tile.read(tile), Tile.read(output), Catalogue.read(truth, "sources"), output)


def blank(tile: Tile) -> np.ndarray:
    """Pixels below three times the noise of the map: sky and little else."""
    return np.abs(tile.science) < 3 * tile.rms


def test_the_tile_is_the_cutout(injected: Injected, plan: Plan):
    tile, survey = injected.before, plan.survey

    assert tile.shape == (200, 200) and not tile.mask.any()
    assert tile.meta.pixel_scale_arcsec == pytest.approx(0.06, rel=1e-6)
    unit = tile.meta.unit
    assert tile.meta.zero_point_mag == pytest.approx(ZERO_POINT - 2.5 * np.log10(unit))
    assert tile.meta.gain_e_per_unit == pytest.approx(survey.gain_e_per_unit * unit)
    # The survey is as deep as the map says; so are the networks that are trained for it.
    assert np.median(tile.rms) * unit == pytest.approx(survey.background_rms, rel=0.01)


def test_the_map_knows_of_the_correlation_that_pixels_hide(injected: Injected):
    """Means of 5 x 5 px scatter nearly as the map says for independent pixels, single pixels by half of that."""
    tile = injected.before
    sky = np.where(blank(tile), tile.science / tile.rms, 0.0).astype(np.float64)
    single = 1.4826 * np.median(np.abs(sky))
    blocks = sky.reshape(40, 5, 40, 5).sum(axis=(1, 3)) / 5

    assert 0.4 < single < 0.6
    assert 1.4826 * np.median(np.abs(blocks - np.median(blocks))) > 1.5 * single
    pairs = np.corrcoef(sky[:, 1:].ravel(), sky[:, :-1].ravel())[0, 1]
    assert pairs > 0.4


def test_what_was_injected_is_the_truth(injected: Injected, config: RunConfig):
    """Light that reaches the tile: all but the wings beyond the tile's edge (3 %) and its own photon noise."""
    added = injected.after.science.astype(np.float64) - injected.before.science
    truth = injected.truth
    flux = njy_to_image_flux(truth["flux"], injected.before.meta.zero_point_mag)

    # A second galaxy that would fall too near to the edge is left out.
    assert config.inject.number - 2 <= len(truth) <= config.inject.number
    assert ((truth["mag"] >= config.inject.mag[0]) & (truth["mag"] <= config.inject.mag[1])).all()
    assert added.sum() == pytest.approx(flux.sum(), rel=0.03)
    # Alone and in pairs, on the sky and beside the cutout's own galaxies: some of each.
    assert 4 <= truth["is_isolated"].sum() <= len(truth) - 4
    rows, columns = np.indices(added.shape)
    for x, y, one in zip(truth["x"], truth["y"], flux, strict=True):
        # All but the wings of a bulge and of the Airy pattern, and the light of those nearby.
        assert added[np.hypot(columns - x, rows - y) < 18].sum() > 0.8 * one
    assert (injected.after.rms >= injected.before.rms).all()


@pytest.mark.parametrize("name", ["source_extractor", "source_extractor_plain", "sep", "photutils"])
def test_injected_galaxies_are_found_on_it(injected: Injected, plan: Plan, tmp_path: Path, name: str):
    """23 to 27.5 mag on an image that reaches 29: half or more are found, isolated ones measured to 0.2 mag."""
    artifacts = {artifact.recipe.name: artifact for artifact in plan.of_stage("baseline")}
    if (artifact := artifacts.get(f"xdf_f160w.injected.{name}")) is None:
        pytest.skip("source-extractor is not installed")
    baseline_tile(artifact.recipe.to_dict(), injected.path, tmp_path / "catalogue.parquet")
    found, truth = Catalogue.read(tmp_path / "catalogue.parquet", "measurement"), injected.truth
    pairs = match_positions(truth["x"], truth["y"], found["x"], found["y"], 3.0)
    error = found["mag"][pairs.index2] - truth["mag"][pairs.index1]
    isolated = truth["is_isolated"][pairs.index1]

    assert len(pairs) >= 0.5 * len(truth)
    assert np.abs(np.median(error[isolated])) < 0.2
