from __future__ import annotations

import numpy as np
import pytest

from skymill.metrics.calibration import calibration_error, fit_logistic, logistic, reliability


def drawn(n=20_000, slope=1.7, intercept=-0.6):
    random = np.random.default_rng(1)
    score = random.normal(0, 2, n)
    return score, random.random(n) < logistic(score, slope, intercept)


def test_the_fit_finds_what_the_scores_were_drawn_with():
    slope, intercept = fit_logistic(*drawn())

    assert slope == pytest.approx(1.7, abs=0.08)
    assert intercept == pytest.approx(-0.6, abs=0.06)


def test_separable_scores_have_a_finite_fit():
    slope, intercept = fit_logistic(np.array([-2.0, -1.0, 1.0, 2.0]), np.array([False, False, True, True]))

    assert np.isfinite([slope, intercept]).all()
    assert logistic(np.array([2.0]), slope, intercept)[0] > 0.6


def test_one_kind_of_scores_has_a_finite_fit():
    assert np.isfinite(fit_logistic(np.arange(5.0), np.ones(5, bool))).all()


def test_no_scores_are_refused():
    with pytest.raises(ValueError, match="found none"):
        fit_logistic(np.empty(0), np.empty(0, bool))


def test_logistic_neither_overflows_nor_leaves_its_range():
    np.testing.assert_allclose(logistic(np.array([-1e6, 0.0, 1e6]), 1.0, 0.0), [0, 0.5, 1])


def test_reliability_of_honest_probabilities():
    score, is_real = drawn()
    table = reliability(logistic(score, 1.7, -0.6), is_real)

    assert sum(row["n"] for row in table) == len(score) and len(table) == 10
    for row in table:
        error = np.sqrt(row["probability"] * (1 - row["probability"]) / row["n"])
        assert abs(row["probability"] - row["fraction"]) < 4 * error
    assert calibration_error(table) < 0.02


def test_calibration_error_of_boasting():
    table = reliability(np.full(100, 0.95), np.arange(100) < 50)

    assert table == [{"probability": pytest.approx(0.95), "fraction": 0.5, "n": 100.0}]
    assert calibration_error(table) == pytest.approx(0.45)
    assert calibration_error([]) == 0.0
