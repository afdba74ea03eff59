from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from skymill.detectors.ellipses import contained, elliptical_radius


def ellipses(x, y, a, b, theta, kron) -> dict[str, np.ndarray]:
    names = ("x", "y", "a", "b", "theta", "kron_radius")
    return {
        name: np.atleast_1d(np.asarray(value, dtype=float))
        for name, value in zip(names, (x, y, a, b, theta, kron), strict=True)
    }


def test_points_along_the_axes():
    # Semi-axes 4 and 2 at 30 degrees.
    one = ellipses(10.0, 20.0, 2.0, 1.0, 30.0, 2.0)
    cos, sin = np.cos(np.pi / 6), np.sin(np.pi / 6)
    x = 10 + np.array([3.9 * cos, 4.1 * cos, -1.9 * sin, -2.1 * sin, 3.9 * cos])
    y = 20 + np.array([3.9 * sin, 4.1 * sin, 1.9 * cos, 2.1 * cos, -3.9 * sin])
    position, source = contained(x, y, one)

    assert position.tolist() == [0, 2]
    assert source.tolist() == [0, 0]
    np.testing.assert_allclose(
        elliptical_radius(x, y, one, np.zeros(5, int))[:4], [1.95, 2.05, 1.9, 2.1], rtol=1e-9
    )


@given(st.integers(0, 2**32 - 1), st.integers(0, 30), st.integers(0, 30))
def test_the_tree_finds_what_a_full_table_finds(seed, positions, sources):
    random = np.random.default_rng(seed)
    x, y = random.uniform(0, 60, (2, positions))
    a = random.uniform(0.5, 4, sources)
    many = ellipses(
        random.uniform(0, 60, sources),
        random.uniform(0, 60, sources),
        a,
        a * random.uniform(0.2, 1, sources),
        random.uniform(-90, 90, sources),
        random.uniform(3, 6, sources),
    )
    found = set(zip(*(rows.tolist() for rows in contained(x, y, many)), strict=True))
    table = {
        (i, j)
        for i in range(positions)
        for j in range(sources)
        if elliptical_radius(x[i : i + 1], y[i : i + 1], many, np.array([j]))[0] <= many["kron_radius"][j]
    }

    assert found == table


def test_sources_without_a_shape_hold_nothing():
    broken = ellipses(
        [5.0, 5.0, 5.0], [5.0] * 3, [np.nan, 2.0, 2.0], [1.0, 0.0, 1.0], [0.0] * 3, [3.0, 3.0, np.nan]
    )

    assert [len(rows) for rows in contained(np.array([5.0]), np.array([5.0]), broken)] == [0, 0]
