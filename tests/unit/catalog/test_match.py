"""Matching: one to one, the nearest first, in whatever order the rows come."""

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.testing import assert_allclose, assert_array_equal

from skymill.catalog.match import match_positions, match_sky

# On a coarse grid many distances are equal and many pairs compete.
GRID = st.integers(-4, 4).map(float)
# Sixteen digits of noise make all distances different.
PLACE = st.floats(-5, 5, width=32)


def points(elements, max_size: int = 9):
    return st.integers(0, max_size).flatmap(lambda n: arrays.arrays(np.float64, (n, 2), elements=elements))


def greedy(a: np.ndarray, b: np.ndarray, max_distance: float) -> list[tuple[int, int]]:
    """The definition, pair by pair."""
    pairs = sorted(
        (float(np.hypot(*(a[i] - b[j]))), i, j)
        for i in range(len(a))
        for j in range(len(b))
        if np.hypot(*(a[i] - b[j])) <= max_distance
    )
    found, used1, used2 = [], set(), set()
    for _, i, j in pairs:
        if i not in used1 and j not in used2:
            found.append((i, j))
            used1.add(i)
            used2.add(j)
    return sorted(found)


def match(a: np.ndarray, b: np.ndarray, max_distance: float):
    return match_positions(a[:, 0], a[:, 1], b[:, 0], b[:, 1], max_distance)


@given(points(GRID), points(GRID), st.sampled_from([0.5, 1.0, 2.5, 3.0, 20.0]))
def test_against_the_definition(a, b, max_distance):
    found = match(a, b, max_distance)

    assert list(zip(found.index1.tolist(), found.index2.tolist(), strict=True)) == greedy(a, b, max_distance)
    assert_allclose(found.distance, np.hypot(*(a[found.index1] - b[found.index2]).T), rtol=1e-12)


@given(points(PLACE), points(PLACE), st.floats(0.25, 12), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(a, b, max_distance, random):
    gaps = np.hypot(*(a[:, None] - b[None]).transpose(2, 0, 1)).ravel()
    if len(np.unique(np.round(gaps, 9))) < len(gaps) or (np.abs(gaps - max_distance) < 1e-9).any():
        return  # where distances are equal, row numbers decide
    order1, order2 = (
        np.array(random.sample(range(len(a)), len(a)), int),
        np.array(random.sample(range(len(b)), len(b)), int),
    )
    found, shuffled = match(a, b, max_distance), match(a[order1], b[order2], max_distance)
    pairs = set(zip(order1[shuffled.index1].tolist(), order2[shuffled.index2].tolist(), strict=True))

    assert pairs == set(zip(found.index1.tolist(), found.index2.tolist(), strict=True))


@given(points(GRID), points(GRID), st.floats(0.25, 12))
def test_no_row_stands_twice_and_pairs_are_sorted(a, b, max_distance):
    found = match(a, b, max_distance)

    assert (np.diff(found.index1) > 0).all()
    assert len(set(found.index2.tolist())) == len(found)
    assert (found.distance <= max_distance).all()


@given(points(GRID), points(GRID))
def test_sides_can_be_swapped(a, b):
    """The number of pairs may depend on how ties are broken; the nearest pair's distance does not."""
    there, back = match(a, b, 3.0), match(b, a, 3.0)

    assert min(there.distance, default=None) == min(back.distance, default=None)


def test_the_largest_distance_is_included():
    assert len(match_positions([0.0], [0.0], [3.0], [4.0], 5.0)) == 1
    assert len(match_positions([0.0], [0.0], [3.0], [4.0], np.nextafter(5.0, 0))) == 0
    assert len(match_positions([1.0], [1.0], [1.0], [1.0], 0.0)) == 1


def test_the_nearest_pair_wins_over_the_first():
    found = match_positions([0.0, 1.0], [0.0, 0.0], [1.1, 5.0], [0.0, 0.0], 2.0)

    assert found.index1.tolist() == [1]
    assert found.index2.tolist() == [0]
    assert_allclose(found.distance, [0.1])


@given(points(GRID), points(GRID), st.sampled_from([0.5, 1.0, 2.5, 3.0, 20.0]), st.data())
def test_by_brightness_against_the_definition(a, b, max_distance, data):
    """The brightest takes the closest, the next the closest of what is left, and so on."""
    flux = np.array(data.draw(st.permutations(range(len(a)))), dtype=float)
    found = match_positions(*a.T, *b.T, max_distance, brightness1=flux)
    wanted, free = {}, set(range(len(b)))
    for i in np.argsort(-flux):
        near = [(float(np.hypot(*(a[i] - b[j]))), j) for j in free]
        near = [place for place in near if place[0] <= max_distance]
        if near:
            wanted[int(i)] = min(near)[1]
            free.remove(wanted[int(i)])

    assert dict(zip(found.index1.tolist(), found.index2.tolist(), strict=True)) == wanted


def test_an_unresolved_pair_is_the_brighter_one():
    """The fainter one is nearer to the only detection; a flux that is not known is the faintest."""
    pair_x, nothing = [0.0, 1.0], [0.0, 0.0]
    for flux in ([9.0, 2.0], [9.0, np.nan]):
        found = match_positions(pair_x, nothing, [0.6], [0.0], 2.0, brightness1=np.array(flux))
        assert found.index1.tolist() == [0]
        assert_allclose(found.distance, [0.6])


@pytest.mark.parametrize("nothing", [np.array([]), np.array([np.nan]), np.array([np.inf])])
def test_nothing_to_match(nothing):
    for found in (
        match_positions(nothing, nothing, [1.0], [1.0], 5.0),
        match_positions([1.0], [1.0], nothing, nothing, 5.0),
        match_sky(nothing, nothing, [1.0], [1.0], 5.0),
    ):
        assert len(found) == 0
        assert (found.index1.dtype, found.distance.dtype) == (np.int64, np.float64)


def test_rows_without_a_position_keep_their_numbers():
    found = match_positions([np.nan, 1.0, 2.0], [0.0, 0.0, 0.0], [2.0, np.nan, 1.0], [0.0, 1.0, 0.0], 0.1)

    assert_array_equal(found.index1, [1, 2])
    assert_array_equal(found.index2, [2, 0])


@pytest.mark.parametrize(
    ("ra", "dec"), [(10.0, 0.0), (0.0, 45.0), (359.9999, -30.0), (123.0, 89.9999), (40.0, -90.0)]
)
def test_on_the_sphere(ra, dec):
    random = np.random.default_rng(5)
    centre = SkyCoord(ra, dec, unit="deg")
    first = centre.directional_offset_by(
        random.uniform(0, 360, 30) * units.deg, random.uniform(0, 60, 30) * units.arcsec
    )
    second = first.directional_offset_by(
        random.uniform(0, 360, 30) * units.deg, random.uniform(0, 0.9, 30) * units.arcsec
    )
    order = random.permutation(30)
    found = match_sky(first.ra.deg, first.dec.deg, second.ra.deg[order], second.dec.deg[order], 1.0)
    distances = first[found.index1].separation(second[order][found.index2]).arcsec

    # Coordinates in degrees hold some 1e-9 arcsec; the chord of the unit sphere loses 1e-16 / 5e-6 of a small angle.
    assert_allclose(found.distance, distances, atol=1e-5)
    assert len(found) >= 28
    assert (order[found.index2] == found.index1).mean() > 0.9


def test_the_largest_distance_on_the_sky():
    assert len(match_sky([10.0], [0.0], [10.0], [1.01 / 3600], 1.0)) == 0
    assert len(match_sky([10.0], [0.0], [10.0], [0.99 / 3600], 1.0)) == 1
