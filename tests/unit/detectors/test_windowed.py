from __future__ import annotations

import numpy as np
import pytest

from skymill.catalog.match import match_positions
from skymill.config.detect import PLAIN, PhotutilsConfig, SepConfig
from skymill.detectors.build import build_detector
from skymill.detectors.windowed import over_windows


@pytest.mark.parametrize("kind", ["sep", "photutils"])
def test_windows_give_what_one_piece_gives(kind, field):
    """Galaxies of 3.5 px at margins of 40 px: each window sees all of what it answers for."""
    whole = build_detector({"kind": kind}).extractor.extract(field.tile, PLAIN)
    config = {"kind": kind, "window_px": 128, "margin_px": 40}
    pieces = build_detector(config).extractor.extract(field.tile, PLAIN)
    match = match_positions(whole["x"], whole["y"], pieces["x"], pieces["y"], 1e-3)

    assert pieces["is_primary"].all()
    assert len(match) == len(whole["x"]) == len(pieces["x"])
    for name in ("flux", "flux_err", "a", "b", "kron_radius", "flux_radius"):
        # The filtered image is summed in another order: float32 rounding.
        np.testing.assert_allclose(pieces[name][match.index2], whole[name][match.index1], rtol=1e-3)


def test_each_window_is_read_once_and_no_larger_than_asked(field):
    seen = []

    def extract(tile):
        seen.append(tile.shape)
        return {"x": np.zeros(0), "y": np.zeros(0), "flags": np.zeros(0, dtype=np.int64)}

    over_windows(field.tile, SepConfig(kind="sep", window_px=128, margin_px=20), extract)
    assert len(seen) == 9
    assert max(max(shape) for shape in seen) <= 128


def test_photutils_has_smaller_windows_of_its_own():
    assert PhotutilsConfig(kind="photutils").window_px < SepConfig(kind="sep").window_px
