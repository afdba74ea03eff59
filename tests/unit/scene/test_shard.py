from __future__ import annotations

import json

import numpy as np
import pytest

from skymill.catalog.catalogue import Catalogue
from skymill.data.stamps import StampSet
from skymill.errors import ConfigError, DataError
from skymill.scene.gather import scene_set
from skymill.scene.shard import scene_shard


def make(folder, recipe, population, start, stop):
    stamps, truth = folder / f"{start}-{stop}.h5", folder / f"{start}-{stop}.parquet"
    scene_shard(recipe, *population, start, stop, stamps, truth)
    return stamps, truth


def read(path):
    with StampSet.open(path) as stamps:
        return {name: stamps.read(name, slice(None)) for name in stamps.layers}


def test_shards_do_not_change_the_patches(tmp_path, recipe, population):
    whole = make(tmp_path, recipe(), population, 0, 3)
    parts = [make(tmp_path, recipe(), population, *cut) for cut in ((0, 1), (1, 3))]

    together = read(whole[0])
    for name, layer in together.items():
        np.testing.assert_array_equal(layer, np.concatenate([read(path)[name] for path, _ in parts]))
    tables = [Catalogue.read(path, "scenes") for _, path in parts]
    joined, expected = Catalogue.concatenate(tables), Catalogue.read(whole[1], "scenes")
    for name in expected.table.colnames:
        np.testing.assert_array_equal(joined[name], expected[name])


def test_layers_and_truth_fit_together(tmp_path, recipe, population):
    stamps, truth = make(tmp_path, recipe(), population, 0, 2)
    layers, table = read(stamps), Catalogue.read(truth, "scenes")

    assert layers["image"].shape == (2, 1, 96, 96) and layers["image"].dtype == np.float32
    assert layers["segments"].dtype == np.uint16
    for patch in range(2):
        mine = table["patch_id"] == patch
        assert table["source_id"][mine].tolist() == list(range(mine.sum()))
        assert layers["segments"][patch].max() <= mine.sum()


def test_each_side_has_its_own_galaxies_and_numbers(tmp_path, recipe, population):
    images = {}
    for side in ("train", "test"):
        (tmp_path / side).mkdir()
        images[side] = read(make(tmp_path / side, recipe(side), population, 0, 1)[0])["image"]

    assert not np.array_equal(images["train"], images["test"])


def test_an_empty_side_is_refused(tmp_path, recipe, population):
    with pytest.raises(ConfigError, match="split"):
        make(tmp_path, recipe("nowhere"), population, 0, 1)


def test_a_set_ties_its_shards_together(tmp_path, recipe, population):
    folder = tmp_path / "set"
    (folder / "shards").mkdir(parents=True)
    parts = [make(folder / "shards", recipe(), population, *cut) for cut in ((2, 4), (0, 2))]
    scene_set(recipe(), *zip(*parts, strict=True), folder / "stamps.h5", folder / "truth.parquet")

    table = Catalogue.read(folder / "truth.parquet", "scenes")
    record = json.loads((folder / "provenance.json").read_text())
    assert read(folder / "stamps.h5")["image"].shape[0] == record["rows"] == 4
    assert (np.diff(table["patch_id"]) >= 0).all()
    assert record["extra"]["objects"] == table["is_object"].sum() > 0


def test_a_set_with_a_gap_is_refused(tmp_path, recipe, population):
    folder = tmp_path / "set"
    (folder / "shards").mkdir(parents=True)
    stamps, truth = make(folder / "shards", recipe(), population, 1, 2)
    with pytest.raises(DataError, match="stamps from 0"):
        scene_set(recipe(), [stamps], [truth], folder / "stamps.h5", folder / "truth.parquet")
