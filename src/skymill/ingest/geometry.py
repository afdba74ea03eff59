"""Sky coordinates and pixel scale of an image."""

from __future__ import annotations

import logging
import re
import sys
import warnings
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits

from skymill.data.sky import (
    PixelScale,
    celestial_frame,
    grid,
    names_tables,
    pixel_scale,
    read_wcs,
    unit_vectors,
    write_wcs,
)
from skymill.errors import DataError

if TYPE_CHECKING:
    from astropy.wcs import WCS

    from skymill.data.fits_image import FitsImage

log = logging.getLogger(__name__)

NUMBERS = re.compile(
    r"(CRVAL|CRPIX|CDELT|CROTA)[12]|(CD|PC)[12]_[12]|PV[12]_\d+|[AB]P?_(ORDER|\d+_\d+)|EQUINOX|EPOCH|L(ON|AT)POLE|WCSAXES"
)
"""Cards of the celestial WCS that hold numbers."""
LARGEST_LONGITUDE_DEG = 720.0
LARGEST_SIP_ORDER = 9
USUAL_EQUINOXES = (1950.0, 2000.0)
KEPT_WITHIN_ARCSEC = 1e-3

Cards = dict[str, float]


def celestial_wcs(image: FitsImage) -> WCS | None:
    """Read the celestial WCS of an image.

    Parameters
    ----------
    image : FitsImage
        The image with its header and tables of distortions.

    Returns
    -------
    astropy.wcs.WCS or None
        None, with a warning in the log, if the header has no celestial coordinates, or not all of them.

    Raises
    ------
    DataError
        If there is a WCS that cannot be understood, turned to ICRS, or kept in a tile.
    """
    # Old keywords (RADECSYS, equinoxes) and cards of private conventions draw warnings; they are no fault of the WCS.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        wcs = _celestial(image)
    for warning in caught:
        log.info("%s: %s", image.where, str(warning.message).splitlines()[0])
    return wcs


def _celestial(image: FitsImage) -> WCS | None:
    wcs = _read(image)
    if not wcs.has_celestial:
        kinds = ", ".join(repr(image.header[key]) for key in ("CTYPE1", "CTYPE2") if key in image.header)
        return _none(image, f"CTYPE is {kinds}" if kinds else "no CTYPE")
    cards = _numbers(image)
    if missing := _missing(cards):
        return _none(image, f"{missing} not given")
    _check_values(image, cards, wcs)
    frame, equinox = celestial_frame(wcs, image.where), wcs.wcs.equinox
    if hasattr(frame, "equinox") and np.isfinite(equinox) and equinox not in USUAL_EQUINOXES:
        # Some write the date of the exposure there.
        log.warning("%s: positions are turned to ICRS from the unusual equinox %s", image.where, equinox)
    return _kept(image, wcs)


def _none(image: FitsImage, reason: str) -> None:
    log.warning(
        "%s: no celestial WCS (%s): ra and dec will be NaN, the pixel scale cannot be checked",
        image.where,
        reason,
    )


def _read(image: FitsImage) -> WCS:
    try:
        _check_orders(image)
        wcs = read_wcs(_completed(image), image.tables)
        wcs.wcs.set()
    except DataError:
        raise
    except Exception as error:  # wcslib raises many kinds, all of one meaning
        _numbers(image)
        raise _unreadable(image, error) from error
    return wcs


def _check_orders(image: FitsImage) -> None:
    """Refuse SIP polynomials beyond the convention: astropy looks for the square of the order of cards."""
    for key in ("A_ORDER", "B_ORDER", "AP_ORDER", "BP_ORDER"):
        order = image.header.get(key)
        if isinstance(order, (int, float)) and order > LARGEST_SIP_ORDER:
            raise _faulty(image, f"a SIP polynomial up to order {LARGEST_SIP_ORDER} in {key}", f"{order}")


def _unreadable(image: FitsImage, error: Exception) -> DataError:
    if names_tables(image.header) and isinstance(error, (KeyError, IndexError, OSError)):
        return DataError(
            image.where,
            expected="the tables of distortions that the header names (CPDIS, D2IM), as HDUs of the same file",
            found=f"{len(image.tables)} tables, of which it needs others ({_first_line(error)})",
            remedy="Give the whole file, or resample the image to a WCS without tables.",
        )
    return _faulty(image, "a readable WCS", _first_line(error))


def _first_line(error: Exception) -> str:
    """Take what a library says, without wcslib's places in its own code."""
    lines = [line.strip().rstrip(".:") for line in str(error).splitlines()]
    said = [line for line in lines if line and not line.startswith("ERROR ")]
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__


def _completed(image: FitsImage) -> fits.Header:
    """Return the header with what conventions imply and wcslib wants to be told."""
    header = image.header.copy()
    kinds = [str(header.get(key, "")).rstrip() for key in ("CTYPE1", "CTYPE2")]
    if "A_ORDER" in header and all(kind.endswith("-TAN") for kind in kinds):
        # astropy uses the coefficients in any case.
        log.warning("%s: SIP coefficients are used, though CTYPE has no suffix -SIP", image.where)
        header["CTYPE1"], header["CTYPE2"] = (f"{kind}-SIP" for kind in kinds)
    if all(kind.endswith("-TPV") for kind in kinds):
        # Their default is 1; wcslib takes 0, which leaves no image.
        for key in ("PV1_1", "PV2_1"):
            header.setdefault(key, 1.0)
    return header


def _numbers(image: FitsImage) -> Cards:
    """Return the WCS's cards that hold numbers; blank ones are as good as absent.

    Raises
    ------
    DataError
        If one holds something else (which wcslib leaves out), or stands there twice with different values.
    """
    found: Cards = {}
    for card in image.header.cards:
        # EPOCH stands for EQUINOX where that is missing, and for anything where it is not.
        if not NUMBERS.fullmatch(card.keyword) or (card.keyword == "EPOCH" and "EQUINOX" in image.header):
            continue
        value = _value(card)
        if isinstance(value, fits.card.Undefined) or (isinstance(value, str) and not value.strip()):
            continue
        if not _is_number(value):
            raise _faulty(image, f"a number in {card.keyword}", repr(value))
        if found.setdefault(card.keyword, float(value)) != value:
            raise _faulty(image, f"{card.keyword} once", f"{found[card.keyword]!r} and {value!r}")
    return found


def _is_number(value: object) -> bool:
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    )


def _value(card: fits.Card) -> object:
    try:
        return card.value
    except fits.VerifyError:
        return card.image[10:].strip()


def _faulty(image: FitsImage, expected: str, found: str) -> DataError:
    remedy = "Correct the header, or remove CTYPE to go on without sky positions."
    return DataError(image.where, expected=expected, found=found, remedy=remedy)


def _missing(cards: Cards) -> str:
    """Name the cards without which wcslib would take 0, or 1 degree a pixel."""
    missing = [f"{key}{axis}" for key in ("CRVAL", "CRPIX") for axis in (1, 2) if f"{key}{axis}" not in cards]
    has_cd = any(key.startswith("CD") and "_" in key for key in cards)
    for axis in (1, 2):
        row = {f"CD{axis}_1", f"CD{axis}_2"} if has_cd else {f"CDELT{axis}", f"PC{axis}_1", f"PC{axis}_2"}
        if not row & cards.keys():
            missing.append(f"CD{axis}_{axis}" if has_cd else f"CDELT{axis}")
    return ", ".join(missing)


def _check_values(image: FitsImage, cards: Cards, wcs: WCS) -> None:
    """Refuse values that wcslib takes for something else without saying so."""
    # It takes a matrix of zeros for one of ones.
    for axis in (1, 2):
        row = [cards[key] for key in (f"CD{axis}_1", f"CD{axis}_2") if key in cards]
        if row and not any(row):
            raise _faulty(image, f"a pixel scale in CD{axis}_1, CD{axis}_2", "zeros")
    for key in ("RADESYS", "RADECSYS"):
        if not isinstance(image.header.get(key, ""), (str, fits.card.Undefined)):
            raise _faulty(image, f"the name of a system in {key}", f"{image.header[key]!r}")
    longitude = wcs.wcs.crval[wcs.wcs.lng]
    if abs(longitude) > LARGEST_LONGITUDE_DEG:
        limit = f"a longitude within {LARGEST_LONGITUDE_DEG:g} degrees in CRVAL{wcs.wcs.lng + 1}"
        raise _faulty(image, limit, f"{longitude:g}")


def _kept(image: FitsImage, wcs: WCS) -> WCS:
    """Return the WCS as the tile's file will hold it.

    Raises
    ------
    DataError
        If what is written does not give the same positions.
    """
    stored = read_wcs(*write_wcs(wcs))
    positions = grid(image.data.shape)
    before, after = (
        unit_vectors(*(one.all_pix2world(*positions, 0)[axis] for axis in (wcs.wcs.lng, wcs.wcs.lat)))
        for one in (wcs, stored)
    )
    if not np.array_equal(np.isnan(before), np.isnan(after)) or np.isnan(before).all():
        raise _faulty(image, "a place on the sky for the image", "none that a tile can keep")
    offset = float(np.degrees(np.nanmax(np.linalg.norm(before - after, axis=1)))) * 3600
    if offset > KEPT_WITHIN_ARCSEC:
        raise DataError(
            image.where,
            expected="a WCS that FITS cards can hold",
            found=f'positions off by {offset:.3g}" once it is written',
            remedy="Resample the image to a plain projection (TAN, with SIP or TPV if it is distorted).",
        )
    return stored


def measured_scale(wcs: WCS, image: FitsImage, tolerance: float) -> PixelScale:
    """Measure an image's pixels on the sky; see :func:`skymill.data.sky.pixel_scale`.

    Parameters
    ----------
    wcs : astropy.wcs.WCS
        The image's, celestial.
    image : FitsImage
        The image.
    tolerance : float
        Sides of a pixel may differ by that part; a scale that differs from its median by more is a warning in the log.

    Returns
    -------
    PixelScale
        All finite.

    Raises
    ------
    DataError
        If pixels have no area or, on the whole, are not square; turned and mirrored ones are.
    """
    scale = pixel_scale(wcs, image.data.shape)
    if np.isnan(scale.arcsec):
        raise _faulty(image, "pixels with an area on the sky", "none")
    if scale.axis_ratio > 1 + tolerance:
        raise DataError(
            image.where,
            expected=f"square pixels within {tolerance:.1%}",
            found=f'pixels of {scale.side_x:.5g}" by {scale.side_y:.5g}" at {scale.corner_deg:.1f} degrees',
            remedy="Resample the image to square pixels, or raise pixel_scale_tolerance.",
        )
    if scale.variation > tolerance:
        log.warning(
            '%s: the pixel scale varies over the image, from %.5g" to %.5g"; its median, %.5g", stands for all of it',
            image.where,
            scale.lowest,
            scale.highest,
            scale.arcsec,
        )
    return scale
