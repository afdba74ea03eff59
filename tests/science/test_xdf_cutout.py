"""Ingest, injection and a baseline on a real cutout of Hubble's XDF: drizzled, with a map of its noise.

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
from skymill.config.ingest import IngestConfig, TileFacts, load_tiles
from skymill.config.simulate import ParametricPopulation, SplitConfig
from skymill.data.stamps import link_shards
from skymill.data.survey import Survey, load_survey, njy_to_image_flux
from skymill.data.tile import Tile
from skymill.detectors.baseline import baseline_tile
from skymill.ingest.ingest import ingest_tile
from skymill.provenance.recipe import Recipe
from skymill.simulate.shard import simulate_shard

FILES = "xdf_hst_wfc3ir_60mas_f160w"
ZERO_POINT = 25.9463
STAMP_PX, GALAXIES = 64, 24


class Injected(NamedTuple):
    """The ingested cutout, the one with galaxies added, and what was added."""

    before: Tile
    after: Tile
    truth: Catalogue
    path: Path


@pytest.fixture(scope="module")
def survey(repository: Path) -> Survey:
    return load_survey("hst_f160w", repository / "config/surveys")


def ingest(data: Path, folder: Path, survey: Survey) -> Path:
    """Ingest the cutout as a row of a tile table says."""
    cells = {
        "tile_id": "xdf",
        "survey": survey.name,
        "zero_point_mag": str(ZERO_POINT),
        "background": "subtracted",
    }
    cells |= {"image": str(data / f"{FILES}_sci.fits"), "rms": str(data / f"{FILES}_rms.fits")}
    (folder / "tiles.tsv").write_text("\t".join(cells) + "\n" + "\t".join(cells.values()) + "\n")
    (row,) = load_tiles(folder / "tiles.tsv")
    facts = {name: getattr(row, name) for name in TileFacts.model_fields}
    params = {"tile": facts, "survey": survey.physics(), "ingest": IngestConfig().recipe_params()}
    ingest_tile(
        Recipe("ingest", "xdf", params).to_dict(), row.image, folder / "ingest/tile.fits", rms=row.rms
    )
    return folder / "ingest/tile.fits"


def simulate(folder: Path, survey: Survey) -> None:
    """Draw isolated galaxies, all of them on the test side."""
    population = ParametricPopulation(
        kind="parametric",
        n_galaxies=GALAXIES,
        stamp_px=STAMP_PX,
        mag=(21.0, 24.0),
        sizes={"re_arcsec": (0.06, 0.3)},
    )
    split = SplitConfig(train=0, validation=0, test=1)
    params = {"seed": 1, "survey": survey.physics(), "population": population.recipe_params()}
    recipe = Recipe("simulate", "galaxies", {**params, "split": split.recipe_params()}).to_dict()
    simulate_shard(recipe, 0, GALAXIES, folder / "shard.h5", folder / "galaxies.parquet")
    link_shards(folder / "stamps.h5", [folder / "shard.h5"], {})


@pytest.fixture(scope="module")
def injected(shared_data: Path, survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> Injected:
    folder = tmp_path_factory.mktemp("xdf")
    tile = ingest(shared_data / "hst_xdf_cutout", folder, survey)
    simulate(folder, survey)
    keys = {"number": 5, "min_distance_px": 40, "edge_px": 30}
    recipe = Recipe("inject", "xdf", {"seed": 1, "survey": survey.physics(), "inject": keys}).to_dict()
    output, truth = folder / "inject/tile.fits", folder / "inject/truth.parquet"
    inject_tile(recipe, tile, folder / "stamps.h5", folder / "galaxies.parquet", output, truth)
    return Injected(Tile.read(tile), Tile.read(output), Catalogue.read(truth, "sources"), output)


def blank(tile: Tile) -> np.ndarray:
    """Pixels below three times the noise of the map: sky and little else."""
    return np.abs(tile.science) < 3 * tile.rms


def test_the_tile_is_the_cutout(injected: Injected):
    tile = injected.before

    assert tile.shape == (200, 200) and not tile.mask.any()
    assert tile.meta.pixel_scale_arcsec == pytest.approx(0.06, rel=1e-6)
    assert tile.meta.zero_point_mag == ZERO_POINT
    # One image unit is an electron per second whatever the zero-point is called: 0.0003 mag.
    assert tile.meta.gain_e_per_unit == pytest.approx(3200, rel=1e-3)
    assert np.median(tile.rms) == pytest.approx(9.09e-4, rel=0.01)


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


def test_what_was_injected_is_the_truth(injected: Injected):
    """Light that reaches the tile: all but the wings beyond the stamp (3 %) and its own photon noise."""
    added = injected.after.science.astype(np.float64) - injected.before.science
    flux = njy_to_image_flux(injected.truth["flux"], ZERO_POINT)

    assert len(injected.truth) == 5
    assert added.sum() == pytest.approx(flux.sum(), rel=0.03)
    rows, columns = np.indices(added.shape)
    for x, y, one in zip(injected.truth["x"], injected.truth["y"], flux, strict=True):
        # The wings of a bulge and of the Airy pattern lie outside of 18 px.
        assert 0.85 < added[np.hypot(columns - x, rows - y) < 18].sum() / one < 1.02
    assert (injected.after.rms >= injected.before.rms).all()


@pytest.mark.parametrize("kind", ["sep", "photutils"])
def test_injected_galaxies_are_found_on_it(injected: Injected, tmp_path: Path, kind: str):
    """21 to 24 mag on an image that reaches 29: all are found, and isolated ones are measured to 0.15 mag."""
    recipe = Recipe("baseline", "xdf", {"detector": {"kind": kind, "setting": "plain"}}).to_dict()
    baseline_tile(recipe, injected.path, tmp_path / "catalogue.parquet")
    found = Catalogue.read(tmp_path / "catalogue.parquet", "measurement")
    pairs = match_positions(injected.truth["x"], injected.truth["y"], found["x"], found["y"], 3.0)

    assert len(pairs) == 5
    error = found["mag"][pairs.index2] - injected.truth["mag"][pairs.index1]
    assert np.abs(np.median(error)) < 0.15
