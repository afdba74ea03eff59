from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from skymill.blend.gather import blend_set
from skymill.blend.shard import LAYERS, blend_shard
from skymill.catalog.catalogue import Catalogue
from skymill.data.stamps import StampSet
from skymill.errors import ConfigError, DataError


def run(recipe: dict, population, folder: Path, cuts: list[int], noise_tile: Path | None = None):
    """The whole set, made in shards that are cut at `cuts`, last shard first."""
    shards = list(pairwise(cuts))
    for start, stop in reversed(shards):
        stamps, truth = folder / f"shards/{start}.h5", folder / f"shards/{start}.parquet"
        blend_shard(recipe, *population, start, stop, stamps, truth, noise_tile)
    files = [[folder / f"shards/{start}{suffix}" for start, _ in shards] for suffix in (".h5", ".parquet")]
    blend_set(recipe, files[0], files[1][::-1], folder / "stamps.h5", folder / "truth.parquet")
    with StampSet.open(folder / "stamps.h5") as found:
        layers = {name: found.read(name, slice(None)) for name in found.layers}
    return layers, Catalogue.read(folder / "truth.parquet", "blends")


@pytest.mark.parametrize(
    "noise", [{"kind": "poisson"}, {"kind": "real", "tile": "t1"}], ids=["poisson", "real"]
)
def test_one_shard_and_four_give_the_same_bits(recipe, population, sky_tile, tmp_path: Path, noise: dict):
    sky_tile().write(tmp_path / "tile.fits")
    tile = tmp_path / "tile.fits" if noise["kind"] == "real" else None
    one, _ = run(recipe(noise=noise), population, tmp_path / "one", [0, 20], tile)
    four, _ = run(recipe(noise=noise), population, tmp_path / "four", [0, 3, 4, 13, 20], tile)

    for name in LAYERS:
        np.testing.assert_array_equal(one[name], four[name])
    assert (tmp_path / "one/truth.parquet").read_bytes() == (tmp_path / "four/truth.parquet").read_bytes()


def test_reading_in_small_portions_changes_nothing(recipe, population, tmp_path: Path, monkeypatch):
    whole, _ = run(recipe(), population, tmp_path / "whole", [0, 10])
    monkeypatch.setattr("skymill.blend.shard.BLENDS_AT_ONCE", 3)
    portions, _ = run(recipe(), population, tmp_path / "portions", [0, 10])

    np.testing.assert_array_equal(whole["image"], portions["image"])


def test_a_shard_made_again_is_the_same_file(recipe, population, tmp_path: Path):
    for name in ("a", "b"):
        blend_shard(recipe(), *population, 2, 5, tmp_path / f"{name}.h5", tmp_path / f"{name}.parquet")

    for suffix in (".h5", ".parquet"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_layers_and_their_types(recipe, population, tmp_path: Path):
    layers, truth = run(recipe(), population, tmp_path, [0, 6])

    assert {name: layer.dtype for name, layer in layers.items()} == {
        key: np.dtype(value) for key, value in LAYERS.items()
    }
    assert all(layer.shape == (6, 1, 64, 64) for layer in layers.values())
    assert (truth["role"] == "central").sum() == 6 and list(np.unique(truth["stamp_id"])) == list(range(6))


def test_image_less_its_parts_is_the_noise(recipe, population, survey, tmp_path: Path):
    layers, _ = run(recipe(noise={"kind": "gaussian"}), population, tmp_path, [0, 20])
    noise = layers["image"] - layers["central"] - layers["neighbours"]

    # 80,000 pixels: five standard errors of 0.25 %.
    assert noise.std() == pytest.approx(survey.background_rms, rel=0.0125)
    assert noise.mean() == pytest.approx(0, abs=5 * survey.background_rms / 286)


def test_without_noise_the_parts_are_the_image(recipe, population, tmp_path: Path):
    layers, _ = run(recipe(noise={"kind": "none"}), population, tmp_path, [0, 5])

    np.testing.assert_allclose(layers["image"], layers["central"] + layers["neighbours"], rtol=1e-6)


def test_each_galaxy_is_where_the_truth_says(recipe, population, tmp_path: Path):
    layers, truth = run(recipe(noise={"kind": "none"}, group_sizes={2: 1}), population, tmp_path, [0, 20])
    rows, columns = np.indices((64, 64))
    for role, layer in (("central", "central"), ("companion", "neighbours")):
        light = layers[layer][:, 0].astype(np.float64)
        total = light.sum(axis=(1, 2))
        mine = truth.select(truth["role"] == role)
        # Gaussians whose wings all but fit the canvas.
        np.testing.assert_allclose((light * columns).sum(axis=(1, 2)) / total, mine["x"], atol=0.02)
        np.testing.assert_allclose((light * rows).sum(axis=(1, 2)) / total, mine["y"], atol=0.02)
        np.testing.assert_allclose(total, 10 ** (0.4 * (25 - mine["mag"])), rtol=0.01)


def test_masks_follow_the_threshold(recipe, population, survey, tmp_path: Path):
    layers, _ = run(recipe(mask_threshold_rms=2.0), population, tmp_path, [0, 5])
    limit = 2.0 * survey.background_rms

    np.testing.assert_array_equal((layers["masks"] & 1) > 0, layers["central"] > limit)
    np.testing.assert_array_equal((layers["masks"] & 2) > 0, layers["neighbours"] > limit)


@pytest.mark.parametrize("side", ["train", "validation", "test"])
def test_only_the_own_side_and_nothing_that_failed(recipe, population, tmp_path: Path, side: str):
    _, truth = run(recipe(side), population, tmp_path, [0, 20])
    galaxies = Catalogue.read(population.truth)
    used = np.isin(galaxies["galaxy_id"], truth["galaxy_id"])

    assert set(galaxies["side"][used]) == {side}
    assert 0 not in truth["galaxy_id"]


def test_seed_and_side_make_other_blends(recipe, population, tmp_path: Path):
    first, _ = run(recipe(), population, tmp_path / "a", [0, 3])
    second, _ = run(recipe(seed=2), population, tmp_path / "b", [0, 3])

    assert np.abs(first["image"] - second["image"]).max() > 0


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"canvas_px": 80}, r"blend.canvas_px: expected stamps of at least 112 px .* found 96 px"),
        ({"delta_mag": (9, 10)}, r"blend.delta_mag"),
        (
            {"group_sizes": {12: 1}, "canvas_px": 64, "side": "validation", "delta_mag": (0, 0.1)},
            r"blend.delta_mag",
        ),
        ({"noise": {"kind": "real", "tile": "t1"}}, r"blend.noise.tile"),
    ],
)
def test_impossible_recipes_leave_no_file(recipe, population, tmp_path: Path, keys: dict, message: str):
    side = keys.pop("side", "train")
    with pytest.raises(ConfigError, match=message):
        blend_shard(recipe(side, **keys), *population, 0, 3, tmp_path / "a.h5", tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_population_is_named(recipe, population, tmp_path: Path):
    with pytest.raises(DataError, match=r"nowhere\.h5"):
        blend_shard(recipe(), "nowhere.h5", population.truth, 0, 3, tmp_path / "a.h5", tmp_path / "a.parquet")


def test_shards_that_do_not_fit_are_refused(recipe, population, tmp_path: Path):
    for start, stop in ((0, 2), (3, 5)):
        blend_shard(
            recipe(), *population, start, stop, tmp_path / f"{start}.h5", tmp_path / f"{start}.parquet"
        )
    stamps, truths = ([tmp_path / f"{start}{suffix}" for start in (0, 3)] for suffix in (".h5", ".parquet"))
    with pytest.raises(DataError, match="expected stamps from 2 on"):
        blend_set(recipe(), stamps, truths, tmp_path / "stamps.h5", tmp_path / "truth.parquet")
    with pytest.raises(DataError, match="expected 2 central galaxies, one a stamp, found 4"):
        blend_set(recipe(), stamps[:1], truths, tmp_path / "stamps.h5", tmp_path / "truth.parquet")
