from __future__ import annotations

import numpy as np
import pytest
import sep

from skymill.config.detect import HOT, PLAIN, SepConfig
from skymill.detectors import sep_extractor
from skymill.detectors.sep_extractor import Sep, mirrored_sum
from skymill.errors import DataError

EXTRACTOR = Sep(SepConfig(kind="sep"))


def test_neighbours_are_replaced_by_the_opposite_pixels(draw):
    """A galaxy's flux does not change when a neighbour is painted over a part of its ellipse."""
    alone = draw((61, 61), [30.0], [30.0], [1e4], [3.0], [2.0], [20.0]).astype(np.float32)
    segments = np.zeros(alone.shape, dtype=np.int32)
    segments[28:33, 28:33] = 1
    shape = np.array([[30.0, 30.0, 3.0, 2.0, np.deg2rad(20.0), 3.5]])
    bad = np.zeros(alone.shape, dtype=bool)
    clean = mirrored_sum(alone, segments, bad, np.array([0]), shape)
    crowded, neighbour = alone.copy(), segments.copy()
    crowded[30:40, 34:40] += 500.0
    neighbour[30:40, 34:40] = 2

    np.testing.assert_allclose(mirrored_sum(crowded, neighbour, bad, np.array([0]), shape), clean, rtol=1e-6)
    bad[30:40, 34:40] = True
    np.testing.assert_allclose(mirrored_sum(crowded, segments, bad, np.array([0]), shape), clean, rtol=1e-6)
    # What is covered on both sides counts as 0.
    both = neighbour.copy()
    both[21:31, 21:27] = 2
    assert mirrored_sum(crowded, both, bad, np.array([0]), shape)[0] < clean[0]


def test_ellipses_of_all_sizes_are_summed_in_chunks(monkeypatch):
    flat = np.ones((200, 200), dtype=np.float32)
    radius = np.array([3.0, 40.0, 7.0, 90.0, 3.0])
    count = len(radius)
    shape = np.column_stack(
        [np.full(count, 100.0), np.full(count, 100.0), radius, radius, np.zeros(count), np.ones(count)]
    )
    nothing = (np.zeros(flat.shape, np.int32), np.zeros(flat.shape, bool), np.arange(count))
    sums = mirrored_sum(flat, *nothing, shape)

    # Pixels with their centre in a circle: its area to a few rows of its border.
    np.testing.assert_allclose(sums, np.pi * radius**2, rtol=0.05)
    monkeypatch.setattr(sep_extractor, "CHUNK_PIXELS", 100)
    np.testing.assert_array_equal(mirrored_sum(flat, *nothing, shape), sums)


def test_sep_finds_what_source_extractors_filter_finds(field):
    """sep's own default filter finds twice as much at 1.5 sigma; ours is SExtractor's."""
    science, rms = field.tile.science, field.tile.rms
    found = EXTRACTOR.extract(field.tile, PLAIN)

    assert len(found["x"]) == len(sep.extract(science, 1.5, err=rms, filter_type="conv"))
    assert len(found["x"]) < 40


def test_small_limits_are_raised_instead_of_failing(field, monkeypatch, caplog):
    expected = EXTRACTOR.extract(field.tile, HOT)
    monkeypatch.setattr(sep_extractor, "PIXEL_STACK", 200)
    found = EXTRACTOR.extract(field.tile, HOT)

    np.testing.assert_array_equal(found["flux"], expected["flux"])
    assert "times the limits" in caplog.text
    monkeypatch.setattr(sep_extractor, "LARGEST_FACTOR", 1)
    with pytest.raises(DataError, match="tile t1: expected sources that sep can separate"):
        EXTRACTOR.extract(field.tile, HOT)
    sep.set_extract_pixstack(300_000)


def test_angles_a_hair_beyond_a_right_one_are_taken(make_tile, draw):
    image = draw((80, 80), [40.0], [40.0], [1e4], [3.0], [1.5], [90.0])
    (theta,) = EXTRACTOR.extract(make_tile(image, seed=None), HOT)["theta"]

    assert -90 <= theta < 90
    assert abs(abs(theta) - 90) < 0.1
