"""What every extractor must do, whoever it is."""

from __future__ import annotations

import numpy as np
import pytest

from skymill.catalog.match import match_positions
from skymill.config.detect import HOT, PLAIN, Pass
from skymill.data.tile import MaskBit
from skymill.detectors.build import build_detector
from skymill.detectors.detector import EXTRACTORS, SOURCE_COLUMNS, Extractor
from skymill.detectors.flags import TOOL_FLAGS
from skymill.detectors.source_extractor import find_program

KINDS = [
    pytest.param(
        kind,
        marks=pytest.mark.skipif(
            kind == "source_extractor" and find_program() is None, reason="source-extractor is not installed"
        ),
    )
    for kind in EXTRACTORS.names()
]


@pytest.fixture(params=KINDS)
def extractor(request) -> Extractor:
    return build_detector({"kind": request.param}).extractor


def test_galaxies_are_found_where_they_are_with_their_light(extractor, field):
    found = extractor.extract(field.tile, PLAIN)
    match = match_positions(field.x, field.y, found["x"], found["y"], 1.0)

    assert set(found) == set(SOURCE_COLUMNS)
    assert {name: values.dtype for name, values in found.items()} == {
        name: np.dtype(dtype) for name, dtype in SOURCE_COLUMNS.items()
    }
    assert len(match) == 25
    # S/N of 100 gives positions of 2.5 px / 100; the median of 25 to a fifth of that.
    assert abs(np.median(found["x"][match.index2] - field.x)) < 0.03
    assert abs(np.median(found["y"][match.index2] - field.y)) < 0.03
    # Of a Gaussian's light a Kron ellipse holds 97-99 % (Kron radius 2.5 x 1.25 a = 3.1 a).
    ratio = found["flux"][match.index2] / field.flux
    assert 0.95 < np.median(ratio) < 1.01
    assert np.all(np.abs(ratio - 0.98) < 0.06)


def test_shapes_follow_the_conventions(extractor, field):
    found = extractor.extract(field.tile, PLAIN)
    match = match_positions(field.x, field.y, found["x"], found["y"], 1.0)
    a, b, theta = (found[name][match.index2] for name in ("a", "b", "theta"))

    # a, b are second moments above the threshold (and of the filtered image): a little off the Gaussian's.
    assert np.median(a / field.a) == pytest.approx(1.0, abs=0.1)
    assert np.median(b / field.b) == pytest.approx(1.0, abs=0.12)
    turned = (theta - field.theta + 90) % 180 - 90
    assert np.median(np.abs(turned)) < 2.0
    assert (np.abs(theta) <= 90).all()
    # A round Gaussian's half-light radius is 1.18 sigma.
    size = np.sqrt((field.a**2 + field.b**2) / 2)
    assert np.median(found["flux_radius"][match.index2] / size) == pytest.approx(1.12, abs=0.1)
    # The ellipse is 2.5 Kron radii, and never less than 3.5 a.
    assert np.all(found["kron_radius"] >= 3.5 - 1e-6)
    assert np.median(found["kron_radius"]) < 4.5


def test_errors_are_those_of_sky_and_photons(extractor, field):
    found = extractor.extract(field.tile, PLAIN)
    bright = found["flux"] > 1000
    area = np.pi * found["a"] * found["b"] * found["kron_radius"] ** 2
    expected = np.sqrt(area * 1.0**2 + found["flux"] / 100.0)

    np.testing.assert_allclose(found["flux_err"][bright], expected[bright], rtol=0.05)


def test_nothing_found_gives_no_rows(extractor, empty_tile):
    found = extractor.extract(empty_tile, PLAIN)

    assert {name: values.shape for name, values in found.items()} == dict.fromkeys(SOURCE_COLUMNS, (0,))


def test_one_source_is_one_row(extractor, make_tile, draw):
    found = extractor.extract(
        make_tile(draw((80, 90), [40.0], [30.0], [1e4], [2.5], [2.0], [30.0]), seed=None), HOT
    )

    assert [values.shape for values in found.values()] == [(1,)] * len(SOURCE_COLUMNS)
    assert (found["x"][0], found["y"][0]) == (pytest.approx(40, abs=0.01), pytest.approx(30, abs=0.01))


def test_blends_are_split(extractor, make_tile, draw):
    image = draw((80, 80), [35.0, 45.0], [40.0, 40.0], [2e4, 1e4], [2.5, 2.5], [2.0, 2.0], [0.0, 0.0])
    found = extractor.extract(make_tile(image), HOT)

    assert len(found["x"]) == 2
    # Neighbours' pixels are replaced by their mirror images: each keeps its own light to 10 %.
    order = np.argsort(found["x"])
    np.testing.assert_allclose(found["flux"][order], [2e4, 1e4], rtol=0.1)


def test_masked_pixels_are_no_sources_and_saturated_ones_are(extractor, make_tile, draw):
    image = draw((120, 120), [30.0, 90.0], [30.0, 90.0], [2e4, 2e4], [2.5, 2.5], [2.0, 2.0], [0.0, 0.0])
    image[60:64, 60:64] = 500.0  # a cosmic ray
    mask = np.zeros(image.shape, dtype=np.uint8)
    mask[59:65, 59:65] = int(MaskBit.BAD)
    mask[29:32, 29:32] = int(MaskBit.SATURATED)
    found = extractor.extract(make_tile(image, mask=mask), HOT)

    assert len(match_positions(found["x"], found["y"], np.array([62.0]), np.array([62.0]), 5.0)) == 0
    assert (
        len(match_positions(found["x"], found["y"], np.array([30.0, 90.0]), np.array([30.0, 90.0]), 0.5)) == 2
    )


def test_a_tool_flags_only_what_it_alone_knows(extractor, make_tile, draw):
    """Edges, neighbours and masks are nothing that a tool says for itself."""
    x, y = [0.5, 98.0, 50.0, 58.0], [50.0, 98.0, 50.0, 50.0]
    image = draw((100, 100), x, y, [2e4] * 4, [2.5] * 4, [2.0] * 4, [0.0] * 4)
    mask = np.zeros(image.shape, dtype=np.uint8)
    mask[45:55, 44:46], mask[49:51, 58] = int(MaskBit.BAD), int(MaskBit.SATURATED)
    found = extractor.extract(make_tile(image, mask=mask), HOT)

    assert len(found["x"]) >= 4
    assert (found["flags"] & ~int(TOOL_FLAGS)).tolist() == [0] * len(found["x"])


@pytest.mark.parametrize("kernel", ["pyramid", "none"])
def test_the_threshold_counts_in_rms_of_each_pixel(kernel, field):
    """Ten times the noise given for one half of the tile: its faint galaxies go, those of the other half stay."""
    for kind in ("source_extractor", "sep", "photutils"):
        if kind == "source_extractor" and find_program() is None:
            continue
        rms = field.tile.rms.copy()
        rms[:, 105:] = 1e4
        tile = type(field.tile)(field.tile.science, rms, field.tile.mask, None, field.tile.meta)
        extractor = build_detector({"kind": kind, "kernel": kernel}).extractor
        settings = Pass(threshold_rms=3.0, min_area_px=5, deblend_levels=32, deblend_contrast=0.005)
        found = extractor.extract(tile, settings)
        assert len(match_positions(field.x, field.y, found["x"], found["y"], 1.0)) == (field.x < 104).sum()


def test_the_tools_are_named_with_their_version(extractor):
    ((name, version),) = extractor.tools().items()

    assert name in {"source-extractor", "sep", "photutils"}
    assert version[0].isdigit()


def test_a_second_run_gives_the_same_bits(extractor, field):
    first, second = (extractor.extract(field.tile, HOT) for _ in range(2))

    for name in SOURCE_COLUMNS:
        np.testing.assert_array_equal(first[name], second[name])


def test_big_endian_images_from_a_file_are_measured_alike(extractor, field, tmp_path):
    field.tile.write(tmp_path / "tile.fits")
    stored = type(field.tile).read(tmp_path / "tile.fits")
    assert not stored.science.dtype.isnative
    first, second = (extractor.extract(tile, HOT) for tile in (field.tile, stored))

    for name in SOURCE_COLUMNS:
        np.testing.assert_array_equal(first[name], second[name])
