"""Moments of Gaussians, whose values under a Gaussian window are known."""

import numpy as np
import pytest

from skymill.metrics.moments import centroid_error, ellipticity_error, moments, size_error


def gaussian(x, y, a, b, theta_deg, side=64):
    """One elliptical Gaussian of flux 1, (1, side, side)."""
    rows, columns = np.mgrid[:side, :side]
    cos, sin = np.cos(np.deg2rad(theta_deg)), np.sin(np.deg2rad(theta_deg))
    along, across = (columns - x) * cos + (rows - y) * sin, (rows - y) * cos - (columns - x) * sin
    return (np.exp(-0.5 * ((along / a) ** 2 + (across / b) ** 2)) / (2 * np.pi * a * b))[None]


X, Y = np.array([31.4]), np.array([32.7])


@pytest.mark.parametrize(("theta", "e1", "e2"), [(0, 5 / 13, 0), (45, 0, 5 / 13), (90, -5 / 13, 0)])
def test_moments_without_a_window(theta, e1, e2):
    found = moments(gaussian(31.4, 32.7, 3.0, 2.0, theta), X + 2, Y - 3, np.inf)
    assert (found.x[0], found.y[0]) == pytest.approx((31.4, 32.7))
    assert found.size[0] == pytest.approx(np.sqrt((9 + 4) / 2))
    assert (found.e1[0], found.e2[0]) == pytest.approx((e1, e2), abs=1e-9)


def test_the_window_makes_sizes_and_offsets_smaller_as_said():
    s, sigma = 2.0, 3.0
    found = moments(gaussian(32.2, 32.7, s, s, 0), X, Y, sigma)
    kept = 1 / (1 + s**2 / sigma**2)
    assert found.x[0] == pytest.approx(31.4 + 0.8 * kept)
    assert found.y[0] == pytest.approx(32.7)
    assert found.size[0] == pytest.approx(s * np.sqrt(kept))


def test_errors_by_hand():
    round_one, long_one = gaussian(31.4, 32.7, 2.0, 2.0, 0), gaussian(31.7, 32.3, 3.0, 2.0, 30)
    true, found = (moments(image, X, Y, np.inf) for image in (round_one, long_one))
    assert centroid_error(found, true)[0] == pytest.approx(0.5)
    assert size_error(found, true)[0] == pytest.approx(np.sqrt(6.5) / 2 - 1)
    assert ellipticity_error(found, true)[0] == pytest.approx(5 / 13)


def test_turning_an_ellipse_is_an_error_of_its_ellipticity():
    true, found = (moments(gaussian(31.4, 32.7, 3.0, 2.0, theta), X, Y, np.inf) for theta in (0, 90))
    assert size_error(found, true)[0] == pytest.approx(0)
    assert ellipticity_error(found, true)[0] == pytest.approx(10 / 13)


def test_each_image_has_its_own_window():
    images = np.concatenate([gaussian(30.0, 33.0, 2.0, 1.5, 20), gaussian(35.0, 31.0, 4.0, 3.0, 70)])
    x, y, sigma = np.array([30.2, 34.0]), np.array([33.0, 31.5]), np.array([2.0, 5.0])
    both = moments(images, x, y, sigma)
    for i in range(2):
        alone = moments(images[i : i + 1], x[i : i + 1], y[i : i + 1], sigma[i])
        np.testing.assert_allclose(np.ravel(alone), [column[i] for column in both])


def test_without_light_there_are_no_moments():
    images = np.concatenate([np.zeros((1, 64, 64)), -gaussian(31.4, 32.7, 3.0, 2.0, 0)])
    assert np.isnan(moments(images, np.repeat(X, 2), np.repeat(Y, 2), 3.0)).all()
