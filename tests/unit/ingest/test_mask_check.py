from __future__ import annotations

import warnings

import numpy as np
import pytest

from skymill.data.tile import MaskBit
from skymill.errors import DataError
from skymill.ingest.mask_check import check_mask, masked_fractions


@pytest.fixture
def bits(star_image) -> np.ndarray:
    return np.zeros(star_image.shape, dtype=np.uint8)


def judged(bits, image, *, is_meant=False):
    return check_mask(masked_fractions(bits, image), "m.fits", is_meant=is_meant)


def test_bad_columns_and_edges_are_nothing_unusual(bits, star_image):
    bits[:, 100:103] = MaskBit.BAD
    bits[:8] = MaskBit.NO_DATA
    found = masked_fractions(bits, star_image)

    assert found.of_pixels == pytest.approx((8 * 320 + 3 * 312) / 320**2)
    assert found.of_bright < 0.1
    assert judged(bits, star_image) == []


def test_a_mask_of_more_than_a_twentieth_is_said(bits, star_image):
    bits[:20] = MaskBit.BAD

    assert judged(bits, star_image) == ["m.fits: the mask takes 6.2% of the pixels with data (more than 5%)"]


def test_a_mask_of_the_sources_is_said(bits, star_light, star_image):
    bits[star_light > 10] = MaskBit.BAD
    found = masked_fractions(bits, star_image)

    assert found.of_bright > 0.95
    assert any("of the pixels 5 times the noise above the sky" in text for text in judged(bits, star_image))


def test_saturated_pixels_are_not_taken_away(bits, star_light, star_image):
    bits[star_light > 10] = MaskBit.SATURATED

    assert judged(bits, star_image) == []


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.45])
def test_an_inverted_mask_is_refused_with_both_numbers(bits, star_image, kept):
    bits[int(kept * 320) :] = MaskBit.BAD
    message = rf"found {1 - kept:.1%} of it masked and {kept:.1%} left.*'zero' into mask_planes"

    with pytest.raises(DataError, match=message):
        judged(bits, star_image)
    # Whoever names the planes means them.
    assert len(judged(bits, star_image, is_meant=True)) >= 1


@pytest.mark.parametrize("fill", [np.nan, 0.0, 37.5, -1e30, np.inf])
def test_a_mosaics_empty_corners_may_be_most_of_it(bits, star_image, fill):
    image, empty = star_image.copy(), np.add.outer(np.arange(320), np.arange(320)) > 280
    image[empty], bits[empty] = fill, MaskBit.NO_DATA
    assert empty.mean() > 0.6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # A thin rim of the diagonal has no equal neighbour of its own line.
        assert masked_fractions(bits, image).of_pixels < 0.02
        assert judged(bits, image) == []
        # The same mask the wrong way round takes all that there is.
        with pytest.raises(DataError, match=r"found 100\.0% of it masked|found 9\d\.\d% of it masked"):
            judged(np.where(empty, 0, MaskBit.BAD).astype(np.uint8), image)


def test_integers_are_not_taken_for_emptiness(bits, star_image):
    bits[100:] = MaskBit.BAD

    with pytest.raises(DataError, match=r"found 6\d\.\d% of it masked"):
        judged(bits, np.rint(star_image).astype(np.float32))


def test_large_images_are_judged_by_a_part_of_their_pixels():
    image = np.random.default_rng(5).normal(100, 2, (2100, 2000)).astype(np.float32)
    image[::50, ::50] += 100
    bits = np.where(image > 150, MaskBit.BAD, 0).astype(np.uint8)

    # Of the noise itself, 1 pixel in 3.5 million is above 5 times it.
    assert masked_fractions(bits, image).of_bright > 0.99


@pytest.mark.parametrize("image", [np.zeros((5, 5)), np.full((5, 5), np.nan)])
def test_an_image_without_data_has_no_fractions(image):
    found = masked_fractions(np.ones((5, 5), dtype=np.uint8), image.astype(np.float32))

    assert (found.of_pixels, found.of_bright) == (0.0, 0.0)
