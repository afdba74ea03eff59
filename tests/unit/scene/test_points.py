from __future__ import annotations

import numpy as np


def centroid(stamp):
    offset = np.arange(len(stamp)) - len(stamp) // 2
    return (stamp * offset).sum() / stamp.sum(), (stamp * offset[:, None]).sum() / stamp.sum()


def test_stars_are_at_their_phase_and_of_unit_flux(points):
    for i, j in ((0, 0), (3, 7), (7, 2)):
        stamp = points.stamps[i, j]
        assert abs(stamp.sum() - 1) < 2e-3
        np.testing.assert_allclose(centroid(stamp), [points.phase[j], points.phase[i]], atol=5e-3)


def test_the_nearest_phase_is_within_half_a_step(points):
    offsets = np.linspace(-0.5, 0.5, 101)
    found = points.phase[points.nearest(offsets)]

    assert np.abs(found - offsets).max() <= 0.5 / len(points.phase) + 1e-9
