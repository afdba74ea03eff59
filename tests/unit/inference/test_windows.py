from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymill.catalog.flags import Flag
from skymill.inference.windows import Window, split, stitch


def columns(x, y, flags=None, **more) -> dict[str, np.ndarray]:
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    return {
        "x": x,
        "y": y,
        "flags": np.zeros(len(x), dtype=np.int64) if flags is None else np.asarray(flags),
        **more,
    }


def seen_by(window: Window, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Rows of the sources whose centre lies in what a window reads."""
    y0, y1, x0, x1 = window.outer
    return np.flatnonzero((x >= x0 - 0.5) & (x < x1 - 0.5) & (y >= y0 - 0.5) & (y < y1 - 0.5))


@given(
    height=st.integers(1, 700),
    width=st.integers(1, 700),
    window=st.integers(40, 300),
    margin=st.integers(0, 19),
)
def test_cores_tile_the_image_and_windows_hold_a_margin(height, width, window, margin):
    covered = np.zeros((height, width), dtype=np.int64)
    for part in split((height, width), window, margin):
        (y0, y1, x0, x1), (c0, c1, d0, d1) = part.outer, part.core
        covered[c0:c1, d0:d1] += 1
        assert max(y1 - y0, x1 - x0) <= window + 1  # edges are rounded to whole pixels
        assert y0 == max(0, c0 - margin)
        assert y1 == min(height, c1 + margin)
        assert x0 == max(0, d0 - margin)
        assert x1 == min(width, d1 + margin)
    assert (covered == 1).all()


def test_a_small_image_is_one_window():
    assert split((300, 200), 300, 40) == [Window((0, 300, 0, 200), (0, 300, 0, 200))]


def test_a_centre_on_a_seam_lies_in_one_core():
    left, right = split((10, 100), 60, 5)
    seam = np.array([left.core[3] - 0.5])

    assert right.distance_to_core(seam, np.zeros(1), (10, 100)) == 0
    assert left.distance_to_core(seam, np.zeros(1), (10, 100)) > 0
    # Centres a little outside of the image belong to the outermost windows.
    assert right.distance_to_core(np.array([99.9]), np.array([-0.7]), (10, 100)) == 0


@given(st.data())
def test_windows_find_what_one_run_finds(data):
    """Sources at any density and any jitter between windows: none is lost, each is primary once."""
    tolerance = 2.0
    shape = (data.draw(st.integers(30, 160)), data.draw(st.integers(30, 160)))
    seed = data.draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    count = data.draw(st.integers(0, 150))
    # Sources at least 2 x (tolerance + jitter) apart, as detections are.
    y, x = np.mgrid[2 : shape[0] - 2 : 7, 2 : shape[1] - 2 : 7].reshape(2, -1).astype(np.float64)
    chosen = random.permutation(len(x))[:count]
    x, y = (axis[chosen] + random.uniform(-1.0, 1.0, len(chosen)) for axis in (x, y))
    jitter = data.draw(st.sampled_from([0.0, 0.1, 0.45]))
    parts = []
    for window in split(shape, data.draw(st.sampled_from([31, 45, 70])), 8):
        rows = seen_by(window, x, y)
        dx, dy = random.uniform(-jitter, jitter, (2, len(rows)))
        parts.append((window, columns(x[rows] + dx, y[rows] + dy, name=rows)))
    found = stitch(parts, shape, tolerance)
    primary = found["name"][found["is_primary"]]

    assert sorted(primary.tolist()) == list(range(len(x)))
    duplicates = ~found["is_primary"]
    assert ((found["flags"][duplicates] & Flag.DUPLICATE) > 0).all()
    assert ((found["flags"][~duplicates] & Flag.DUPLICATE) == 0).all()
    assert set(found["name"][duplicates]) <= set(primary)
    if jitter == 0.0:
        assert not duplicates.any()


def two_windows() -> list[Window]:
    """Cores 0..49 and 50..99, seam at x = 49.5."""
    return split((20, 100), 80, 15)


def test_straddling_centres_that_both_claim_leave_a_flagged_duplicate():
    left, right = two_windows()
    found = stitch(
        [(left, columns([49.3], [5.0], [int(Flag.BLENDED)])), (right, columns([49.7], [5.0]))], (20, 100), 2.0
    )

    assert found["x"].tolist() == [49.3, 49.7]
    assert found["is_primary"].tolist() == [True, False]
    assert found["flags"].tolist() == [int(Flag.BLENDED), int(Flag.DUPLICATE)]


def test_straddling_centres_that_neither_claims_are_kept_once():
    left, right = two_windows()
    found = stitch([(left, columns([49.7], [5.0])), (right, columns([49.3], [5.0]))], (20, 100), 2.0)

    assert found["x"].tolist() == [49.7]
    assert found["is_primary"].tolist() == [True]
    assert found["flags"].tolist() == [0]


def test_what_only_the_neighbour_sees_beside_a_seam_is_kept():
    left, right = two_windows()
    found = stitch([(left, columns([50.5], [5.0])), (right, columns([], []))], (20, 100), 2.0)

    assert found["x"].tolist() == [50.5]


def test_what_lies_deep_in_a_margin_is_dropped():
    left, right = two_windows()
    found = stitch([(left, columns([60.0], [5.0])), (right, columns([60.2], [5.0]))], (20, 100), 2.0)

    assert found["x"].tolist() == [60.2]


def test_two_sources_of_one_window_stay_two():
    left, right = two_windows()
    found = stitch(
        [(left, columns([49.0, 49.4], [5, 5])), (right, columns([49.1, 49.5], [5, 5]))], (20, 100), 2.0
    )

    assert found["is_primary"].sum() == 2


def test_where_four_windows_meet_a_source_is_primary_once():
    windows = split((100, 100), 80, 15)
    assert len(windows) == 4
    centres = [(49.4, 49.4), (49.6, 49.4), (49.4, 49.6), (49.6, 49.6)]
    found = stitch(
        [(window, columns([x], [y])) for window, (x, y) in zip(windows, centres, strict=True)],
        (100, 100),
        2.0,
    )

    assert found["is_primary"].tolist() == [True, False, False, False]


def test_windows_without_sources_give_no_sources():
    found = stitch([(window, columns([], [])) for window in two_windows()], (20, 100), 2.0)

    assert len(found["x"]) == 0
    assert found["is_primary"].dtype == np.bool_


@pytest.mark.parametrize("tolerance", [0.5, 2.0])
def test_a_source_at_twice_the_tolerance_is_another_source(tolerance):
    left, right = two_windows()
    found = stitch(
        [(left, columns([49.4 - tolerance], [5.0])), (right, columns([49.6 + tolerance], [5.0]))],
        (20, 100),
        tolerance,
    )

    assert found["is_primary"].all()
    assert len(found["x"]) == 2


@pytest.mark.parametrize("shape", [(300, 1000), (1489, 2048), (700, 701)])
def test_windows_can_begin_at_multiples_of_a_step(shape):
    windows = split(shape, 256, 64, step_px=32)
    covered = np.zeros(shape, dtype=int)
    for window in windows:
        y0, y1, x0, x1 = window.outer
        assert y0 % 32 == 0 and x0 % 32 == 0
        assert y1 - y0 <= 256 and x1 - x0 <= 256
        covered[window.core[0] : window.core[1], window.core[2] : window.core[3]] += 1

    assert (covered == 1).all()
