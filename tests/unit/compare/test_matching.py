"""Matching by position and by galaxy, within blends and on tiles."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.control import assume

from skymill.catalog.catalogue import Catalogue
from skymill.compare.matching import Pairing, pair, positions_are_given
from skymill.compare.truth import Truth
from skymill.errors import DataError


def brute_force(truth, detections, max_distance):
    """Take pairs of one stamp by increasing distance, each row once."""
    pairs = sorted(
        (np.hypot(tx - dx, ty - dy), i, j)
        for i, (ts, tx, ty) in enumerate(truth)
        for j, (ds, dx, dy) in enumerate(detections)
        if ts == ds and np.hypot(tx - dx, ty - dy) <= max_distance
    )
    rows, used = [-1] * len(truth), set()
    for _, i, j in pairs:
        if rows[i] < 0 and j not in used:
            rows[i] = j
            used.add(j)
    return rows


positions = st.lists(
    st.tuples(st.integers(0, 3), st.floats(-5, 70, width=32), st.floats(-5, 70, width=32)), max_size=14
)


def truth_of(rows):
    stamp, x, y = np.array(rows, dtype=float).reshape(-1, 3).T
    n = len(stamp)
    nan = np.full(n, np.nan, dtype=np.float32)
    text = np.full(n, "central")
    return Truth(
        np.arange(n),
        stamp.astype(int),
        np.zeros(n, int),
        text,
        text,
        text,
        x,
        y,
        nan,
        np.ones(n),
        nan,
        nan,
        nan,
        np.ones(n, bool),
        np.zeros(n, int),
        nan,
        nan,
    )


def detections_of(rows):
    stamp, x, y = np.array(rows, dtype=float).reshape(-1, 3).T
    n = len(stamp)
    names = ("ra", "dec", "flux", "flux_err", "mag", "mag_err", "snr")
    return Catalogue.from_columns(
        "measurement",
        object_id=np.arange(n),
        stamp_id=stamp.astype(int),
        galaxy_id=np.full(n, -1),
        x=x,
        y=y,
        flags=np.zeros(n, int),
        is_primary=np.ones(n, bool),
        **{name: np.full(n, np.nan) for name in names},
    )


@settings(max_examples=60)
@given(positions, positions, st.floats(0.5, 40))
def test_blends_are_matched_as_by_brute_force(truth, detections, max_distance):
    distances = [np.hypot(a[1] - b[1], a[2] - b[2]) for a in truth for b in detections if a[0] == b[0]]
    # Ties have no one right answer, and a distance at the limit may fall on either side by rounding.
    assume(len({round(d, 6) for d in distances}) == len(distances))
    assume(all(abs(d - max_distance) > 1e-6 for d in distances))
    pairing = pair(truth_of(truth), detections_of(detections), max_distance)
    assert pairing.row.tolist() == brute_force(truth, detections, max_distance)


@pytest.mark.parametrize(("stamp", "bright_first"), [(-1, [0, -1]), (0, [-1, 0])])
def test_an_unrecognised_pair_is_its_brighter_galaxy_on_tiles_and_its_nearer_one_on_blends(
    stamp, bright_first
):
    """Two galaxies 2 px apart and one detection of both, which is nearer to the second one."""
    truth = truth_of([(stamp, 10.0, 10.0), (stamp, 12.0, 10.0)])
    detections = detections_of([(stamp, 11.2, 10.0)])
    for flux, wanted in (([5.0, 1.0], bright_first), ([1.0, 5.0], [-1, 0])):
        pairing = pair(replace(truth, flux=np.array(flux)), detections, 3.0)
        assert pairing.row.tolist() == wanted


def test_a_detection_at_the_edge_of_one_blend_is_not_matched_with_the_next(blends, measurement, as_truth):
    truth = as_truth(blends([0, 1], [99.0, 0.0], [5.0, 5.0]))
    pairing = pair(truth, measurement([0.0], [5.0], stamp_id=[0]), 3.0)
    assert pairing.row.tolist() == [-1, -1]


def test_positions_stay_exact_far_along_the_row_of_blends(blends, measurement, as_truth):
    n = 20_000
    truth = as_truth(blends(np.arange(n), np.full(n, 64.0), np.full(n, 64.0)))
    found = measurement(np.full(n, 66.0), np.full(n, 64.0), stamp_id=np.arange(n))
    assert pair(truth, found, 2.0).is_matched.all()


def test_unmatched_detections(sources, measurement, as_truth):
    pairing = pair(
        as_truth(sources([10.0], [10.0])), measurement([10.5, 50.0, 11.0], [10.0, 50.0, 10.0]), 3.0
    )
    assert pairing.row.tolist() == [0]
    assert pairing.distance == pytest.approx([0.5])
    assert pairing.unmatched(3).tolist() == [1, 2]


def test_nothing_found_and_nothing_there(sources, measurement, as_truth):
    nothing = Catalogue.empty("measurement")
    truth = as_truth(sources([1.0], [1.0]))
    assert pair(truth, nothing, 3.0).row.tolist() == [-1]
    empty = as_truth(Catalogue.empty("sources"))
    assert len(pair(empty, measurement([1.0], [1.0]), 3.0).row) == 0
    assert len(pair(empty, nothing, 3.0).row) == 0


def test_measurements_at_given_positions_are_joined_by_galaxy(blends, measurement, as_truth):
    """Galaxy 5 is in two blends; distances do not matter, a galaxy without a measurement stays without."""
    truth = as_truth(blends([0, 0, 1], [5.0, 6.0, 5.0], [5.0, 5.0, 5.0], galaxy_id=[5, 8, 5]))
    found = measurement([40.0, 5.0], [5.0, 5.0], stamp_id=[1, 0], galaxy_id=[5, 5])
    pairing = pair(truth, found, 3.0)
    assert pairing.row.tolist() == [1, -1, 0]
    assert pairing.distance[[0, 2]] == pytest.approx([0.0, 35.0])
    assert np.isnan(pairing.distance[1])


def test_whether_positions_are_given(measurement):
    assert positions_are_given(measurement([1.0], [1.0], galaxy_id=[0]))
    assert not positions_are_given(measurement([1.0], [1.0]))
    assert not positions_are_given(Catalogue.empty("measurement"))


def test_a_galaxy_that_was_measured_twice_is_refused(blends, measurement, as_truth):
    truth = as_truth(blends([3], [5.0], [5.0], galaxy_id=[8]))
    twice = measurement([5.0, 5.0], [5.0, 5.0], stamp_id=[3, 3], galaxy_id=[8, 8])
    with pytest.raises(DataError, match=r"measurements.*galaxy 8 of blend 3 twice"):
        pair(truth, twice, 3.0)


def test_half_given_positions_are_refused(blends, measurement, as_truth):
    truth = as_truth(blends([3], [5.0], [5.0]))
    mixed = measurement([5.0, 5.0], [5.0, 5.0], stamp_id=[3, 3], galaxy_id=[8, -1])
    with pytest.raises(DataError, match=r"galaxy_id.*1 of 2 rows without"):
        pair(truth, mixed, 3.0)


def test_a_pairing_without_pairs_leaves_every_detection():
    pairing = Pairing(np.array([-1, -1]), np.full(2, np.nan))
    assert pairing.unmatched(2).tolist() == [0, 1]
    assert not pairing.is_matched.any()
