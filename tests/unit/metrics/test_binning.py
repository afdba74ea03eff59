"""Bins: which values are in which, and what they are called."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skymill.metrics.binning import Bins

SEPARATION = Bins("separation", (0, 0.8, 1.2, 2, 3, 6))


def test_labels():
    assert SEPARATION.labels[:2] == ("separation:0-0.8", "separation:0.8-1.2")
    assert Bins("mag", (18.0, 19.5, 21.0)).labels == ("mag:18-19.5", "mag:19.5-21")


def test_the_lower_edge_belongs_to_the_bin_and_the_upper_does_not():
    assert SEPARATION.index([0.0, 0.8, 5.999]).tolist() == [0, 1, 4]
    assert SEPARATION.index([-0.1, 6.0, np.nan, np.inf]).tolist() == [-1] * 4


@given(arrays(float, st.integers(0, 30), elements=st.floats(-1, 8)))
def test_every_value_inside_is_in_exactly_one_bin(values):
    members = SEPARATION.members(values)
    count = np.sum(list(members.values()), axis=0)
    assert np.array_equal(count == 1, (values >= 0) & (values < 6))
    for (low, high), rows in zip(
        zip(SEPARATION.edges, SEPARATION.edges[1:], strict=False), members.values(), strict=True
    ):
        assert np.array_equal(rows, (values >= low) & (values < high))


@pytest.mark.parametrize("edges", [(), (1.0,), (1.0, 1.0), (2.0, 1.0), (0.0, np.nan)])
def test_edges_that_make_no_bins_are_refused(edges):
    with pytest.raises(ValueError, match="edges of mag"):
        Bins("mag", edges)
