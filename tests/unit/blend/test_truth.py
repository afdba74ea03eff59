from __future__ import annotations

import numpy as np
import pytest

from skymill.blend.groups import Group
from skymill.blend.truth import blend_class, group_truth


def group(*shifts: tuple[int, int]) -> Group:
    x, y = np.array(shifts).T
    return Group(np.arange(1, len(shifts) + 1), x, y)


def test_positions_are_shift_plus_offset(galaxies):
    blend = group((0, 0), (5, -3))
    truth = group_truth(4, blend, galaxies, 64, np.zeros(2))

    np.testing.assert_allclose(truth["x"], 32 + np.array([0, 5]) + galaxies.dx[1:3])
    np.testing.assert_allclose(truth["y"], 32 + np.array([0, -3]) + galaxies.dy[1:3])
    assert list(truth["role"]) == ["central", "companion"]
    assert list(truth["stamp_id"]) == [4, 4] and list(truth["n_galaxies"]) == [2, 2]
    np.testing.assert_array_equal(truth["galaxy_id"], galaxies.galaxy_id[1:3])
    np.testing.assert_array_equal(truth["flux"], galaxies.flux[1:3])


def test_separation_is_to_the_nearest_and_delta_mag_to_the_brightest(galaxies):
    truth = group_truth(0, group((0, 0), (10, 0), (13, 0)), galaxies, 64, np.zeros(3))
    dx, dy, mag = galaxies.dx[1:4], galaxies.dy[1:4], galaxies.mag[1:4]
    x, y = np.array([0, 10, 13]) + dx, dy

    np.testing.assert_allclose(truth["separation"][0], np.hypot(x[1] - x[0], y[1] - y[0]))
    np.testing.assert_allclose(truth["separation"][1:], np.hypot(x[2] - x[1], y[2] - y[1]))
    for one in range(3):
        assert truth["delta_mag"][one] == pytest.approx(mag[one] - np.delete(mag, one).min())
    larger = galaxies.radius_px[[2, 3]].max()
    assert truth["separation_re"][2] == pytest.approx(truth["separation"][2] / larger)


def test_alone_there_is_nothing_to_compare_with(galaxies):
    truth = group_truth(0, group((0, 0)), galaxies, 64, np.zeros(1))

    assert np.isnan([truth[name][0] for name in ("separation", "separation_re", "delta_mag")]).all()
    assert truth["blend_class"][0] == "isolated"


@pytest.mark.parametrize(
    ("contamination", "expected"),
    [
        (0.0, "isolated"),
        (0.019, "isolated"),
        (0.02, "moderate"),
        (0.33, "moderate"),
        (0.34, "strong"),
        (1.0, "strong"),
    ],
)
def test_classes(contamination: float, expected: str):
    assert blend_class(np.array([contamination]))[0] == expected
