"""Composed blends against the same groups put together by the stage blend."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from skymill.blend.compose import compose
from skymill.blend.galaxies import galaxies_of_side
from skymill.blend.groups import GroupRecipe
from skymill.catalog.catalogue import Catalogue
from skymill.data.stamps import write_shard
from skymill.errors import ConfigError, DataError
from skymill.rng import rng
from skymill.training.blends import ComposedBlends, Numbers, loader

MIDDLE = 9  # of windows of 19 px
PAIRS = {"group_sizes": {2: 1.0}}
GROUPS = {"group_sizes": {1: 1, 2: 1, 3: 1, 4: 1}}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def group_of(source, number: int):
    """The group that a number stands for, and which member is measured, drawn by the stage blend's own code."""
    galaxies = galaxies_of_side(Catalogue.read(source.truth), source.side, source.survey, 2)
    generator = rng(source.seed, "train", "blends", source.side, number)
    group = GroupRecipe(source.blend, galaxies).draw(generator)
    return group, galaxies, int(generator.integers(len(group.members)))


@pytest.mark.parametrize("window_px", [19, 31])
def test_central_and_neighbours_are_those_of_the_stage_blend(make_blends, population, survey, window_px):
    blends = make_blends(window_px=window_px, **GROUPS)
    windows = blends[list(range(30))]
    sizes = set()
    for number in range(30):
        group, galaxies, target = group_of(blends.source, number)
        order = [target, *(member for member in range(len(group.members)) if member != target)]
        stamps = population.images[galaxies.galaxy_id[group.members[order]]] / survey.background_rms
        shift_x, shift_y = (
            shift[order] - shift[target] for shift in (group.shift_x.copy(), group.shift_y.copy())
        )
        layers = compose(stamps, shift_x, shift_y, window_px, mask_threshold=1.0)
        np.testing.assert_allclose(windows["central"][number, 0], layers.central, rtol=1e-6)
        np.testing.assert_allclose(windows["neighbours"][number, 0], layers.neighbours, rtol=1e-5, atol=1e-5)
        sizes.add(len(order))

    assert sizes == {1, 2, 3, 4}


def test_the_flux_is_that_of_the_galaxy_in_the_middle_in_background_rms(make_blends, population, survey):
    windows = make_blends(**GROUPS)[list(range(40))]
    central = windows["central"][:, 0]

    # All light of a Gaussian of 1.5 px lies within 9 px.
    torch.testing.assert_close(central.sum(dim=(1, 2)), windows["flux"][:, 0], rtol=1e-4, atol=0)
    known = population.flux[population.side == "train"] / survey.background_rms
    assert set(windows["flux"][:, 0].tolist()) <= set(known.astype(np.float32).tolist())
    peaks = central.flatten(1).argmax(dim=1)
    assert peaks.tolist() == [MIDDLE * 19 + MIDDLE] * 40


@pytest.mark.parametrize("changes", [PAIRS, GROUPS])
def test_a_number_is_a_blend_whatever_the_batch_or_the_cache(make_blends, changes):
    cached, read = (make_blends(cache_bytes=size, **changes) for size in (1e9, 0))
    whole = cached[list(range(12))]
    shuffled = read[[7, 3, 7]]

    assert cached.cached and not read.cached
    assert same(whole, read[np.arange(12)])
    assert same(shuffled, {name: values[[7, 3, 7]] for name, values in whole.items()})


@pytest.mark.parametrize("workers", [0, 1])
def test_processes_beside_the_training_make_the_same(make_blends, workers):
    blends = make_blends(cache_bytes=0)
    # Opened here first, so that a worker that took over the file handle would show.
    whole = blends[list(range(10))]
    batches = list(loader(blends, 10, 4, workers, is_fixed=False))

    assert [len(batch["flux"]) for batch in batches] == [4, 4, 2]
    assert torch.equal(torch.cat([batch["central"] for batch in batches]), whole["central"])


def test_every_epoch_has_new_blends_and_a_fixed_set_has_not():
    new, fixed = Numbers(10, 4, is_fixed=False), Numbers(10, 4, is_fixed=True)
    seen = []
    for epoch in range(3):
        for order in (new, fixed):
            order.set_epoch(epoch)
        assert [len(batch) for batch in new] == [4, 4, 2] and len(new) == 3
        assert np.concatenate(list(fixed)).tolist() == list(range(10))
        seen += np.concatenate(list(new)).tolist()

    assert seen == list(range(30))


@pytest.mark.parametrize("n", [1, 3, 8, 9])
def test_the_number_of_batches_is_what_the_order_says(n: int):
    order = Numbers(n, 4, is_fixed=False)

    assert len(list(order)) == len(order)
    assert sum(len(batch) for batch in order) == n


def test_blends_of_two_epochs_differ(make_blends):
    batches = loader(make_blends(), 8, 8, 0, is_fixed=False)
    (first,) = batches
    batches.sampler.set_epoch(1)
    (second,) = batches

    assert set(first["flux"][:, 0].tolist()) != set(second["flux"][:, 0].tolist())
    assert not torch.equal(first["central"], second["central"])


def test_another_seed_or_side_has_other_blends(make_blends):
    one, other = (make_blends(seed=seed)[list(range(8))] for seed in (5, 6))

    assert not torch.equal(one["flux"], other["flux"])


@pytest.mark.parametrize("side", ["train", "validation"])
def test_no_galaxy_is_of_another_side(make_blends, population, survey, side):
    blends = make_blends(side, **GROUPS)
    members = np.concatenate([blends._draw(number)[0].members for number in range(300)])
    drawn = set(blends.galaxies.galaxy_id[members].tolist())

    assert drawn == set(np.flatnonzero(population.side == side).tolist())
    measured = blends[list(range(100))]["flux"][:, 0].numpy() * survey.background_rms
    foreign = population.flux[population.side != side]
    assert np.abs(measured[:, None] / foreign - 1).min() > 1e-6


def test_any_member_of_a_group_is_measured(make_blends):
    blends = make_blends(group_sizes={3: 1.0})
    targets = [blends._draw(number)[1] for number in range(60)]

    assert set(targets) == {0, 1, 2}


def test_pairs_give_the_central_galaxy_and_its_companion(make_blends, survey, population):
    blends = make_blends(galaxies=2, **PAIRS)
    windows = blends[list(range(20))]
    for number in range(20):
        group, galaxies, _ = group_of(blends.source, number)
        expected = population.flux[galaxies.galaxy_id[group.members]] / survey.background_rms
        np.testing.assert_allclose(windows["flux"][number], expected, rtol=1e-6)

    assert windows["flux"].shape == (20, 2)
    torch.testing.assert_close(
        windows["central"].sum(dim=(1, 2, 3)), windows["flux"][:, 0], rtol=1e-4, atol=0
    )


@pytest.mark.parametrize("sizes", [{1: 0.5, 2: 0.5}, {3: 1.0}])
def test_two_fluxes_are_learned_from_pairs_only(make_blends, sizes):
    with pytest.raises(ConfigError, match=r"models\.\*\.task\.outputs: expected central"):
        make_blends(galaxies=2, group_sizes=sizes)


def test_light_far_from_its_galaxy_is_kept_where_it_falls_on_a_window(make_source, tmp_path, population):
    """Companions on opposite sides of the central galaxy are up to twice the largest separation apart."""
    flat = np.ones((len(population.flux), 1, 64, 64), dtype=np.float32)
    write_shard(tmp_path / "flat.h5", {"image": flat}, 0, {})
    source = make_source(group_sizes={3: 1.0})
    blends = ComposedBlends(replace(source, stamps=tmp_path / "flat.h5"), 19, 1, 1e9)
    windows = blends[list(range(60))]

    # Each stamp reaches 32 px from its centre, and the window's corner is at most 16 + 9 px away from it.
    assert blends.kept_px == 19 + 4 * 8 + 1
    torch.testing.assert_close(windows["neighbours"], torch.full((60, 1, 19, 19), 2 / 2.0))


def test_a_flux_of_zero_is_refused(make_source, population, tmp_path):
    truth = Catalogue.read(population.truth)
    truth.table["flux"][2] = 0.0
    truth.write(tmp_path / "truth.parquet")
    source = make_source()
    with pytest.raises(DataError, match=r"positive fluxes, found 0 nJy"):
        ComposedBlends(replace(source, truth=tmp_path / "truth.parquet"), 19, 1, 0)


def test_a_side_with_too_few_galaxies_is_refused(make_blends):
    with pytest.raises(
        ConfigError, match=r"split\.validation: expected at least 12 galaxies.*found 10 of 60"
    ):
        make_blends("validation", group_sizes={12: 1.0})
