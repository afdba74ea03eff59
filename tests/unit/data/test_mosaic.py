"""Mosaics of blends: a position on a stamp is the same place on the mosaic, and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.testing import assert_allclose, assert_array_equal

from skymill.data.mosaic import Layout, mosaic
from skymill.data.survey import Survey
from skymill.errors import DataError

SURVEY = Survey(
    name="test",
    description="A survey for tests.",
    band="r",
    pixel_scale_arcsec=0.4,
    zero_point_mag=25,
    gain_e_per_unit=3,
    background_rms=0.5,
    psf={"kind": "gaussian", "fwhm_arcsec": 1.2},
    sources={},
)


@st.composite
def layouts(draw) -> Layout:
    ids = draw(st.lists(st.integers(0, 10**6), min_size=1, max_size=30, unique=True))
    columns = draw(st.integers(1, 8))
    return Layout(np.array(ids), draw(st.integers(1, 40)), draw(st.integers(1, 12)), columns)


@given(layouts(), st.data())
def test_there_and_back(layout, data):
    count = data.draw(st.integers(0, 20))
    chosen = data.draw(arrays.arrays(np.int64, count, elements=st.sampled_from(layout.stamp_ids.tolist())))
    # All of a stamp: from the lower left of its first pixel to just before the upper right of its last.
    on_stamp = st.floats(-0.5, layout.stamp_px - 0.501)
    x, y = (data.draw(arrays.arrays(np.float64, count, elements=on_stamp)) for _ in range(2))
    found, back_x, back_y = layout.to_stamp(*layout.to_mosaic(chosen, x, y))

    assert_array_equal(found, chosen)
    # Adding and taking away a few thousand pixels rounds at 1e-12.
    assert_allclose(back_x, x, atol=1e-9)
    assert_allclose(back_y, y, atol=1e-9)


@given(layouts())
def test_every_pixel_belongs_to_one_stamp_or_to_a_gap(layout):
    y, x = np.indices(layout.shape)
    stamp_id, on_x, on_y = layout.to_stamp(x.ravel(), y.ravel())
    inside = stamp_id >= 0

    numbers, counts = np.unique(stamp_id[inside], return_counts=True)
    assert_array_equal(numbers, np.sort(layout.stamp_ids))
    assert_array_equal(counts, layout.stamp_px**2)
    assert on_x[inside].min() == on_y[inside].min() == 0
    assert on_x[inside].max() == on_y[inside].max() == layout.stamp_px - 1


def test_outside_in_a_gap_and_nowhere():
    layout = Layout(np.array([4, 7]), stamp_px=10, gap_px=5, columns=2)
    x = np.array([5.0, 4.4, 14.4, 14.6, 20.0, 5.0, -3.0, 1e9, np.nan, 5.0])
    y = np.array([5.0, 5.0, 5.0, 5.0, 5.0, 20.0, 5.0, 5.0, 5.0, np.nan])

    assert_array_equal(layout.to_stamp(x, y)[0], [4, -1, 4, -1, 7, -1, -1, -1, -1, -1])


def test_a_stamp_that_is_not_in_the_layout():
    layout = Layout(np.array([4, 7]), stamp_px=10, gap_px=5, columns=2)
    with pytest.raises(DataError, match="stamp 5"):
        layout.to_mosaic(np.array([4, 5]), np.zeros(2), np.zeros(2))


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_pixels_lie_where_the_layout_says(count):
    random = np.random.default_rng(count)
    images = random.normal(size=(count, 1, 12, 12)).astype(np.float32)
    ids = random.permutation(100)[:count]
    tile, layout = mosaic(images, ids, SURVEY, gap_px=3)
    y, x = np.indices((12, 12)).reshape(2, -1)
    for number, image in zip(ids, images[:, 0], strict=True):
        on_x, on_y = layout.to_mosaic(np.full(144, number), x, y)
        assert_array_equal(tile.science[on_y, on_x], image.ravel())

    assert np.count_nonzero(tile.science) == np.count_nonzero(images)
    assert tile.science.shape == layout.shape
    # As square as can be: detectors work in rows.
    assert max(layout.shape) <= 2 * min(layout.shape)


def test_facts_of_the_tile():
    tile, _ = mosaic(np.zeros((4, 1, 8, 8), dtype=np.float32), np.arange(4), SURVEY)

    assert tile.wcs is None
    assert_array_equal(tile.rms, np.float32(0.5))
    assert_array_equal(tile.mask, 0)
    assert (tile.science.dtype, tile.rms.dtype, tile.mask.dtype) == (np.float32, np.float32, np.uint8)
    assert tile.meta.zero_point_mag == 25
    assert tile.meta.psf_fwhm_px == pytest.approx(3)
    assert tile.meta.saturation is None
