"""Blends of observed galaxies as config/real_cutouts.yaml says: four spirals, each seen by KiDS and by SDSS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skymill.blend.shard import blend_shard
from skymill.catalog.catalogue import Catalogue
from skymill.config.run import load_config
from skymill.data.stamps import StampSet, link_shards
from skymill.data.survey import mag_to_image_flux
from skymill.detectors.baseline import baseline_blends
from skymill.plan.build import build_plan
from skymill.plan.plan import Plan
from skymill.simulate.shard import simulate_shard

GALAXIES, BLENDS = 16, 12


@pytest.fixture(scope="module")
def plan(shared_data: Path, repository: Path) -> Plan:
    config = load_config(repository / "config/real_cutouts.yaml")
    data_dir = str(shared_data / "kids_sdss_isolated_galaxies")
    return build_plan(config.model_copy(update={"data_dir": data_dir}), repository)


@pytest.fixture(scope="module")
def spirals(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the first galaxies of the population, as its jobs draw them."""
    folder, artifact = tmp_path_factory.mktemp("spirals"), plan.artifact("simulate", "spirals")
    shard, truth = folder / "shard.h5", folder / "truth.parquet"
    simulate_shard(
        artifact.recipe.to_dict(),
        0,
        GALAXIES,
        shard,
        truth,
        artifact.inputs["catalogue"],
        plan.config.data_dir,
    )
    link_shards(folder / "stamps.h5", [shard], {})
    return folder


def test_every_file_of_the_table_is_there(plan: Plan):
    parents = plan.artifact("simulate", "spirals").recipe.parents

    assert len(parents) == 1 + 8 * 5
    assert "missing" not in parents.values()


def test_galaxies_are_as_bright_and_as_large_as_the_run_says(plan: Plan, spirals: Path):
    galaxies = Catalogue.read(spirals / "truth.parquet", "galaxies")
    with StampSet.open(spirals / "stamps.h5") as stamps:
        images = stamps.read("image", np.arange(GALAXIES))[:, 0].astype(np.float64)

    assert (galaxies["flags"] == 0).all()
    assert ((galaxies["mag"] > 17.0) & (galaxies["mag"] < 21.5)).all()
    # 1.5 to 2.8 arcsec as observed, 2.5 to 5 times farther away.
    assert ((galaxies["re"] > 1.5 / 5) & (galaxies["re"] < 2.8 / 2.5)).all()
    expected = mag_to_image_flux(galaxies["mag"], plan.survey.zero_point_mag)
    # SDSS's wings carry some light beyond the stamp's 32 arcsec.
    assert images.sum(axis=(1, 2)) == pytest.approx(expected, rel=0.02)


def test_sep_finds_most_of_them_in_blends_and_gives_them_light_of_each_other(
    plan: Plan, spirals: Path, tmp_path: Path
):
    recipe = plan.artifact("blend", "real").recipe.to_dict()
    stamps, truth = tmp_path / "stamps.h5", tmp_path / "truth.parquet"
    blend_shard(recipe, spirals / "stamps.h5", spirals / "truth.parquet", 0, BLENDS, stamps, truth)
    baseline = plan.artifact("baseline", "real_blends.sep").recipe.to_dict()
    baseline_blends(baseline, stamps, truth, tmp_path / "catalogue.parquet")
    galaxies = Catalogue.read(truth, "blends")
    found = Catalogue.read(tmp_path / "catalogue.parquet", "measurement")

    assert set(galaxies["kind"]) == {"real"} and len(np.unique(galaxies["stamp_id"])) == BLENDS
    errors = []
    for galaxy in galaxies.table:
        own = found.table[found["stamp_id"] == galaxy["stamp_id"]]
        distance = np.hypot(own["x"] - galaxy["x"], own["y"] - galaxy["y"])
        if len(own) and distance.min() < 3:
            errors.append(own["mag"][np.argmin(distance)] - galaxy["mag"])
    # What two galaxies that touch lend each other makes them brighter; a pair that is seen as one, by up to 0.75 mag.
    assert len(errors) >= 0.6 * len(galaxies)
    assert -0.75 < np.median(errors) < 0.0
