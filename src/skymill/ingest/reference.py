"""Stage reference: an outside catalogue of a tile's sources becomes one of skymill's.

A new format is one function with the decorator ``@FORMATS.register("name")``: file and tile in, columns of the schema
``sources`` out.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.io import fits

from skymill.catalog.catalogue import Catalogue, essentials
from skymill.catalog.flags import Flag
from skymill.config.ingest import SHA256_PATTERN
from skymill.data.fits_image import fits_errors, verify_sha256
from skymill.data.survey import image_flux_to_njy, njy_to_mag
from skymill.data.tile import Tile
from skymill.errors import DataError
from skymill.provenance.record import recording
from skymill.registry import Registry

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

FORMATS: Registry[Callable[[Path, Tile], dict[str, Any]]] = Registry("reference_format")

ISOLATION_FWHM = 5.0
"""A source of an outside catalogue is isolated if no neighbour that matters is within this many FWHM of the PSF."""
ISOLATION_FLUX_RATIO = 0.05
"""Neighbours with less than this part of a source's flux do not matter: 0.05 mag if all of it is counted in."""
MAX_OFFSET_PX = 2.0
"""Pixel positions and sky positions of a reference that differ by more (median) belong to another image."""

SDSS_ZERO_POINT_MAG = 22.5
SDSS_BANDS = "ugriz"
SDSS_KINDS = {3: "galaxy", 6: "star"}
SDSS_BRIGHT = 1
SDSS_FLAGS = {Flag.EDGE: 2, Flag.SATURATED: 18, Flag.BLENDED: 4}
"""Bits OBJECT1_EDGE, OBJECT1_SATUR and OBJECT1_CHILD of photo's first flag word (sdss.org, bitmask OBJECT1)."""


def read_reference(
    recipe: Mapping[str, Any], source: str | Path, tile: str | Path, output: str | Path
) -> None:
    """Turn an outside catalogue of the sources on a tile into a catalogue of the schema ``sources``.

    Sources whose centre is not on the tile are left out.

    Parameters
    ----------
    recipe : mapping
        Recipe of the artifact; ``params`` holds ``format``, a name in :data:`FORMATS`. Where ``parents`` holds a
        SHA-256 as ``source``, the file is checked against it.
    source : str or Path
        The outside catalogue.
    tile : str or Path
        The ingested tile.
    output : str or Path
        The catalogue, Parquet.

    Raises
    ------
    DataError
        If the file cannot be read, has another checksum, or belongs to another image.
    """
    read_format = FORMATS[recipe["params"]["format"]]
    known = str(recipe["parents"].get("source", ""))
    verify_sha256(source, known if re.fullmatch(SHA256_PATTERN, known) else None)
    with recording(recipe, Path(output).parent, parents={"source": source, "tile": tile}) as record:
        image = Tile.read(tile)
        columns = read_format(Path(source), image)
        height, width = image.shape
        inside = (columns["x"] > -0.5) & (columns["x"] < width - 0.5)
        inside &= (columns["y"] > -0.5) & (columns["y"] < height - 0.5)
        _check_positions(source, image, {name: columns[name][inside] for name in ("x", "y", "ra", "dec")})
        catalogue = Catalogue.from_columns("sources", essentials(recipe), **columns).select(inside)
        catalogue.write(output)
        record.rows = len(catalogue)
        record.extra["outside_the_tile"] = int(np.count_nonzero(~inside))


def _check_positions(source: str | Path, tile: Tile, columns: Mapping[str, NDArray]) -> None:
    """Compare the sky positions of a reference with those that the tile's WCS gives for its pixel positions."""
    if not len(columns["x"]):
        raise DataError(source, expected=f"sources on tile {tile.meta.tile_id}", found="none")
    ra, dec = tile.sky(columns["x"], columns["y"])
    offset_ra = (ra - columns["ra"] + 180) % 360 - 180
    offset = np.hypot(offset_ra * np.cos(np.deg2rad(dec)), dec - columns["dec"])
    known = np.isfinite(offset)
    if not known.any():
        return
    found = float(np.median(offset[known])) * 3600 / tile.meta.pixel_scale_arcsec
    log.info("%s: positions agree with the tile's WCS within %.3f px (median)", source, found)
    if found > MAX_OFFSET_PX:
        raise DataError(
            source,
            expected=f"sky positions within {MAX_OFFSET_PX} px of those of tile {tile.meta.tile_id}",
            found=f"a median difference of {found:.1f} px",
            remedy="Name the reference that belongs to this image.",
        )


def isolated(x: NDArray, y: NDArray, flux: NDArray, radius: float) -> NDArray[np.bool_]:
    """Return which sources have no neighbour that matters for their photometry.

    Parameters
    ----------
    x, y, flux : ndarray (n,)
        Positions (px) and fluxes in any unit.
    radius : float
        Neighbours farther than this (px) do not matter, nor do those below :data:`ISOLATION_FLUX_RATIO`.

    Returns
    -------
    ndarray (n,), bool
        True for isolated sources.
    """
    from scipy.spatial import cKDTree

    alone = np.ones(len(x), dtype=bool)
    first, second = cKDTree(np.column_stack([x, y])).query_pairs(radius, output_type="ndarray").T
    for one, other in ((first, second), (second, first)):
        # Written so that neighbours of unknown (NaN) flux matter.
        alone[one[~(flux[other] < ISOLATION_FLUX_RATIO * flux[one])]] = False
    return alone


@FORMATS.register("skymill")
def _skymill(path: Path, tile: Tile) -> dict[str, Any]:
    """Read a catalogue of the schema ``sources``, such as the truth of a simulated field."""
    catalogue = Catalogue.read(path, "sources")
    return {name: catalogue[name] for name in catalogue.schema.columns}


@FORMATS.register("sdss_photoobj")
def _sdss_photoobj(path: Path, tile: Tile) -> dict[str, Any]:
    """Read the objects of an SDSS frame (photoObj, DR8 and later) in the band of the tile.

    Leaves of the deblending trees (``NCHILD == 0``) are kept, second entries of the same source left out (see
    :func:`_second_entries`). ``COLC`` and ``ROWC`` count from the lower left corner of the first pixel, so that
    x = COLC - 0.5. Fluxes are MODELFLUX. A source is isolated
    if photo did not deblend it from a parent and :func:`isolated` says so.
    """
    band = _sdss_band(tile)
    with fits_errors(path), fits.open(path) as hdus:
        table = hdus[1].data
        table = table[(table["NCHILD"] == 0) & ~_second_entries(table)]
        flux = table["MODELFLUX"][:, band].astype(np.float64)
        x = table["COLC"][:, band].astype(np.float64) - 0.5
        y = table["ROWC"][:, band].astype(np.float64) - 0.5
        flags = sum(int(flag) * ((table["FLAGS"][:, band] >> bit) & 1) for flag, bit in SDSS_FLAGS.items())
        blended = (flags & Flag.BLENDED) > 0
        flux_njy = image_flux_to_njy(flux, SDSS_ZERO_POINT_MAG)
        return {
            "source_id": np.arange(len(table)),
            "x": x,
            "y": y,
            "ra": table["RA"].astype(np.float64),
            "dec": table["DEC"].astype(np.float64),
            "mag": njy_to_mag(flux_njy),
            "flux": flux_njy,
            "re": _sdss_half_light_px(table, band, tile),
            "kind": np.array(
                [SDSS_KINDS.get(int(kind), "unknown") for kind in table["OBJC_TYPE"]], dtype=str
            ),
            "is_isolated": isolated(x, y, flux, ISOLATION_FWHM * tile.meta.psf_fwhm_px) & ~blended,
            "flags": flags,
        }


def _second_entries(table: fits.FITS_rec) -> NDArray[np.bool_]:
    """Return the rows that repeat a source.

    Photo first detects the brightest sources, flags them BRIGHT and deblends them, then detects and deblends everything
    again. The second detection is the last child of the BRIGHT one; children before it are the first deblending, whose
    sources the second one has, too.
    """
    _, family = np.unique(table["PARENT"], return_inverse=True)
    last = np.zeros(len(table), dtype=np.int64)
    np.maximum.at(last, family, table["ID"].astype(np.int64))
    bright = table["ID"][((table["OBJC_FLAGS"] >> SDSS_BRIGHT) & 1) > 0]
    return np.isin(table["PARENT"], bright) & (table["ID"] != last[family])


def _sdss_band(tile: Tile) -> int:
    if tile.meta.band not in SDSS_BANDS or len(tile.meta.band) != 1:
        raise DataError(
            f"tile {tile.meta.tile_id}",
            expected=f"a band among {', '.join(SDSS_BANDS)}",
            found=tile.meta.band,
        )
    return SDSS_BANDS.index(tile.meta.band)


def _sdss_half_light_px(table: fits.FITS_rec, band: int, tile: Tile) -> NDArray[np.float32]:
    """Circularised half-light radius of the likelier of photo's two galaxy models; NaN for stars."""
    is_dev = table["DEV_LNL"][:, band] > table["EXP_LNL"][:, band]
    radius = np.where(is_dev, table["THETA_DEV"][:, band], table["THETA_EXP"][:, band])
    ratio = np.where(is_dev, table["AB_DEV"][:, band], table["AB_EXP"][:, band])
    usable = (table["OBJC_TYPE"] == 3) & (radius > 0) & (ratio > 0)
    circular = np.where(usable, radius, np.nan) * np.sqrt(np.where(usable, ratio, np.nan))
    return (circular / tile.meta.pixel_scale_arcsec).astype(np.float32)
