"""Where galaxies may go, and which stand alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymill.compare import placement
from skymill.compare.placement import is_free, is_isolated, spaced
from skymill.data.tile import MaskBit, Tile, TileMeta


def tile_of(science=None, mask=None, shape=(80, 100)):
    science = np.zeros(shape, np.float32) if science is None else science.astype(np.float32)
    mask = np.zeros(science.shape, np.uint8) if mask is None else mask
    meta = TileMeta("t", "s", "r", 0.2, 25.0, 4.0, None, 3.0)
    return Tile(science, np.ones(science.shape, np.float32), mask, None, meta)


def every_pixel(tile):
    y, x = np.mgrid[: tile.shape[0], : tile.shape[1]]
    return x.ravel(), y.ravel()


@pytest.mark.parametrize("edge", [0, 2, 10])
def test_the_edges_are_kept_clear(edge):
    tile = tile_of()
    free = is_free(tile, *every_pixel(tile), edge).reshape(tile.shape)
    inside = np.zeros(tile.shape, bool)
    inside[edge : 80 - edge, edge : 100 - edge] = True
    core = np.zeros(tile.shape, bool)
    core[3:77, 3:97] = True
    assert np.array_equal(free, inside & core)


@pytest.mark.parametrize(("bit", "reach"), [(MaskBit.NO_DATA, 10), (MaskBit.BAD, 3), (MaskBit.SATURATED, 3)])
def test_bad_pixels_keep_galaxies_away(bit, reach):
    mask = np.zeros((80, 100), np.uint8)
    mask[40, 50] = bit
    tile = tile_of(mask=mask)
    free = is_free(tile, *every_pixel(tile), 10).reshape(tile.shape)
    y, x = np.mgrid[:80, :100]
    excluded = np.maximum(abs(y - 40), abs(x - 50)) <= reach
    assert not free[excluded].any()
    assert free[10:70, 10:90][~excluded[10:70, 10:90]].all()


def test_batches_do_not_matter(monkeypatch):
    science = np.random.default_rng(21).normal(0, 2, (80, 100))
    tile = tile_of(science)
    x, y = np.random.default_rng(22).uniform(15, 65, (2, 50))
    whole = is_isolated(tile, x, y, 3.0, 5.0)
    monkeypatch.setattr(placement, "BATCH_PIXELS", 300)
    assert np.array_equal(is_isolated(tile, x, y, 3.0, 5.0), whole)
    assert 0 < whole.sum() < 50


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=30), st.integers(1, 12))
def test_spacing_is_that_of_one_after_the_other(points, distance):
    taken = []
    for x, y in points:
        taken.append(
            all(
                np.hypot(x - a, y - b) >= distance
                for (a, b), before in zip(points, taken, strict=False)
                if before
            )
        )
    x, y = np.array(points, dtype=float).reshape(-1, 2).T
    assert spaced(x, y, float(distance)).tolist() == taken


def test_a_source_on_the_tile_disturbs_only_what_is_near():
    science = np.zeros((80, 100))
    science[40, 50] = 20.0  # 20 / sqrt(9) = 6.7 standard deviations in a sum of 3 x 3 px
    x, y = np.array([50.0, 58.0, 62.0]), np.full(3, 40.0)
    tile = tile_of(science)
    # The middle of a 3 x 3 sum that holds the bright pixel is up to 1 px from it.
    assert [is_isolated(tile, x[[i]], y[[i]], 10.0, 5.0)[0] for i in range(3)] == [False, False, True]
    assert is_isolated(tile, x[:1], y[:1], 10.0, 7.0).all()


def test_galaxies_disturb_each_other():
    x, y = np.array([20.0, 25.0, 60.0]), np.full(3, 40.0)
    assert is_isolated(tile_of(), x, y, 6.0, 5.0).tolist() == [False, False, True]
    assert is_isolated(tile_of(), x, y, 4.0, 5.0).all()


def test_blank_noise_is_rarely_taken_for_a_source():
    tile = tile_of(np.random.default_rng(23).normal(size=(400, 400)))
    x, y = np.random.default_rng(24).uniform(20, 380, (2, 100))
    alone = [is_isolated(tile, x[[i]], y[[i]], 12.0, 5.0)[0] for i in range(100)]
    # 450 sums, each above 5 sigma with a chance of 3e-7.
    assert np.mean(alone) == 1.0


def test_nowhere():
    none = np.empty(0)
    assert len(is_free(tile_of(), none, none, 5)) == 0
    assert len(spaced(none, none, 5.0)) == 0
    assert len(is_isolated(tile_of(), none, none, 5.0, 5.0)) == 0
