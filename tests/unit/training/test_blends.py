from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from skymill.catalog.catalogue import Catalogue
from skymill.data.stamps import link_shards, write_shard
from skymill.errors import DataError
from skymill.training.blends import BlendData, EpochOrder, Needs, cut_windows, loader, read_truth

NEEDS = Needs(window_px=19, galaxies=2, masks=True, noise_free=True)


@pytest.mark.parametrize("cache_bytes", [0, 1e9])
def test_windows_are_cut_around_the_central_galaxy(blends, survey, cache_bytes):
    blend_set = blends["train"]
    data = BlendData(blend_set.stamps, blend_set.truth, survey, NEEDS, cache_bytes)
    windows = data[[3, 0, 3]]
    cut = np.s_[[3, 0, 3], :, 7:26, 7:26]

    assert data.cached == (cache_bytes > 0)
    np.testing.assert_allclose(windows["image"], blend_set.layers["image"][cut] / 2.0)
    both = blend_set.layers["central"] + blend_set.layers["neighbours"]
    np.testing.assert_allclose(windows["galaxies"], both[cut] / 2.0)
    np.testing.assert_array_equal(windows["masks"], blend_set.layers["masks"][cut])


def test_flux_is_in_units_of_the_background_rms(blends, survey):
    truth = read_truth(blends["train"].truth, 40, 2, survey)

    np.testing.assert_allclose(truth.flux, blends["train"].flux / survey.background_rms, rtol=1e-6)
    assert (truth.x == 16).all() and (truth.y == 16).all()


def test_only_what_is_needed_is_read(singles, survey):
    needs = Needs(window_px=17, galaxies=1, masks=False, noise_free=False)
    windows = BlendData(singles.stamps, singles.truth, survey, needs, 1e9)[[0, 1]]

    assert {name: tuple(values.shape) for name, values in windows.items()} == {
        "image": (2, 1, 17, 17),
        "flux": (2, 1),
    }


def test_windows_follow_positions_that_differ():
    canvases = np.arange(2 * 8 * 8).reshape(2, 1, 8, 8)
    windows = cut_windows(canvases, np.array([2, 4]), np.array([3, 5]), 3)

    np.testing.assert_array_equal(windows[0, 0], canvases[0, 0, 2:5, 1:4])
    np.testing.assert_array_equal(windows[1, 0], canvases[1, 0, 4:7, 3:6])


def test_a_canvas_that_is_too_small_is_refused(singles, survey):
    needs = Needs(window_px=41, galaxies=1, masks=False, noise_free=False)
    with pytest.raises(DataError, match=r"canvases that hold 41 px.*found 32 px.*canvas_px"):
        BlendData(singles.stamps, singles.truth, survey, needs, 0)


def test_truth_that_does_not_fit_the_stamps_is_refused(singles, survey):
    with pytest.raises(DataError, match="one central galaxy in each of 9 blends, found 8 in 8 blends"):
        read_truth(singles.truth, 9, 1, survey)
    with pytest.raises(DataError, match="on pairs only"):
        read_truth(singles.truth, 8, 2, survey)


def test_a_flux_of_zero_is_refused(singles, survey, tmp_path):
    catalogue = Catalogue.read(singles.truth)
    catalogue.table["flux"][2] = 0.0
    catalogue.write(tmp_path / "truth.parquet")
    with pytest.raises(DataError, match=r"positive fluxes, found 0\.0 nJy"):
        read_truth(tmp_path / "truth.parquet", 8, 1, survey)


def test_a_missing_layer_is_named(singles, survey, tmp_path):
    write_shard(tmp_path / "0.h5", {"image": singles.layers["image"]}, 0, {})
    link_shards(tmp_path / "stamps.h5", [tmp_path / "0.h5"], {})
    needs = replace(NEEDS, galaxies=1)
    with pytest.raises(DataError, match="found 'central'"):
        BlendData(tmp_path / "stamps.h5", singles.truth, survey, needs, 1e9)


def test_an_epoch_holds_every_row_once_and_the_next_in_another_order():
    order = EpochOrder(10, 4, seed=7)
    first, again = list(order), list(order)
    order.set_epoch(1)
    second = list(order)

    assert [len(batch) for batch in first] == [4, 4, 2] and len(order) == 3
    assert sorted(np.concatenate(first)) == list(range(10))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(np.concatenate(first), np.concatenate(second))


def test_without_a_seed_the_order_is_the_sets():
    assert np.concatenate(list(EpochOrder(7, 3))).tolist() == list(range(7))


@pytest.mark.parametrize("workers", [0, 1])
def test_processes_beside_the_training_read_the_same(blends, survey, workers):
    blend_set = blends["validation"]
    data = BlendData(blend_set.stamps, blend_set.truth, survey, NEEDS, 0)
    # Opened here first, so that a worker that took over the file handle would show.
    whole = data[list(range(10))]
    batches = list(loader(data, 4, None, workers))

    assert [len(batch["flux"]) for batch in batches] == [4, 4, 2]
    assert torch.equal(torch.cat([batch["image"] for batch in batches]), whole["image"])
