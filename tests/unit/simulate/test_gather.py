from __future__ import annotations

import json
from pathlib import Path

import pytest

from skymill.errors import DataError
from skymill.simulate.gather import simulate_population
from skymill.simulate.shard import simulate_shard


def shards(recipe: dict, folder: Path, cuts: list[tuple[int, int]]) -> tuple[list[Path], list[Path]]:
    for start, stop in cuts:
        simulate_shard(recipe, start, stop, folder / f"shards/{start}.h5", folder / f"shards/{start}.parquet")
    return ([folder / f"shards/{start}{suffix}" for start, _ in cuts] for suffix in (".h5", ".parquet"))


def test_provenance_counts_rows_and_failures(population_recipe, tmp_path: Path):
    recipe = population_recipe(n_galaxies=4)
    stamps, truths = shards(recipe, tmp_path, [(0, 4)])
    simulate_population(recipe, stamps, truths, tmp_path / "stamps.h5", tmp_path / "truth.parquet")
    record = json.loads((tmp_path / "provenance.json").read_text(encoding="utf-8"))

    assert (record["rows"], record["extra"]["failed_galaxies"], record["seed"]) == (4, 0, 1)
    assert {"stamps.h5", "truth.parquet"} <= set(record["outputs"])


def test_all_failed_is_an_error(population_recipe, tmp_path: Path):
    recipe = population_recipe(
        n_galaxies=2,
        fft_max_px=128,
        sizes={"kind": "relation", "median_re_arcsec": 90, "re_arcsec": (80, 100)},
    )
    stamps, truths = shards(recipe, tmp_path, [(0, 1), (1, 2)])
    with pytest.raises(
        DataError, match="population toys: expected galaxies that can be drawn, found all 2 failed"
    ):
        simulate_population(recipe, stamps, truths, tmp_path / "stamps.h5", tmp_path / "truth.parquet")
    assert not (tmp_path / "provenance.json").exists()


def test_a_missing_shard_is_an_error(population_recipe, tmp_path: Path):
    recipe = population_recipe(n_galaxies=3)
    stamps, truths = shards(recipe, tmp_path, [(0, 1), (2, 3)])
    with pytest.raises(DataError, match="expected stamps from 1 on"):
        simulate_population(recipe, stamps, truths, tmp_path / "stamps.h5", tmp_path / "truth.parquet")


def test_a_truth_too_few_is_an_error(population_recipe, tmp_path: Path):
    recipe = population_recipe(n_galaxies=3)
    stamps, truths = shards(recipe, tmp_path, [(0, 1), (1, 3)])
    with pytest.raises(DataError, match="expected 3 rows, one a stamp, found 1"):
        simulate_population(recipe, stamps, truths[:1], tmp_path / "stamps.h5", tmp_path / "truth.parquet")
