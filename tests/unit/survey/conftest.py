"""Toy tiles anywhere on the sky, and catalogues of the same sources on each of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

from skymill.catalog.catalogue import Catalogue
from skymill.data.tile import Tile, TileMeta

SCALE_ARCSEC = 0.4


def make_tile(tile_id, ra, dec, shape=(100, 120), turn=0.0, scale=SCALE_ARCSEC, system="ICRS"):
    """An empty tile with its centre at `ra`, `dec` (degrees in `system`), turned by `turn` degrees."""
    wcs = WCS(naxis=2)
    axes = ("GLON", "GLAT") if system == "GALACTIC" else ("RA--", "DEC-")
    wcs.wcs.ctype = [f"{axis}-TAN" for axis in axes]
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = [(shape[1] + 1) / 2, (shape[0] + 1) / 2]
    angle = np.radians(turn)
    rotation = np.array([[-np.cos(angle), np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    wcs.wcs.cd = scale / 3600 * rotation
    wcs.wcs.set()
    meta = TileMeta(tile_id, "sdss_r", "r", scale, 22.5, 1.0, None, 3.0)
    empty = np.zeros(shape, dtype=np.float32)
    return Tile(empty, empty + 1, empty.astype(np.uint8), wcs, meta)


def on_tile(tile, ra, dec):
    """Pixel positions of sources, and which of them lie on the tile."""
    x, y = tile.wcs.world_to_pixel(SkyCoord(ra, dec, unit="deg"))
    height, width = tile.shape
    return x, y, (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)


def measure(tile, ra, dec, **columns):
    """What a perfect detector finds: sky positions go through the tile's pixels and back, `flux` says who it is."""
    x, y, is_on = on_tile(tile, ra, dec)
    rows = np.flatnonzero(is_on)
    sky = tile.sky(x[rows], y[rows])
    known = {
        "object_id": np.arange(len(rows)),
        "stamp_id": np.full(len(rows), -1),
        "x": x[rows],
        "y": y[rows],
    }
    known |= {"galaxy_id": np.full(len(rows), -1), "ra": sky[0], "dec": sky[1]}
    known |= {"flux": rows.astype(float), "flux_err": np.ones(len(rows)), "mag": np.zeros(len(rows))}
    known |= {"mag_err": np.zeros(len(rows)), "snr": np.ones(len(rows))}
    known |= {"flags": np.zeros(len(rows)), "is_primary": np.ones(len(rows), dtype=bool)}
    return Catalogue.from_columns("measurement", {}, **known, **columns)


@dataclass
class Toys:
    """A folder with tiles and their catalogues."""

    folder: Path

    def write(self, tile, catalogue):
        """Write both, and describe them as the stage wants it."""
        name = tile.meta.tile_id
        entry = {"tile_id": name, "tile": str(self.folder / f"{name}.fits")}
        entry["catalogue"] = str(self.folder / f"{name}.parquet")
        tile.write(entry["tile"])
        catalogue.write(entry["catalogue"])
        return entry

    def survey(self, tiles, ra, dec):
        """Write tiles with all sources that lie on them."""
        return [self.write(tile, measure(tile, ra, dec)) for tile in tiles]


@pytest.fixture
def toys(tmp_path):
    """A folder to write toy tiles to."""
    return Toys(tmp_path)
