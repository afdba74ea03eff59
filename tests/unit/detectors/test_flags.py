from __future__ import annotations

import numpy as np
import pytest

from skymill.catalog.flags import CORE_RADII, EXTENT, EXTENT_RADII, MEANING, Flag
from skymill.data.tile import MaskBit
from skymill.detectors import flags as flags_module
from skymill.detectors.flags import LARGEST_EXTENT_PX, LEAST_EXTENT_PX, mask_flags, radii, source_flags

PSF_PX = 2.0


def flags_of(x, y, flux_radius=2.0, shape=(100, 100), **columns):
    n = len(x)
    given = {
        "x": np.asarray(x, dtype=float),
        "y": np.asarray(y, dtype=float),
        "flux_radius": np.broadcast_to(np.asarray(flux_radius, dtype=float), n),
        "flux": np.ones(n),
        "flux_err": np.ones(n),
        "flags": np.zeros(n, dtype=np.int64),
        "is_primary": np.ones(n, dtype=bool),
        "stamp_id": np.full(n, -1),
        **columns,
    }
    return source_flags(given, PSF_PX, shape).tolist()


def test_every_flag_has_a_meaning_and_the_numbers_are_those_of_the_text():
    assert list(MEANING) == list(Flag)
    assert f"{CORE_RADII} half-light radii" in MEANING[Flag.TRUNCATED]
    assert f"{EXTENT_RADII:g} half-light radii" in EXTENT
    assert f"{LEAST_EXTENT_PX:g} to {LARGEST_EXTENT_PX:g} px" in EXTENT


def test_no_source_is_smaller_than_a_star():
    half, extent = radii(np.array([np.nan, -1.0, 0.2, 5.0, 500.0, np.inf]), PSF_PX)

    assert half.tolist() == [1, 1, 1, 5, 500, 1]
    assert extent.tolist() == [3, 3, 3, 15, 64, 3]


# The extent is 6 px, the core 3 px; the first pixel begins at -0.5.
@pytest.mark.parametrize(
    ("distance", "expected"), [(7, 0), (5.6, 0), (5.4, Flag.EDGE), (2.4, Flag.EDGE | Flag.TRUNCATED)]
)
def test_edges_are_reached_by_the_sources_own_extent(distance, expected):
    x = [distance, 79 - distance, 40, 40]
    y = [50, 50, distance, 99 - distance]

    assert flags_of(x, y, shape=(100, 80)) == [expected] * 4


def test_a_large_source_reaches_farther():
    assert flags_of([20, 20], [20, 60], [2.0, 10.0]) == [0, Flag.EDGE]


@pytest.mark.parametrize(("distance", "expected"), [(8.1, 0), (7.9, Flag.BLENDED)])
def test_sources_overlap_where_one_extent_reaches_the_others_half(distance, expected):
    assert flags_of([50, 50 + distance], [50, 50]) == [expected] * 2


def test_a_large_source_overlaps_with_small_ones_far_off():
    # Its extent is 30 px, that of the others 3; the last two are far from each other and from it.
    assert flags_of([50, 79, 50, 90], [50, 50, 85, 90], [10, 1, 1, 1]) == [Flag.BLENDED, Flag.BLENDED, 0, 0]


def test_duplicates_blend_with_nobody():
    is_primary = np.array([True, False])

    assert flags_of([50, 50.5], [50, 50], is_primary=is_primary) == [0, Flag.DUPLICATE]


def test_neighbours_on_other_canvases_do_not_count():
    assert flags_of([50, 50], [50, 50], stamp_id=np.array([0, 1])) == [0, 0]
    assert flags_of([50, 50], [50, 50], stamp_id=np.array([1, 1])) == [Flag.BLENDED] * 2


def test_of_a_tools_own_flags_only_its_limits_count():
    own = np.full(1, 127)

    assert flags_of([50], [50], flags=own) == [Flag.FAILED | Flag.TRUNCATED]


@pytest.mark.parametrize("column", ["flux", "flux_err"])
def test_what_is_not_finite_failed(column):
    assert flags_of([50], [50], **{column: np.array([np.nan])}) == [Flag.FAILED]


def test_no_sources_have_no_flags():
    assert flags_of([], []) == []


# The half-light radius is 2 px: the core is 3 px, the extent 6 px.
@pytest.mark.parametrize(
    ("bit", "expected"),
    [
        (MaskBit.BAD, [Flag.MASKED | Flag.TRUNCATED, Flag.MASKED, 0]),
        (MaskBit.NO_DATA, [Flag.MASKED | Flag.TRUNCATED, Flag.MASKED, 0]),
        (MaskBit.SATURATED, [Flag.SATURATED, Flag.SATURATED, 0]),
    ],
)
@pytest.mark.parametrize("chunk_pixels", [1, 2**24])
def test_masked_pixels_count_within_the_extent(make_tile, monkeypatch, bit, expected, chunk_pixels):
    monkeypatch.setattr(flags_module, "CHUNK_PIXELS", chunk_pixels)
    tile = make_tile(np.zeros((60, 60)), seed=None)
    tile.mask[20, 30] = int(bit)
    x, y, radius = np.array([27.0, 24.0, 23.9]), np.full(3, 20.0), np.full(3, 2.0)

    assert mask_flags(tile, x, y, radius).tolist() == expected
    assert mask_flags(tile, x[:0], y[:0], radius[:0]).tolist() == []


def test_sources_of_all_sizes_find_their_pixels(make_tile):
    tile = make_tile(np.zeros((200, 200)), seed=None)
    tile.mask[100, 100] = int(MaskBit.SATURATED)
    radius = np.array([2.0, 10.0, 3.0, 20.0])
    inside, outside = (100 + shift - 3 * radius for shift in (0.1, -0.1))
    y = np.full(4, 100.0)

    assert mask_flags(tile, inside, y, radius).tolist() == [Flag.SATURATED] * 4
    assert mask_flags(tile, outside, y, radius).tolist() == [0] * 4
