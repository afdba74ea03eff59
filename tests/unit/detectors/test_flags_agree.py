"""Every detector on one tile on which each flag has its source: all must say the same of it, by the definitions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from skymill.catalog.catalogue import Catalogue
from skymill.catalog.flags import Flag
from skymill.catalog.match import match_positions
from skymill.config.detect import CandidateConfig
from skymill.data.tile import MaskBit, Tile, TileMeta
from skymill.detectors import windowed
from skymill.detectors.build import build_detector
from skymill.detectors.neural import NeuralDetector
from skymill.detectors.source_extractor import find_program

SIZE, FWHM_PX, RMS = 400, 3.5, 0.03
FLUX = 60.0  # 30 times the noise in a pixel at the peak, and more
SEPARATION_PX = 7.0
CUT = Flag.EDGE | Flag.TRUNCATED
SOURCES = {
    "alone": (150.0, 60.0, Flag(0)),
    "stamp_leaves_the_tile": (14.0, 300.0, Flag(0)),
    "left_edge": (0.4, 200.0, CUT),
    "right_edge": (396.0, 140.0, Flag.EDGE),
    "lower_edge": (300.0, 3.0, Flag.EDGE),
    "upper_edge": (200.0, 398.6, CUT),
    "beside_bad_pixels": (60.0, 100.0, Flag.MASKED),
    "beside_no_data": (340.0, 200.0, Flag.MASKED),
    "cut_by_no_data": (339.0, 240.0, Flag.MASKED | Flag.TRUNCATED),
    "saturated": (100.0, 340.0, Flag.SATURATED),
    "pair": (200.0, 250.0, Flag.BLENDED),
    "of_the_pair": (200.0 + SEPARATION_PX, 250.0, Flag.BLENDED),
    "on_a_seam": (170.5, 330.0, Flag(0)),
    "on_a_finders_seam": (255.5, 60.0, Flag(0)),
}
SMALL = {"window_px": 128, "margin_px": 32}
SHIPPED = Path(__file__).resolve().parents[3] / "models" / "sdss_r"


def star(x: float, y: float, fwhm_px: float = FWHM_PX, beta: float = 4.0) -> np.ndarray:
    row, column = np.mgrid[:SIZE, :SIZE]
    scale2 = fwhm_px**2 / (4 * (2 ** (1 / beta) - 1))
    return (beta - 1) / (np.pi * scale2) * (1 + ((column - x) ** 2 + (row - y) ** 2) / scale2) ** -beta


@pytest.fixture(scope="module")
def tile() -> Tile:
    image = sum(FLUX * star(x, y) for x, y, _ in SOURCES.values())
    image += np.random.default_rng(7).normal(0, RMS, image.shape)
    mask = np.zeros(image.shape, dtype=np.uint8)
    mask[92:109, 64:70] = int(MaskBit.BAD)
    image[92:109, 64:70] = 5.0
    mask[150:260, 344:] = int(MaskBit.NO_DATA)
    mask[234:247, 340:] = int(MaskBit.NO_DATA)
    mask[339:342, 99:102] = int(MaskBit.SATURATED)
    image[(mask & int(MaskBit.NO_DATA)) > 0] = 0.0
    meta = TileMeta("t1", "sdss_r", "r", 0.396, 22.5, 150.0, None, FWHM_PX)
    return Tile(image.astype(np.float32), np.full(image.shape, RMS, np.float32), mask, None, meta)


def baseline(**config: object) -> Callable[[], object]:
    return lambda: build_detector({"setting": "plain", **config})


def network(detector: dict) -> Callable[[], object]:
    def load() -> NeuralDetector:
        from skymill.training.card import load_model
        from skymill.training.finder_card import load_finder

        config = CandidateConfig.model_validate({"detector": detector})
        finder = load_finder(SHIPPED / "finder") if detector["kind"] == "network" else None
        return NeuralDetector(config, load_model(SHIPPED / "unet"), "cpu", finder)

    return load


WINDOWED = {
    "sep": baseline(kind="sep", **SMALL),
    "photutils": baseline(kind="photutils", **SMALL),
    "network_of_sep": network({"kind": "sep", "setting": "plain", **SMALL}),
    "network_of_finder": network({"kind": "network", "model": "finder", "window_px": 384, "margin_px": 128}),
}
needs_program = pytest.mark.skipif(find_program() is None, reason="source-extractor is not installed")
ALL = [
    pytest.param("source_extractor", marks=needs_program),
    *WINDOWED,
]
MADE = {"source_extractor": baseline(kind="source_extractor"), **WINDOWED}


@pytest.fixture(scope="module")
def detectors() -> Callable[[str], object]:
    """Give a detector by name; each is loaded once."""
    return cache(lambda name: MADE[name]())


@pytest.fixture(scope="module")
def found(tile: Tile, detectors) -> Callable[[str], Catalogue]:
    """Give the catalogue of a detector by name; each is made once."""
    return cache(lambda name: detectors(name).detect(tile, {}))


def rows_of(catalogue: Catalogue) -> np.ndarray:
    """The row of each source of SOURCES, in its order."""
    x, y = (np.array([values[axis] for values in SOURCES.values()]) for axis in (0, 1))
    primary = np.flatnonzero(catalogue["is_primary"])
    match = match_positions(x, y, catalogue["x"][primary], catalogue["y"][primary], 2.5)
    assert len(match) == len(SOURCES)
    return primary[match.index2[np.argsort(match.index1)]]


@pytest.mark.parametrize("name", ALL)
def test_flags_are_those_of_the_definitions(name, found):
    flags = found(name)["flags"][rows_of(found(name))]
    said = {source: Flag(int(value)) for source, value in zip(SOURCES, flags, strict=True)}

    assert said == {source: expected for source, (*_, expected) in SOURCES.items()}


@pytest.mark.parametrize("name", ALL)
def test_signal_to_noise_is_flux_over_its_error(name, found):
    catalogue = found(name)

    np.testing.assert_allclose(catalogue["snr"], catalogue["flux"] / catalogue["flux_err"], rtol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_widths_are_the_stars_where_they_can_be_measured(name, found):
    widths = dict(zip(SOURCES, found(name)["fwhm"][rows_of(found(name))], strict=True))

    for source in ("alone", "stamp_leaves_the_tile", "on_a_seam", "on_a_finders_seam", "beside_no_data"):
        assert widths[source] == pytest.approx(FWHM_PX, rel=0.1)
    assert np.isnan(widths["saturated"]) and np.isnan(widths["cut_by_no_data"])


def claimed_by_both(stitch: Callable) -> Callable:
    """Let windows measure what lies at their seam a little deeper within their own core."""

    def with_disagreement(parts: Iterable, shape: tuple, tolerance_px: float) -> dict:
        def moved() -> Iterable:
            for window, columns in parts:
                x0, x1 = window.core[2:]
                x, low, high = columns["x"], x0 - 0.2, x1 - 0.8
                near = (np.abs(x - low) < 1.5) & (x0 > 0), (np.abs(x - high) < 1.5) & (x1 < shape[1])
                yield window, {**columns, "x": np.where(near[0], low, np.where(near[1], high, x))}

        return stitch(moved(), shape, tolerance_px)

    return with_disagreement


@pytest.mark.parametrize("name", WINDOWED)
def test_a_second_entry_is_a_duplicate_and_nothing_else_is(name, tile, detectors, monkeypatch):
    monkeypatch.setattr(windowed, "stitch", claimed_by_both(windowed.stitch))
    catalogue = detectors(name).detect(tile, {})
    seam = "on_a_finders_seam" if name == "network_of_finder" else "on_a_seam"
    x, y, _ = SOURCES[seam]
    here = np.hypot(catalogue["x"] - x, catalogue["y"] - y) < 2.5

    assert sorted(catalogue["flags"][here].tolist()) == [0, Flag.DUPLICATE]
    np.testing.assert_array_equal((catalogue["flags"] & Flag.DUPLICATE) > 0, ~catalogue["is_primary"])


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("power", [-9, 7])
def test_another_unit_of_the_image_changes_nothing(name, power, tile, detectors, found):
    """A tile's unit is near its noise and not its survey's: all that is in image units goes with it."""
    factor = 2.0**power
    meta = replace(
        tile.meta,
        zero_point_mag=tile.meta.zero_point_mag + 2.5 * np.log10(factor),
        gain_e_per_unit=tile.meta.gain_e_per_unit / factor,
    )
    scaled = replace(
        tile, science=tile.science * np.float32(factor), rms=tile.rms * np.float32(factor), meta=meta
    )
    other, catalogue = detectors(name).detect(scaled, {}), found(name)

    assert len(other) == len(catalogue)
    for column in catalogue.table.colnames:
        if catalogue[column].dtype.kind == "f":
            np.testing.assert_allclose(other[column], catalogue[column], rtol=2e-5, err_msg=column)
        else:
            np.testing.assert_array_equal(other[column], catalogue[column], err_msg=column)
