from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from skymill.models.mixture import Mixture, fit_mixture


@pytest.fixture(scope="module")
def two_clouds():
    random = np.random.default_rng(5)
    first = random.normal([0, 0, 0], [1, 1, 0.3], (3000, 3))
    second = random.normal([6, -4, 3], [0.5, 2, 0.3], (1000, 3))
    return np.concatenate([first, second])


@pytest.fixture(scope="module")
def mixture(two_clouds):
    made = Mixture(2, 3)
    made.set(*fit_mixture(two_clouds, 2, np.random.default_rng(1)))
    return made


def test_two_clouds_are_found(mixture):
    order = np.argsort(mixture.weights.numpy())[::-1]

    np.testing.assert_allclose(mixture.weights.numpy()[order], [0.75, 0.25], atol=0.01)
    np.testing.assert_allclose(mixture.means.numpy()[order], [[0, 0, 0], [6, -4, 3]], atol=0.15)
    widths = np.sqrt(np.diagonal(mixture.covariances.numpy(), axis1=1, axis2=2))[order]
    np.testing.assert_allclose(widths, [[1, 1, 0.3], [0.5, 2, 0.3]], rtol=0.12)


def test_what_is_known_chooses_the_cloud(mixture):
    generator = np.random.default_rng(2)
    rows = np.array([mixture.draw(np.array([3.0]), generator) for _ in range(500)])

    np.testing.assert_allclose(rows.mean(axis=0), [6, -4], atol=0.3)


def test_a_conditional_normal_distribution_is_that_of_the_formula():
    covariance = np.array([[2.0, 0.6], [0.6, 1.0]])
    made = Mixture(1, 2)
    made.set(np.ones(1), np.array([[1.0, -1.0]]), covariance[None])
    weights, means, covariances = made.given(np.array([0.5]))

    assert weights == pytest.approx([1])
    assert means[0, 0] == pytest.approx(1 + 0.6 * 1.5, abs=1e-6)
    assert covariances[0, 0, 0] == pytest.approx(2 - 0.36, abs=1e-6)


def test_the_density_is_that_of_the_sum(mixture):
    rows = np.array([[0.1, -0.2, 0.0], [6.0, -3.0, 3.1]])
    parts = zip(mixture.weights, mixture.means, mixture.covariances, strict=True)
    expected = sum(
        float(weight) * multivariate_normal(mean.numpy(), cov.numpy()).pdf(rows)
        for weight, mean, cov in parts
    )

    np.testing.assert_allclose(mixture.log_density(rows), np.log(expected), rtol=1e-4)


def test_a_column_that_never_changes_is_no_error():
    rows = np.column_stack([np.random.default_rng(3).normal(size=50), np.full(50, 2.0)])
    weights, means, covariances = fit_mixture(rows, 3, np.random.default_rng(4))

    assert np.isfinite(covariances).all() and weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(means[:, 1], 2.0, rtol=1e-5)


def test_the_same_state_draws_the_same(mixture):
    one, other = (mixture.draw(np.array([1.0]), np.random.default_rng(9)) for _ in range(2))

    np.testing.assert_array_equal(one, other)
