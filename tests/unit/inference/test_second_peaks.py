from __future__ import annotations

import numpy as np
import pytest

from skymill.inference.second_peaks import HALF_PX, REACH_PX, is_first_peak
from skymill.metrics.moments import light_width


def image_of(*sources, size=80):
    """Gaussians (x, y, sigma) with a peak of 500 rms."""
    row, column = np.indices((size, size))
    light = [500 * np.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * sigma**2)) for x, y, sigma in sources]
    return np.sum(light, axis=0).astype(np.float32)


def first(places, image):
    """Peaks (x, y, probability)."""
    return is_first_peak(*np.array(places, dtype=float).reshape(-1, 3).T, image).tolist()


def test_the_width_is_that_of_a_gaussian():
    image = image_of((HALF_PX, HALF_PX, 2.0), size=2 * HALF_PX + 1)
    assert light_width(image[None])[0] == pytest.approx(2.0, rel=0.02)
    assert light_width(np.zeros((1, 5, 5), np.float32))[0] == 0


def test_no_light_reaches_farther_than_is_looked():
    full = np.full((1, 2 * HALF_PX + 1, 2 * HALF_PX + 1), 9.0, np.float32)
    assert 0.75 * light_width(full)[0] == pytest.approx(REACH_PX)


def test_a_second_peak_within_a_large_galaxy_goes():
    large = image_of((40, 40, 4.0))
    assert first([(40, 40, 0.6), (42.5, 40, 0.5)], large) == [True, False]
    assert first([(42.5, 40, 0.5), (40, 40, 0.6)], large) == [False, True]
    # Farther out than three quarters of its width it is a source of its own.
    assert first([(40, 40, 0.6), (43.5, 40, 0.5)], large) == [True, True]


def test_two_points_stay_two():
    assert first([(40, 40, 0.9), (42.5, 40, 0.8)], image_of((40, 40, 1.2), (42.5, 40, 1.2))) == [True, True]


def test_a_second_peak_takes_no_other_away():
    """The third is near the second one only, which is none."""
    places = [(40, 40, 0.9), (42.5, 40, 0.8), (45, 40, 0.7)]
    assert first(places, image_of((40, 40, 4.0))) == [True, False, True]


def test_few_peaks_and_peaks_at_the_edge():
    assert first([], image_of((40, 40, 4.0))) == []
    assert first([(3, 3, 0.5)], image_of((40, 40, 4.0))) == [True]
    assert first([(0, 0, 0.6), (0, 1, 0.5)], image_of((0, 0, 4.0))) == [True, False]
