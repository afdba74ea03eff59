"""What a detector found in a blend."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymill.compare.blends import MEANING, blend_outcomes


def outcome(members_found, n_detections):
    """Outcome of one blend whose first member is the central galaxy."""
    n = len(members_found)
    outcomes = blend_outcomes(
        np.full(n, 3), np.arange(n) == 0, np.array(members_found, dtype=bool), np.full(n_detections, 3)
    )
    assert len(set(outcomes)) == 1
    return outcomes[0]


@pytest.mark.parametrize(
    ("members_found", "n_detections", "expected"),
    [
        ([1, 1], 2, "both"),
        ([1, 0], 1, "central_only"),
        ([0, 1], 1, "companion_only"),
        ([1, 0], 2, "central_only"),  # the second detection is at no galaxy
        ([1, 1], 3, "more"),
        ([1, 0], 3, "more"),
        ([0, 0], 0, "nothing"),
        ([0, 0], 1, "nothing"),
        ([1], 1, "both"),
        ([1, 1, 0], 2, "partial"),
        ([1, 1, 1], 3, "both"),
        ([1, 0, 0], 2, "central_only"),
        ([0, 1, 1], 2, "companion_only"),
        ([1, 1, 1], 4, "more"),
    ],
)
def test_outcomes(members_found, n_detections, expected):
    assert outcome(members_found, n_detections) == expected


def test_blends_in_any_order_and_detections_in_others():
    outcomes = blend_outcomes(
        np.array([7, 2, 7, 2]),
        np.array([True, True, False, False]),
        np.array([True, False, True, True]),
        np.array([7, 7, 2, 99, -1]),
    )
    assert outcomes.tolist() == ["both", "companion_only", "both", "companion_only"]


def test_no_blends():
    none = np.empty(0, dtype=int)
    assert len(blend_outcomes(none, none.astype(bool), none.astype(bool), none)) == 0


@given(
    st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=20),
    st.lists(st.integers(0, 4), max_size=9),
)
def test_every_blend_has_one_known_outcome(rows, extra):
    stamp = np.array([row[0] for row in rows], dtype=int)
    found = np.array([row[1] for row in rows], dtype=bool)
    central = np.isin(np.arange(len(stamp)), np.unique(stamp, return_index=True)[1])
    outcomes = blend_outcomes(stamp, central, found, np.array([*stamp[found], *extra], dtype=int))
    for number in set(stamp.tolist()):
        (name,) = set(outcomes[stamp == number])
        assert name in MEANING
        assert (name == "nothing") <= (not found[stamp == number].any())
