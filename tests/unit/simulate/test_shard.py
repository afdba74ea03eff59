from __future__ import annotations

import logging
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from skymill.catalog.catalogue import Catalogue
from skymill.catalog.flags import Flag
from skymill.data.stamps import StampSet
from skymill.errors import ConfigError
from skymill.simulate.gather import simulate_population
from skymill.simulate.shard import simulate_shard


def run(recipe: dict, folder: Path, cuts: list[int]) -> tuple[np.ndarray, Catalogue]:
    """The whole population, drawn in shards that are cut at `cuts`, in any order."""
    shards = list(pairwise(cuts))
    for start, stop in reversed(shards):
        simulate_shard(recipe, start, stop, folder / f"shards/{start}.h5", folder / f"shards/{start}.parquet")
    stamps = [folder / f"shards/{start}.h5" for start, _ in shards]
    truths = [folder / f"shards/{start}.parquet" for start, _ in reversed(shards)]
    simulate_population(recipe, stamps, truths, folder / "stamps.h5", folder / "truth.parquet")
    with StampSet.open(folder / "stamps.h5") as found:
        return found.read("image", slice(None)), Catalogue.read(folder / "truth.parquet", "galaxies")


def test_one_shard_and_four_give_the_same_bits(population_recipe, tmp_path: Path):
    recipe = population_recipe(point_source_fraction=0.3)
    one, truth_one = run(recipe, tmp_path / "one", [0, 12])
    four, truth_four = run(recipe, tmp_path / "four", [0, 1, 5, 6, 12])

    np.testing.assert_array_equal(one, four)
    assert (tmp_path / "one/truth.parquet").read_bytes() == (tmp_path / "four/truth.parquet").read_bytes()
    assert list(truth_one["galaxy_id"]) == list(range(12)) == list(truth_four["galaxy_id"])


def test_a_shard_made_again_is_the_same_file(population_recipe, tmp_path: Path):
    for name in ("first", "second"):
        simulate_shard(population_recipe(), 3, 6, tmp_path / f"{name}.h5", tmp_path / f"{name}.parquet")

    for suffix in (".h5", ".parquet"):
        assert (tmp_path / f"first{suffix}").read_bytes() == (tmp_path / f"second{suffix}").read_bytes()


def test_stamps_and_truth_belong_together(population_recipe, tmp_path: Path):
    simulate_shard(
        population_recipe(n_galaxies=5, stamp_px=64), 0, 5, tmp_path / "a.h5", tmp_path / "a.parquet"
    )
    truth = Catalogue.read(tmp_path / "a.parquet", "galaxies")
    with StampSet.open(tmp_path / "a.h5") as stamps:
        assert stamps.shape("image") == (5, 1, 64, 64)
        assert stamps.attrs["zero_point_mag"] == 25.0 and stamps.attrs["stage"] == "simulate"
        image = stamps.read("image", slice(None))[:, 0]

    # All but the far wings lies on the stamp: less than 5 %.
    np.testing.assert_allclose(image.sum(axis=(1, 2)), 10 ** (0.4 * (25 - truth["mag"])), rtol=0.05)
    np.testing.assert_allclose(truth["flux"], 10 ** (0.4 * (31.4 - truth["mag"])), rtol=1e-12)
    peak = image.reshape(5, -1).argmax(axis=1)
    np.testing.assert_array_equal(np.round(32 + truth["dx"]), peak % 64)
    np.testing.assert_array_equal(np.round(32 + truth["dy"]), peak // 64)


def test_seed_and_name_make_other_galaxies(population_recipe, tmp_path: Path):
    found = {}
    for key, recipe in {
        "a": population_recipe(),
        "seed": population_recipe(seed=2),
        "name": population_recipe(name="others"),
    }.items():
        simulate_shard(recipe, 0, 3, tmp_path / f"{key}.h5", tmp_path / f"{key}.parquet")
        found[key] = Catalogue.read(tmp_path / f"{key}.parquet")["mag"]

    assert not set(found["a"]) & set(found["seed"]) and not set(found["a"]) & set(found["name"])


def test_a_failing_galaxy_is_named_and_the_others_go_on(population_recipe, tmp_path: Path, caplog):
    # A transform of 128 px is enough for small galaxies only.
    sizes = {"kind": "relation", "re_arcsec": (0.1, 8.0), "scatter_dex": 1.0}
    recipe = population_recipe(fft_max_px=128, sizes=sizes)
    with caplog.at_level(logging.WARNING):
        images, truth = run(recipe, tmp_path, [0, 6, 12])
    failed = (truth["flags"] & Flag.FAILED) > 0

    assert 0 < failed.sum() < 12
    assert (images[failed] == 0).all() and (images[~failed].max(axis=(1, 2, 3)) > 0).all()
    for number in truth["galaxy_id"][failed]:
        assert f"galaxy {number} could not be drawn" in caplog.text
    assert "large FFT" in caplog.text and f"{failed.sum()} of 12 galaxies could not be drawn" in caplog.text


def test_a_galaxy_that_sticks_out_is_flagged(population_recipe, tmp_path: Path):
    recipe = population_recipe(stamp_px=8, sizes={"kind": "relation", "re_arcsec": (0.9, 1.0)})
    simulate_shard(recipe, 0, 2, tmp_path / "a.h5", tmp_path / "a.parquet")

    assert ((Catalogue.read(tmp_path / "a.parquet")["flags"] & Flag.TRUNCATED) > 0).all()


def test_real_galaxies_come_from_where_the_rule_says(population_recipe, tmp_path: Path, cosmos: str):
    keys = {
        "kind": "real",
        "catalogue": "elsewhere.fits",
        "catalogue_mag": (18, 23),
        "n_galaxies": 2,
        "stamp_px": 32,
    }
    recipe = population_recipe()
    recipe["params"]["population"] = keys
    simulate_shard(recipe, 0, 2, tmp_path / "a.h5", tmp_path / "a.parquet", catalogue=cosmos)

    assert set(Catalogue.read(tmp_path / "a.parquet")["kind"]) == {"real"}


def test_an_impossible_survey_is_one_clear_error(population_recipe, survey, tmp_path: Path):
    sharp = {
        "kind": "optical",
        "fwhm_arcsec": 0.01,
        "wavelength_nm": 700,
        "diameter_m": 1.2,
        "obscuration": 0.3,
    }
    recipe = population_recipe(survey=survey.model_validate({**survey.physics(), "psf": sharp}))
    with pytest.raises(ConfigError, match="diffraction limit"):
        simulate_shard(recipe, 0, 1, tmp_path / "a.h5", tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []
