from __future__ import annotations

import numpy as np
import pytest

from skymill.errors import DataError
from skymill.simulate.cleaning import clean

SIDE, X, Y = 41, 21.0, 19.0
ROWS, COLUMNS = np.indices((SIDE, SIDE))
RADIUS = np.hypot(COLUMNS - X, ROWS - Y)
GALAXY = np.exp(-RADIUS / 4)
OWN = RADIUS < 14


def disc(x: float, y: float, radius: float) -> np.ndarray:
    return np.hypot(COLUMNS - x, ROWS - y) < radius


def test_a_symmetric_galaxy_comes_back_whole_from_behind_a_neighbour():
    neighbour = disc(28, 24, 4)
    image = GALAXY + 5.0 * neighbour

    cleaned = clean(image, OWN & ~neighbour, neighbour, X, Y, "g")

    np.testing.assert_allclose(cleaned[OWN], GALAXY[OWN])
    assert (cleaned[~OWN & ~neighbour] == 0).all()


def test_a_bad_pixel_within_the_segment_is_filled_too():
    image = GALAXY.copy()
    image[22, 25] = np.nan

    cleaned = clean(image, OWN, ~np.isfinite(image), X, Y, "g")

    assert cleaned[22, 25] == pytest.approx(GALAXY[16, 17])
    assert np.isfinite(cleaned).all()


def test_what_has_no_counterpart_is_empty():
    far, outside = disc(36, 5, 3), disc(40, 40, 6)
    image = GALAXY + 5.0 * (far | outside)

    cleaned = clean(image, OWN & ~far, far | outside, X, Y, "g")

    assert (cleaned[far & ~OWN] == 0).all() and (cleaned[outside] == 0).all()


def test_only_the_segment_keeps_its_light():
    cleaned = clean(GALAXY + 0.1, OWN, np.zeros_like(OWN), X, Y, "g")

    assert cleaned.sum() == pytest.approx((GALAXY + 0.1)[OWN].sum())


def test_a_galaxy_that_is_hidden_on_both_sides_is_refused():
    both = disc(28, 19, 4) | disc(14, 19, 4)

    with pytest.raises(
        DataError, match=r"g: expected at most 2% of the galaxy's pixels bad .*found \d+ of \d+"
    ):
        clean(GALAXY, OWN, both, X, Y, "g")
