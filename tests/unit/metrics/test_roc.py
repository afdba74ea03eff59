import numpy as np
import pytest
from scipy.stats import norm

from skymill.metrics.roc import auroc, roc_curve


def test_what_is_told_apart_and_what_is_not():
    assert auroc(np.array([3.0, 4.0]), np.array([1.0, 2.0])).value == 1
    assert auroc(np.array([1.0, 2.0]), np.array([3.0, 4.0])).value == 0
    assert auroc(np.ones(5), np.ones(7)).value == 0.5


def test_pairs_are_counted():
    # Of the four pairs, (2, 1) and (2, 2 as half) and (0, none) are won: 1.5 of 4.
    assert auroc(np.array([2.0, 0.0]), np.array([1.0, 2.0])).value == pytest.approx(1.5 / 4)


def test_two_normal_distributions_and_their_interval():
    random = np.random.default_rng(1)
    found = [auroc(random.normal(1, 1, 200), random.normal(0, 1, 300)) for _ in range(200)]
    expected = norm.cdf(1 / np.sqrt(2))
    holds = np.mean([one.low <= expected <= one.high for one in found])

    assert np.mean([one.value for one in found]) == pytest.approx(expected, abs=0.005)
    # 95 % of 200 trials, give or take 1.5 %; the paper's variance is a little large for normal scores.
    assert 0.92 <= holds <= 0.995
    assert found[0].n == 500


def test_the_area_is_that_under_the_curve():
    random = np.random.default_rng(2)
    first, second = random.normal(0.5, 1, 60).round(1), random.normal(0, 1, 80).round(1)
    x, y = roc_curve(first, second)

    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert (np.diff(x) >= 0).all() and (np.diff(y) >= 0).all()
    assert np.trapezoid(y, x) == pytest.approx(auroc(first, second).value)


@pytest.mark.parametrize(("first", "second"), [([], [1.0]), ([1.0], []), ([np.nan], [1.0])])
def test_scores_of_both_kinds_are_needed(first, second):
    with pytest.raises(ValueError, match="expected scores of both kinds"):
        auroc(np.array(first), np.array(second))
