from __future__ import annotations

import galsim
import numpy as np
import pytest

from skymill.simulate.light import centroid, half_light_radius_px


def gaussian(x: float, y: float, sigma: float = 4.0, shape: tuple[int, int] = (61, 71)) -> np.ndarray:
    rows, columns = np.indices(shape)
    return np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))


def test_centroid_of_an_off_centre_source():
    assert centroid(gaussian(38.3, 27.6), sigma=4) == pytest.approx((38.3, 27.6), abs=2e-3)


def test_centroid_keeps_noise_and_corners_out():
    image = gaussian(35, 30) + np.random.default_rng(1).normal(0, 0.01, (61, 71))
    image[:5, :5] += 1.0

    # Windowed noise: about 0.01 * 2 sigma / sqrt(4 pi) per unit peak, far below 0.05 px.
    assert centroid(image, sigma=4) == pytest.approx((35, 30), abs=0.05)


@pytest.mark.parametrize(
    "image", [np.zeros((20, 20)), -gaussian(10, 10, shape=(21, 21)), gaussian(200, 3, 30, (21, 21))]
)
def test_centroid_of_nothing_is_the_middle(image: np.ndarray):
    middle = (image.shape[1] - 1) / 2
    assert centroid(image, sigma=4) == (middle, middle)


def test_half_light_radius_of_a_gaussian():
    # sigma sqrt(2 ln 2); pixels make it right to half a pixel.
    assert half_light_radius_px(gaussian(35, 30), 35, 30) == pytest.approx(
        4 * np.sqrt(2 * np.log(2)), abs=0.5
    )


def test_half_light_radius_of_a_disc_against_galsim():
    image = (
        galsim.Exponential(half_light_radius=12).drawImage(nx=201, ny=201, scale=1, method="no_pixel").array
    )
    assert half_light_radius_px(image, 100, 100) == pytest.approx(12, abs=0.5)


def test_half_light_radius_is_at_least_half_a_pixel():
    image = np.zeros((9, 9))
    image[4, 4] = 1
    assert half_light_radius_px(image, 4, 4) == 0.5
