from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skymill.catalog.flags import Flag
from skymill.detectors.detector import as_columns, no_sources
from skymill.detectors.measurement import QUANTILES, catalogue, photometry


def sources(x, y, flux=1000.0, flags=0, **more):
    n = len(x)
    values = {
        "x": x,
        "y": y,
        "flux": np.broadcast_to(flux, n),
        "flux_err": np.full(n, 10.0),
        "a": np.full(n, 2.0),
        "b": np.full(n, 1.0),
        "theta": np.full(n, 100.0),
        "flux_radius": np.full(n, 2.0),
        "kron_radius": np.full(n, 3.5),
        "flags": np.broadcast_to(flags, n),
    }
    return as_columns(**values) | more


@pytest.fixture
def tile(make_tile):
    return make_tile(np.zeros((100, 100)), seed=None)


def test_fluxes_become_nanojanskys_and_magnitudes():
    found = photometry(np.array([1.0, 100.0, -1.0, np.nan]), np.array([0.1, 1.0, 1.0, 0.0]), 25.0)

    # Zero-point 25: one unit is 10^(0.4 x 6.4) = 363.1 nJy.
    np.testing.assert_allclose(found["flux"][:3], [363.078, 36307.8, -363.078], rtol=1e-5)
    np.testing.assert_allclose(found["mag"], [25.0, 20.0, np.nan, np.nan], rtol=1e-9)
    np.testing.assert_allclose(found["mag_err"][:2], [1.0857 * 0.1, 1.0857 * 0.01], rtol=1e-4)
    np.testing.assert_allclose(found["snr"], [10.0, 100.0, -1.0, np.nan])
    assert np.isnan(found["mag_err"][2])


def test_quantiles_are_converted_like_the_flux_and_absent_where_none_are_given(tile):
    x, y = np.array([50.0, 20.0]), np.array([50.0, 20.0])
    quantiles = {
        name: np.array([1.0, 2.0]) + shift for name, shift in zip(QUANTILES, (-2, -1, 1, 2), strict=True)
    }
    found = catalogue({**sources(x, y, flux=np.array([1.0, 2.0])), **quantiles}, tile, {})

    # Rows are sorted by y.
    np.testing.assert_allclose(found["flux_q84"], 363.078 * np.array([3.0, 2.0]), rtol=1e-5)
    np.testing.assert_allclose(found["flux_q025"], 363.078 * np.array([0.0, -1.0]), rtol=1e-5)
    without = catalogue(sources(x, y), tile, {})
    assert all(np.isnan(without[name]).all() for name in QUANTILES)


def test_rows_are_sorted_numbered_and_keep_the_conventions(tile):
    found = catalogue(
        sources(np.array([50.0, 20.0, 30.0]), np.array([50.0, 60.0, 50.0])), tile, {"name": "n"}
    )

    assert found["y"].tolist() == [50, 50, 60]
    assert found["x"].tolist() == [30, 50, 20]
    assert found["object_id"].tolist() == [0, 1, 2]
    assert found["stamp_id"].tolist() == found["galaxy_id"].tolist() == [-1] * 3
    np.testing.assert_allclose(found["theta"], -80.0)
    assert np.isnan(found["ra"]).all()
    assert found["is_primary"].all()
    assert found.meta == {"name": "n"}


def test_the_header_says_what_of_the_tile_was_assumed(tile):
    assumed = replace(tile, meta=replace(tile.meta, assumed="pixel_scale psf_fwhm"))
    found = catalogue(sources(np.array([50.0]), np.array([50.0])), assumed, {"name": "n"})

    assert found.meta == {"name": "n", "assumed": "pixel_scale psf_fwhm"}


def test_sky_positions_come_from_the_tile(field):
    found = catalogue(sources(np.array([99.0]), np.array([99.0])), field.tile, {})

    assert (found["ra"][0], found["dec"][0]) == (pytest.approx(150.0), pytest.approx(2.0))


def test_no_sources_are_a_valid_catalogue(tile):
    assert len(catalogue(no_sources(), tile, {})) == 0


def test_flags_are_those_of_the_tile_and_the_tools_limits(tile):
    tile.mask[50, 52] = 1
    x, y = np.array([3.0, 50.0, 80.0, 80.0]), np.array([20.0, 50.0, 60.0, 90.0])
    own = np.array([0, Flag.EDGE | Flag.BLENDED | Flag.SATURATED, Flag.TRUNCATED, 0])
    found = catalogue(sources(x, y, flux=np.array([1.0, 1.0, 1.0, np.nan]), flags=own), tile, {})

    # What a tool says of edges, neighbours and saturation by rules of its own does not count.
    expected = [Flag.EDGE, Flag.MASKED | Flag.TRUNCATED, Flag.TRUNCATED, Flag.FAILED]
    assert found["flags"].tolist() == expected


def test_blends_have_their_own_edges_and_neighbours(tile):
    # Same canvas positions on two stamps are no neighbours; the canvas ends at 64, and has no mask.
    tile.mask[:] = 1
    columns = sources(np.array([30.0, 31.0, 60.0]), np.array([30.0] * 3), stamp_id=np.array([2, 1, 1]))
    found = catalogue(columns, tile, {}, canvas_px=64)

    assert found["stamp_id"].tolist() == [1, 1, 2]
    assert found["flags"].tolist() == [0, Flag.EDGE, 0]
