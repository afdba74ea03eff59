from __future__ import annotations

import numpy as np
import pytest

from skymill.data.tile import MaskBit
from skymill.ingest.no_data import mark_no_data, rough_sky

SIDE = 300


@pytest.fixture
def sky() -> np.ndarray:
    return np.random.default_rng(5).normal(50, 2, (SIDE, SIDE)).astype(np.float32)


def marked(image: np.ndarray):
    mask = np.zeros(image.shape, dtype=np.uint8)
    return mark_no_data(image, mask), mask


def test_the_sky_is_told_in_any_unit(sky):
    for factor in (1.0, 1e-30, 1e30):
        rough = rough_sky(sky.astype(np.float64) * factor)
        assert rough.level == pytest.approx(50 * factor, rel=0.01)
        assert rough.noise == pytest.approx(2 * factor, rel=0.05)


@pytest.mark.parametrize("value", [0.0, 50.0, -9999.0, 65535.0])
def test_blocks_rims_and_wedges_of_one_value_are_empty(sky, value):
    y, x = np.mgrid[:SIDE, :SIDE]
    empty = (x < 1) | (y > SIDE - 3) | (x + y < 40) | ((abs(x - 150) < 12) & (abs(y - 90) < 12))
    sky[empty] = value
    found, mask = marked(sky)

    np.testing.assert_array_equal(mask == MaskBit.NO_DATA, empty)
    assert found.filled == {value: np.count_nonzero(empty)}
    assert (sky[empty] == 0).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda sky: sky,
        lambda sky: np.rint(sky),
        lambda sky: np.rint(sky / 8),
        lambda sky: np.maximum(sky - 50, 0),
        lambda sky: np.random.default_rng(1).poisson(0.02, sky.shape),
    ],
    ids=["plain", "integers", "few values", "clipped", "photons"],
)
def test_values_that_are_alike_by_chance_are_data(sky, make):
    image = make(sky).astype(np.float32)
    before = image.copy()
    found, mask = marked(image)

    assert not mask.any()
    assert not found.filled
    np.testing.assert_array_equal(image, before)


def test_saturated_plateaus_are_no_gaps(sky):
    y, x = np.mgrid[:SIDE, :SIDE]
    star = sky + 1e6 * np.exp(-((y - 140) ** 2 + (x - 160) ** 2) / (2 * 8**2))
    image = np.minimum(star, 3e4).astype(np.float32)
    plateau = star > 3e4
    found, mask = marked(image)

    np.testing.assert_array_equal(mask == MaskBit.SATURATED, plateau)
    assert found.plateaus == {3e4: np.count_nonzero(plateau)}


def test_pixels_beyond_any_signal_are_empty(sky):
    sky[10, 20:23] = [1e10, -1e30, np.nan]
    sky[11, 20] = 1e5  # a bright star's core
    found, mask = marked(sky)

    assert np.argwhere(mask == MaskBit.NO_DATA).tolist() == [[10, 20], [10, 21], [10, 22]]
    assert (found.extreme, found.not_finite) == (2, 1)
