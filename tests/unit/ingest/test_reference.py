from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from skymill.catalog.catalogue import Catalogue
from skymill.catalog.flags import Flag
from skymill.data.tile import Tile, TileMeta
from skymill.errors import ConfigError, DataError
from skymill.ingest.reference import FORMATS, isolated, read_reference
from skymill.provenance.outside import identity

SIDE = 100
EDGE, CHILD, SATURATED, BRIGHT = 1 << 2, 1 << 4, 1 << 18, 1 << 1


@pytest.fixture
def tile(tmp_path: Path, header) -> Path:
    wcs = WCS(header())
    images = (np.zeros((SIDE, SIDE), "f4"), np.ones((SIDE, SIDE), "f4"), np.zeros((SIDE, SIDE), "u1"))
    path = tmp_path / "tile.fits"
    Tile(*images, wcs, TileMeta("t1", "test_r", "r", 0.4, 22.5, 2.0, None, 3.0)).write(path)
    return path


def recipe(fmt: str, **parents: str) -> dict[str, Any]:
    return {
        "stage": "reference",
        "name": "t1",
        "revision": 1,
        "version": "0123456789",
        "params": {"seed": 1, "format": fmt},
        "parents": parents,
    }


def photo_objects(path: Path, tile: Path, rows: list[dict[str, Any]]) -> Path:
    """Write a photoObj file: only what differs from a lone star of 100 nMgy needs to be said."""
    ids = np.array([row.get("id", number + 1) for number, row in enumerate(rows)], dtype=np.int16)
    x, y = (np.array([row[axis] for row in rows]) for axis in ("x", "y"))
    ra, dec = Tile.read(tile).sky(x, y)

    def column(key: str, default: Any, dtype: str) -> np.ndarray:
        return np.array([row.get(key, default) for row in rows], dtype=dtype)

    def bands(key: str, default: Any, dtype: str = "f4") -> np.ndarray:
        values = np.zeros((len(rows), 5), dtype=dtype)
        values[:, 2] = column(key, default, dtype)
        return values

    arrays = {
        "ID": ids,
        "PARENT": column("parent", -1, "i2"),
        "NCHILD": column("children", 0, "i2"),
        "OBJC_TYPE": column("type", 6, "i4"),
        "OBJC_FLAGS": column("flags", 0, "i4"),
        "COLC": bands("none", 0.0) + 0.0,
        "ROWC": bands("none", 0.0) + 0.0,
        "FLAGS": bands("flags", 0, "i4"),
        "MODELFLUX": bands("flux", 100.0),
        "THETA_DEV": bands("theta_dev", 2.0),
        "THETA_EXP": bands("theta_exp", 1.0),
        "AB_DEV": bands("ab", 0.25),
        "AB_EXP": bands("ab", 0.25),
        "DEV_LNL": bands("dev_lnl", -10.0),
        "EXP_LNL": bands("exp_lnl", -5.0),
        "RA": ra,
        "DEC": dec,
    }
    arrays["COLC"][:, 2], arrays["ROWC"][:, 2] = x + 0.5, y + 0.5
    columns = [
        fits.Column(
            name,
            {1: "", 2: "5"}[values.ndim] + {"i2": "I", "i4": "J", "f4": "E", "f8": "D"}[values.dtype.str[1:]],
            array=values,
        )
        for name, values in arrays.items()
    ]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(path)
    return path


def read(tile: Path, path: Path, fmt: str, **parents: str) -> Catalogue:
    output = tile.parent / "out" / "sources.parquet"
    read_reference(recipe(fmt, **parents), path, tile, output)
    return Catalogue.read(output, "sources")


def test_photo_objects_become_sources(tile, tmp_path):
    source = photo_objects(
        tmp_path / "photoObj.fits",
        tile,
        [
            {"x": 20.0, "y": 30.0},
            {"x": 70.0, "y": 30.0, "type": 3, "flags": CHILD | SATURATED, "flux": 10.0},
            {"x": 70.0, "y": 80.0, "type": 0, "flux": -1.0, "flags": EDGE},
            {"x": 50.0, "y": 50.0, "children": 2},
            {"x": -20.0, "y": 50.0},
        ],
    )
    found = read(tile, source, "sdss_photoobj")

    np.testing.assert_allclose(found["x"], [20, 70, 70], atol=1e-5)
    np.testing.assert_allclose(found["y"], [30, 30, 80], atol=1e-5)
    # 100 nMgy is r = 17.5; 1 nMgy is 3631 nJy.
    np.testing.assert_allclose(found["mag"], [17.5, 20.0, np.nan], atol=1e-3)
    np.testing.assert_allclose(found["flux"], [363_100, 36_310, -3_631], rtol=1e-3)
    assert found["kind"].tolist() == ["star", "galaxy", "unknown"]
    assert found["flags"].tolist() == [0, int(Flag.BLENDED | Flag.SATURATED), int(Flag.EDGE)]
    assert found["is_isolated"].tolist() == [True, False, True]
    # Exponential disc of 1", q = 0.25: 1 x sqrt(0.25) / 0.4 = 1.25 px.
    np.testing.assert_allclose(found["re"], [np.nan, 1.25, np.nan])


def test_second_entries_of_bright_sources_are_left_out(tile, tmp_path):
    """Photo deblends a bright detection (1 -> 2, 3), then detects it again (4) and deblends that (5, 6)."""
    rows = [
        {"id": 1, "x": 50.0, "y": 50.0, "children": 3, "flags": BRIGHT},
        {"id": 2, "x": 50.0, "y": 50.0, "parent": 1},
        {"id": 3, "x": 60.0, "y": 50.0, "parent": 1},
        {"id": 4, "x": 50.0, "y": 50.0, "parent": 1, "children": 2},
        {"id": 5, "x": 50.1, "y": 50.0, "parent": 4},
        {"id": 6, "x": 60.1, "y": 50.0, "parent": 4},
        {"id": 7, "x": 20.0, "y": 20.0, "children": 1, "flags": BRIGHT},
        {"id": 8, "x": 20.0, "y": 20.0, "parent": 7},
    ]
    found = read(tile, photo_objects(tmp_path / "photoObj.fits", tile, rows), "sdss_photoobj")

    np.testing.assert_allclose(found["x"], [50.1, 60.1, 20.0], atol=1e-5)


def test_a_catalogue_of_skymills_own_is_taken_as_it_is(tile, tmp_path):
    ra, dec = Tile.read(tile).sky(np.array([5.0, 200.0]), np.array([6.0, 6.0]))
    truth = Catalogue.from_columns(
        "sources",
        source_id=[3, 4],
        x=[5.0, 200.0],
        y=[6.0, 6.0],
        ra=ra,
        dec=dec,
        mag=[20.0, 21.0],
        flux=[36e3, 14e3],
        re=[2.0, 3.0],
        kind=["galaxy", "star"],
        is_isolated=[True, False],
        flags=[0, 0],
    )
    truth.write(tmp_path / "truth.parquet")
    found = read(tile, tmp_path / "truth.parquet", "skymill")

    assert found["source_id"].tolist() == [3]
    assert found.meta["version"] == "0123456789"


def test_a_reference_of_another_image_is_refused(tile, tmp_path):
    source = photo_objects(tmp_path / "photoObj.fits", tile, [{"x": 20.0, "y": 30.0}, {"x": 40.0, "y": 30.0}])
    with fits.open(source, mode="update") as hdus:
        hdus[1].data["RA"] += 0.01

    with pytest.raises(
        DataError, match=r"photoObj\.fits: expected sky positions within 2\.0 px .* found a median"
    ):
        read(tile, source, "sdss_photoobj")


def test_a_reference_without_a_source_on_the_tile_is_refused(tile, tmp_path):
    source = photo_objects(tmp_path / "photoObj.fits", tile, [{"x": 500.0, "y": 30.0}])

    with pytest.raises(DataError, match="expected sources on tile t1, found none"):
        read(tile, source, "sdss_photoobj")


@pytest.mark.parametrize("content", [b"", b"nonsense" * 1000])
@pytest.mark.parametrize("fmt", FORMATS.names())
def test_a_broken_reference_is_one_error(tile, tmp_path, content, fmt):
    source = tmp_path / "reference"
    source.write_bytes(content)

    with pytest.raises(DataError, match="reference"):
        read(tile, source, fmt)


def test_a_table_without_the_columns_is_one_error(tile, tmp_path):
    source = tmp_path / "table.fits"
    fits.BinTableHDU.from_columns([fits.Column("NCHILD", "J", array=[0])]).writeto(source)

    with pytest.raises(DataError, match=r"table\.fits"):
        read(tile, source, "sdss_photoobj")


def test_unknown_formats_and_wrong_checksums_are_refused(tile, tmp_path):
    source = photo_objects(tmp_path / "photoObj.fits", tile, [{"x": 20.0, "y": 30.0}])
    right = hashlib.sha256(source.read_bytes()).hexdigest()

    assert len(read(tile, source, "sdss_photoobj", source=right)) == 1
    assert len(read(tile, source, "sdss_photoobj", source=identity(source))) == 1
    with pytest.raises(DataError, match="expected sha256"):
        read(tile, source, "sdss_photoobj", source="0" * 64)
    with pytest.raises(ConfigError, match="sdss_photoobj, skymill"):
        read(tile, source, "gaia")


def test_neighbours_that_matter_end_isolation():
    x, y = np.array([0.0, 5.0, 50.0, 55.0, 90.0]), np.zeros(5)
    flux = np.array([100.0, 50.0, 100.0, 1.0, np.nan])

    # The third has a neighbour of 1 %, which does not matter to it; the neighbour itself is not isolated.
    assert isolated(x, y, flux, 10.0).tolist() == [False, False, True, False, True]
    assert isolated(x[:1], y[:1], flux[:1], 10.0).tolist() == [True]
    assert isolated(x[:0], y[:0], flux[:0], 10.0).tolist() == []
