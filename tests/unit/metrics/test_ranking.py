from __future__ import annotations

import numpy as np
import pytest

from skymill.metrics.ranking import rank


def test_purity_and_completeness_at_each_threshold():
    ranking = rank([0.9, 0.2, 0.7, 0.5], np.array([True, False, False, True]), n_objects=4)

    np.testing.assert_allclose(ranking.score, [0.9, 0.7, 0.5, 0.2])
    np.testing.assert_allclose(ranking.purity, [1, 1 / 2, 2 / 3, 2 / 4])
    np.testing.assert_allclose(ranking.completeness, [1 / 4, 1 / 4, 2 / 4, 2 / 4])


def test_average_precision_of_a_textbook_case():
    # Best purity from completeness 0 to 1/4 is 1, from 1/4 to 1/2 it is 2/3, beyond nothing is found.
    ranking = rank([0.9, 0.2, 0.7, 0.5], np.array([True, False, False, True]), n_objects=4)

    assert ranking.average_precision() == pytest.approx(0.25 * 1 + 0.25 * 2 / 3)


def test_a_perfect_detector_has_average_precision_one():
    assert rank(np.arange(5.0), np.ones(5, bool), 5).average_precision() == pytest.approx(1.0)
    assert rank(np.arange(5.0), np.zeros(5, bool), 5).average_precision() == 0.0


def test_equal_scores_share_their_threshold():
    ranking = rank([1.0, 1.0, 1.0, 0.0], np.array([True, False, True, False]), 2)

    np.testing.assert_allclose(ranking.purity, [2 / 3, 2 / 3, 2 / 3, 1 / 2])
    np.testing.assert_allclose(ranking.completeness, [1, 1, 1, 1])


def test_thresholds():
    ranking = rank([0.9, 0.8, 0.7, 0.6], np.array([True, True, False, True]), n_objects=5)

    assert ranking.threshold_of_purity(0.9) == 0.8
    assert ranking.threshold_of_purity(0.7) == 0.6
    assert ranking.completeness_at(0.9) == pytest.approx(2 / 5)
    # F1: 1/3, 4/7, 1/2, 2/3.
    assert ranking.threshold_of_best_f1() == 0.6


def test_an_unreachable_purity_leaves_the_surest():
    ranking = rank([0.9, 0.8], np.array([False, True]), 2)

    assert ranking.threshold_of_purity(0.95) == 0.9
    assert ranking.completeness_at(0.95) == 0.0


def test_nothing_detected():
    ranking = rank(np.empty(0), np.empty(0, bool), 3)

    assert ranking.average_precision() == 0.0
    assert ranking.completeness_at(0.5) == 0.0
