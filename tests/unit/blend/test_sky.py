from __future__ import annotations

import numpy as np
import pytest

from skymill.blend.sky import BlankSky, _free_corners, find_blank_sky
from skymill.config.blend import RealNoise
from skymill.errors import DataError


def test_patches_hold_neither_sources_nor_bad_pixels(sky_tile):
    sky = find_blank_sky(sky_tile(), RealNoise(tile="t1", patch_px=12), 25.0)
    pixels = np.stack([sky.patch(number) for number in range(len(sky))])

    assert len(sky) > 200
    # Sources reach 2, the bad column 10,000; noise of 0.1 reaches 0.5.
    assert np.abs(pixels).max() < 0.6
    np.testing.assert_allclose(pixels.mean(axis=(1, 2)), 0, atol=1e-6)


def test_rms_is_that_of_the_sky_alone(sky_tile):
    # The patches' own means are gone: a part in (12 x 12 / 2) of the variance.
    assert find_blank_sky(sky_tile(), RealNoise(tile="t1", patch_px=12), 25.0).measure_rms() == pytest.approx(
        0.1, rel=0.02
    )


@pytest.mark.parametrize(
    ("keys", "config"),
    [
        ({"sources": 900}, {"patch_px": 32}),
        ({"size": 60, "sources": 0}, {"patch_px": 64}),
        ({}, {"growth_px": 100}),
    ],
)
def test_too_little_blank_sky_is_one_clear_error(sky_tile, keys: dict, config: dict):
    with pytest.raises(
        DataError, match=r"tile t1: expected at least 16 squares of \d+ px of blank sky, found \d"
    ):
        find_blank_sky(sky_tile(**keys), RealNoise(tile="t1", **config), 25.0)


@pytest.mark.parametrize("shape", [(16, 16), (17, 40), (5, 3)])
def test_stitched_sky_fills_any_canvas(shape: tuple[int, int]):
    science = np.random.default_rng(1).normal(0, 1, (64, 64)).astype(np.float32)
    sky = BlankSky(science, np.array([0, 8, 20]), np.array([0, 30, 20]), 8)
    canvas = sky.stitch(shape, np.random.default_rng(2))

    assert canvas.shape == shape and np.isfinite(canvas).all()
    np.testing.assert_array_equal(canvas, sky.stitch(shape, np.random.default_rng(2)))


def test_stitched_patches_are_patches_of_the_tile():
    science = np.arange(64.0, dtype=np.float32).reshape(8, 8) ** 2
    sky = BlankSky(science, np.array([0]), np.array([0]), 8)
    patch = sky.patch(0)
    turned = [patch[::y, ::x] for y in (1, -1) for x in (1, -1)]
    canvas = sky.stitch((16, 16), np.random.default_rng(1))

    for row in (0, 8):
        for column in (0, 8):
            part = canvas[row : row + 8, column : column + 8]
            assert any(np.array_equal(part, one) for one in turned)


def test_free_corners_against_a_plain_search():
    blocked = np.random.default_rng(1).random((30, 40)) < 0.02
    y, x = _free_corners(blocked, 6, step=2)
    expected = [
        (row, column)
        for row in range(0, 25, 2)
        for column in range(0, 35, 2)
        if not blocked[row : row + 6, column : column + 6].any()
    ]

    assert list(zip(y, x, strict=True)) == expected
