"""Positions on the sky through the whole transform of a WCS: distortions included, ICRS, whatever its own system."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from astropy.coordinates import (
    FK4,
    FK5,
    ICRS,
    BarycentricMeanEcliptic,
    FK4NoETerms,
    Galactic,
    SkyCoord,
    Supergalactic,
)
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS

from skymill.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.coordinates import BaseCoordinateFrame
    from numpy.typing import NDArray

TABLE_NAMES = ("D2IMARR", "WCSDVARR")
"""HDUs that hold tables of distortions (FITS WCS Paper IV, in the form of HST's pipelines and astropy)."""
THIRD_AXIS = re.compile(r"(CTYPE|CRVAL|CRPIX|CDELT|CUNIT|CROTA)[3-9]|(CD|PC)(\d_[3-9]|[3-9]_\d)|PV[3-9]_\d+")
EQUINOX_YEARS = (1800.0, 2100.0)
GRID_POINTS = 9
"""Positions along each axis at which the scale is measured; the middle one is the image's centre."""
PIXEL_TOLERANCE = 1e-8


@dataclass(frozen=True)
class PixelScale:
    """Size and form of an image's pixels, measured on the sky at a grid of positions.

    Parameters
    ----------
    arcsec : float
        Median side of a square of a pixel's area.
    lowest, highest : float
        Extremes of that side over the grid, arcsec.
    side_x, side_y : float
        Lengths of the sides of a typical pixel, arcsec.
    corner_deg : float
        Angle between them.
    axis_ratio : float
        How much longer the longest direction of a typical pixel is than the shortest one, at least 1: of unequal sides
        as of sheared pixels.
    """

    arcsec: float
    lowest: float
    highest: float
    side_x: float
    side_y: float
    corner_deg: float
    axis_ratio: float

    @property
    def variation(self) -> float:
        """Largest ``|scale / median - 1|`` over the grid."""
        return max(self.highest / self.arcsec - 1, 1 - self.lowest / self.arcsec)


def read_wcs(header: fits.Header, tables: Iterable[fits.ImageHDU] = ()) -> WCS:
    """Read the WCS of a 2-D image.

    Parameters
    ----------
    header : astropy.io.fits.Header
        The image's.
    tables : iterable of ImageHDU
        The HDUs of its file named :data:`TABLE_NAMES`.

    Returns
    -------
    astropy.wcs.WCS
        Of the first two axes. What astropy raises on faulty cards is passed on.
    """
    is_cube = any(THIRD_AXIS.fullmatch(key) for key in header) or header.get("WCSAXES", 2) > 2
    # Without a list of HDUs some tables that the header names are left out in silence.
    return WCS(header, fits.HDUList([fits.PrimaryHDU(), *tables]), naxis=2 if is_cube else None)


def names_tables(header: fits.Header) -> bool:
    """Return whether a header's WCS needs the HDUs of :data:`TABLE_NAMES`."""
    return any(key.startswith(("CPDIS", "D2IM")) for key in header)


def write_wcs(wcs: WCS) -> tuple[fits.Header, list[fits.ImageHDU]]:
    """Return the header cards and the tables that :func:`read_wcs` reads the same transform from."""
    primary, *tables = wcs.to_fits(relax=True)
    return primary.header.copy(strip=True), tables


def celestial_frame(wcs: WCS, where: str = "WCS") -> BaseCoordinateFrame:
    """Return the reference frame of a celestial WCS.

    CTYPE names the kind of coordinates, RADESYS and EQUINOX (with the defaults of the FITS standard) the system of
    equatorial and ecliptic ones.

    Raises
    ------
    DataError
        If ICRS positions cannot be had from it: Sun, planets, Earth, unknown RADESYS, impossible EQUINOX.
    """
    kinds = tuple(wcs.wcs.ctype[axis][:4].rstrip("-") for axis in (wcs.wcs.lng, wcs.wcs.lat))
    if kinds == ("GLON", "GLAT"):
        return Galactic()
    if kinds == ("SLON", "SLAT"):
        return Supergalactic()
    if kinds == ("RA", "DEC"):
        return _equatorial_frame(wcs, where)
    if kinds == ("ELON", "ELAT"):
        # The mean ecliptic of catalogues and images: without the Earth's aberration.
        return BarycentricMeanEcliptic(equinox=_equinox(wcs, where) or Time("J2000"))
    raise DataError(
        where,
        expected="equatorial (RA/DEC), galactic (GLON), supergalactic (SLON) or ecliptic (ELON) coordinates",
        found=f"{'/'.join(kinds)}, which have no place among the stars",
        remedy="Correct CTYPE, or remove it to go on without sky positions.",
    )


def _equatorial_frame(wcs: WCS, where: str) -> BaseCoordinateFrame:
    system, equinox = wcs.wcs.radesys.strip().upper(), _equinox(wcs, where)
    at = {} if equinox is None else {"equinox": equinox}
    frames = {"FK5": FK5, "FK4": FK4, "FK4-NO-E": FK4NoETerms}
    if system in frames:
        return frames[system](**at)
    if system == "ICRS":
        return ICRS()
    raise DataError(
        where,
        expected="RADESYS ICRS, FK5, FK4 or FK4-NO-E",
        found=f"'{wcs.wcs.radesys}'",
        remedy="Correct the card: coordinates 'of J2000' are ICRS or FK5.",
    )


def _equinox(wcs: WCS, where: str) -> Time | None:
    year = wcs.wcs.equinox
    if np.isnan(year):
        return None
    if not EQUINOX_YEARS[0] <= year <= EQUINOX_YEARS[1]:
        found = f"{year:g}"
        expected = "an EQUINOX between {:.0f} and {:.0f}".format(*EQUINOX_YEARS)
        raise DataError(where, expected=expected, found=found, remedy="Correct EQUINOX (or EPOCH).")
    is_old = wcs.wcs.radesys.strip().upper().startswith("FK4")
    return Time(year, format="byear" if is_old else "jyear")


def sky_positions(wcs: WCS, x: NDArray, y: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return right ascension and declination (ICRS, degrees) of 0-based pixel positions.

    NaN where the projection has no sky, and for NaN.
    """
    world = wcs.all_pix2world(x, y, 0)
    lon, lat, frame = world[wcs.wcs.lng], world[wcs.wcs.lat], celestial_frame(wcs)
    if isinstance(frame, ICRS):
        return lon, lat
    position = SkyCoord(lon, lat, unit="deg", frame=frame).icrs
    return position.ra.deg, position.dec.deg


def pixel_positions(wcs: WCS, ra: NDArray, dec: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return 0-based pixel positions of ICRS positions in degrees; NaN where the projection does not reach."""
    frame = celestial_frame(wcs)
    if not isinstance(frame, ICRS):
        position = SkyCoord(ra, dec, unit="deg", frame="icrs").transform_to(frame).spherical
        ra, dec = position.lon.deg, position.lat.deg
    world = (ra, dec) if wcs.wcs.lng < wcs.wcs.lat else (dec, ra)
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        # A distortion is inverted step by step, which need not converge where the image does not reach.
        warnings.simplefilter("ignore", RuntimeWarning)
        x, y = wcs.all_world2pix(*world, 0, tolerance=PIXEL_TOLERANCE, maxiter=100, quiet=True)
    return x, y


def unit_vectors(lon: NDArray, lat: NDArray) -> NDArray[np.float64]:
    """Return unit vectors (n, 3) of positions in degrees; NaN for NaN."""
    lon, lat = np.radians(lon), np.radians(lat)
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def grid(shape: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return x and y of positions from corner to corner of an image of `shape` (y, x), its centre among them."""
    along_y, along_x = (np.linspace(0, length - 1, GRID_POINTS) for length in shape)
    x, y = np.meshgrid(along_x, along_y)
    return x.ravel(), y.ravel()


def pixel_scale(wcs: WCS, shape: tuple[int, int]) -> PixelScale:
    """Measure the pixels of an image on the sky, by numerical derivatives of the whole transform.

    Parameters
    ----------
    wcs : astropy.wcs.WCS
        Celestial, 2-D.
    shape : tuple of int
        (y, x) size in pixels.

    Returns
    -------
    PixelScale
        All NaN if no position of the grid has a place on the sky or its pixels no area.
    """
    x, y = grid(shape)
    # In the WCS's own system: lengths and angles are the same in all.
    world = wcs.all_pix2world(
        np.concatenate([x + 0.5, x - 0.5, x, x]), np.concatenate([y, y, y + 0.5, y - 0.5]), 0
    )
    right, left, upper, lower = np.split(unit_vectors(world[wcs.wcs.lng], world[wcs.wcs.lat]), 4)
    along_x, along_y = right - left, upper - lower
    products = ((along_x, along_x), (along_y, along_y), (along_x, along_y))
    xx, yy, xy = (np.degrees(np.degrees((one * two).sum(axis=1))) * 3600.0**2 for one, two in products)
    area = _area(xx, yy, xy)
    known = area > 0
    if not known.any():
        return PixelScale(*(np.nan,) * 7)
    sides = np.sqrt(area[known])
    # Where distortions stretch one half of the image along x and the other along y, its pixels are square on the whole.
    xx, yy, xy = (float(np.median(values[known])) for values in (xx, yy, xy))
    mean, half, typical = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy), float(_area(xx, yy, xy))
    return PixelScale(
        arcsec=float(np.median(sides)),
        lowest=float(sides.min()),
        highest=float(sides.max()),
        side_x=xx**0.5,
        side_y=yy**0.5,
        corner_deg=float(np.degrees(np.arctan2(typical, xy))),
        # The eigenvalues of the metric are the squares of the longest and the shortest direction.
        axis_ratio=float((mean + half) / typical) if typical > 0 else np.inf,
    )


def _area(xx: NDArray, yy: NDArray, xy: NDArray) -> NDArray:
    return np.sqrt(np.maximum(xx * yy - xy**2, 0.0))
