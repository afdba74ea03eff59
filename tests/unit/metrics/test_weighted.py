"""Weighted statistics equal those of the sample with its rows repeated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymill.metrics import weighted

STATISTICS = {
    "mean": (weighted.mean, np.mean),
    "standard_deviation": (weighted.standard_deviation, np.std),
    "median": (weighted.median, np.median),
    "nmad": (weighted.nmad, lambda v: 1.4826 * np.median(np.abs(v - np.median(v)))),
}
samples = st.lists(
    st.tuples(st.floats(-1e3, 1e3, allow_subnormal=False), st.integers(0, 4)), min_size=1, max_size=12
).filter(lambda rows: sum(count for _, count in rows) > 0)


@pytest.mark.parametrize("name", STATISTICS)
@given(rows=samples)
def test_weights_are_repeats(name, rows):
    ours, plain = STATISTICS[name]
    values, counts = map(np.array, zip(*rows, strict=True))
    expected = plain(np.repeat(values, counts))
    # Sums in another order: rounding of numbers up to 1e3, squared in the standard deviation.
    assert ours(values, counts.astype(float)) == pytest.approx(expected, rel=1e-9, abs=1e-4)
    assert ours(values) == pytest.approx(plain(values), rel=1e-9, abs=1e-4)


@pytest.mark.parametrize("name", STATISTICS)
def test_a_matrix_of_weights_gives_one_value_a_row(name):
    ours, _ = STATISTICS[name]
    generator = np.random.default_rng(1)
    values, counts = generator.normal(size=9), generator.integers(0, 3, (5, 9)).astype(float)
    assert np.allclose(ours(values, counts), [ours(values, row) for row in counts])


@pytest.mark.parametrize("name", STATISTICS)
def test_where_nothing_counts_there_is_no_value(name):
    ours, _ = STATISTICS[name]
    assert np.isnan(ours(np.array([1.0, 2.0]), np.zeros((3, 2)))).all()
    assert np.isnan(ours(np.empty(0)))
    assert np.isnan(ours(np.empty(0), np.empty((3, 0)))).tolist() == [True] * 3


def test_the_standard_deviation_of_a_narrow_distribution_far_from_zero_keeps_its_digits():
    values = 1e8 + np.array([-1.0, 1.0, -1.0, 1.0])
    assert weighted.standard_deviation(values, np.ones((1, 4))) == pytest.approx([1.0])


def test_the_nmad_of_a_normal_sample_is_its_standard_deviation():
    values = np.random.default_rng(2).normal(scale=3.0, size=100_000)
    # The NMAD's relative error is 1.17 / sqrt(n) = 0.4 %; three of them.
    assert weighted.nmad(values) == pytest.approx(3.0, rel=0.012)


def test_infinite_values_stand_at_the_end_of_the_median():
    values = np.array([np.inf, 1.0, 2.0])
    assert weighted.median(values) == 2.0
    assert weighted.median(values, np.array([[1.0, 1, 1], [3, 1, 1]])).tolist() == [2.0, np.inf]
