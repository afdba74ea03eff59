from __future__ import annotations

import numpy as np
import pytest

from skymill.blend.compose import CENTRAL, NEIGHBOUR, compose, contamination, shifted


def spot(size: int = 40, value: float = 1.0) -> np.ndarray:
    stamp = np.zeros((size, size))
    stamp[size // 2, size // 2] = value
    return stamp


@pytest.mark.parametrize(("shift_x", "shift_y"), [(0, 0), (3, -5), (-8, 2), (10, 10)])
def test_the_centre_goes_where_it_is_shifted(shift_x: int, shift_y: int):
    moved = shifted(spot(), shift_x, shift_y, 20)
    expected = np.zeros((20, 20))
    if abs(shift_x) < 10 and abs(shift_y) < 10:
        expected[10 + shift_y, 10 + shift_x] = 1

    np.testing.assert_array_equal(moved, expected)


@pytest.mark.parametrize("shift", [0, 4, 30, -30, 100])
def test_what_a_stamp_does_not_cover_is_zero(shift: int):
    moved = shifted(np.ones((16, 16)), shift, -shift, 20)
    covered = np.zeros((20, 20))
    rows, columns = np.indices(covered.shape)
    # The stamp reaches from 10 + shift - 8 to 10 + shift + 7.
    covered[(abs(columns - 9.5 - shift) < 8) & (abs(rows - 9.5 + shift) < 8)] = 1

    np.testing.assert_array_equal(moved, covered)


def test_layers_add_up():
    generator = np.random.default_rng(1)
    stamps = generator.random((3, 40, 40))
    layers = compose(stamps, np.array([0, 2, -3]), np.array([0, 5, 1]), 20, mask_threshold=0.5)
    parts = [shifted(stamps[k], x, y, 20) for k, (x, y) in enumerate([(0, 0), (2, 5), (-3, 1)])]

    np.testing.assert_allclose(layers.central, parts[0])
    np.testing.assert_allclose(layers.neighbours, parts[1] + parts[2])


def test_masks_have_a_bit_for_each_and_both_in_the_overlap():
    central, companion = np.zeros((2, 12, 12))
    central[2:7, 2:7], companion[5:10, 5:10] = 1, 1
    masks = compose(np.stack([central, companion]), np.zeros(2), np.zeros(2), 12, mask_threshold=0.5).masks

    np.testing.assert_array_equal((masks & CENTRAL) > 0, central > 0)
    np.testing.assert_array_equal((masks & NEIGHBOUR) > 0, companion > 0)
    assert (masks == CENTRAL | NEIGHBOUR).sum() == 4 and masks.dtype == np.uint8


def test_contamination_is_foreign_light_in_the_own_mask():
    light = np.zeros((2, 10, 10))
    light[0, :, :5] = 1.0
    light[1, :, 4:] = 3.0

    # Of 50 + 30 in the first mask 30 are foreign; of 180 + 10 in the second 10 are.
    np.testing.assert_allclose(contamination(light, 0.5), [30 / 80, 10 / 190])


def test_faint_galaxies_have_a_mask_too():
    light = np.zeros((2, 10, 10))
    light[0, 5, 5], light[1, 5, 5] = 0.1, 0.3

    np.testing.assert_allclose(contamination(light, 100.0), [0.75, 0.25])


@pytest.mark.parametrize("light", [np.ones((1, 4, 4)), np.zeros((1, 4, 4))])
def test_alone_nothing_is_foreign(light: np.ndarray):
    assert contamination(light, 0.5)[0] == 0
