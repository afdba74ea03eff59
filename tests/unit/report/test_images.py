"""Pictures: stretch, orientation, packing."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from skymill.report.images import MASK_COLOURS, binned, data_uri, mask_picture, picture, stretched


def unpack(uri: str) -> np.ndarray:
    kind, text = uri.split(",", 1)
    assert kind in ("data:image/png;base64", "data:image/jpeg;base64")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def test_the_sky_is_light_and_sources_are_dark():
    image = np.array([[0.0, 5.0, 1e6]])

    sky, faint, bright = stretched(image, 1.0)[0]

    assert sky > 210 > faint > bright
    assert bright == 0
    assert stretched(image, 1.0, faint=0.0)[0, 0] == 255


def test_the_stretch_counts_in_units_of_the_noise():
    image = np.random.default_rng(1).normal(0, 1, (20, 20))

    np.testing.assert_array_equal(stretched(image, 1.0), stretched(7 * image, 7.0))


def test_pixels_without_a_value_look_like_sky():
    image = np.array([[np.nan, np.inf, -np.inf, 0.0]])

    assert len(set(stretched(image, 1.0)[0])) == 1


def test_an_empty_image_is_stretched_to_an_empty_one():
    assert stretched(np.empty((0, 4)), 1.0).shape == (0, 4)


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_the_first_row_is_the_lowest(kind):
    pixels = np.zeros((8, 16), np.uint8)
    pixels[0] = 255

    shown = unpack(data_uri(pixels, kind))

    assert shown.shape == (8, 16)
    assert shown[-1].min() > 200
    assert shown[0].max() < 50


def test_masks_have_a_colour_for_each_combination():
    found = mask_picture(np.array([[0, 1, 2, 3]], np.uint8))

    np.testing.assert_array_equal(unpack(found.uri)[0], MASK_COLOURS)
    assert (found.width, found.height) == (4, 1)


def test_a_picture_knows_its_size():
    found = picture(np.zeros((3, 5)), 1.0, "title")

    assert (found.width, found.height, found.title) == (5, 3, "title")


@pytest.mark.parametrize("factor", [1, 2, 3, 7])
def test_binning_averages_blocks_and_leaves_a_rest_out(factor, monkeypatch):
    monkeypatch.setattr("skymill.report.images.BAND_ROWS", 4)
    image = np.random.default_rng(1).normal(0, 1, (20, 15)).astype(np.float32)

    result = binned(image, factor)

    assert result.shape == (20 // factor, 15 // factor)
    # float32 sums in another order: a few units in the last place of values near 1.
    np.testing.assert_allclose(
        result[1, 1], image[factor : 2 * factor, factor : 2 * factor].mean(), atol=1e-6
    )
