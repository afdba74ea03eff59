"""What an image's header says of filter, unit, zero-point, gain and saturation.

Keywords differ from survey to survey; those read here are the FITS standard's (BUNIT) and the common ones of SDSS,
CFHT/Terapix, ESO, DECam, HST, Subaru, Pan-STARRS and the LSST pipelines.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skymill.data.survey import AB_NJY_ZERO_POINT_MAG

if TYPE_CHECKING:
    from astropy.io import fits

FILTER_KEYS = (
    "FILTER",
    "FILTER1",
    "FILTER2",
    "FILTNAM",
    "FILTNAM1",
    "FILTNAM2",
    "FILTERS",
    "BAND",
    "HIERARCH FPA.FILTER",
)
ZERO_POINT_KEYS = (
    "MAGZERO",
    "MAGZPT",
    "MAGZP",
    "ZEROPNT",
    "ZPAB",
    "ABZPT",
    "MZP_AB",
    "PHOTZPAB",
    "MAGZEROP",
    "ZP_AB",
)
GAIN_KEYS = ("GAIN", "EGAIN", "EFFGAIN", "GAINEFF", "CCDGAIN")
SATURATION_KEYS = ("SATURATE", "SATURAT", "SATLEVEL", "SATUR_LV")

BROAD_BANDS = frozenset(("u", "b", "v", "g", "r", "i", "z", "y", "j", "h", "k", "ks", "nuv", "fuv", "vis"))
HST_FILTER = re.compile(r"f\d{3,4}(w|lp|m|n|x)")

AB_UNITS = {
    "maggy": 0.0,
    "maggie": 0.0,
    "nanomaggy": 22.5,
    "nanomaggie": 22.5,
    "nmgy": 22.5,
    "jy": AB_NJY_ZERO_POINT_MAG - 22.5,
    "mjy": AB_NJY_ZERO_POINT_MAG - 15.0,
    "ujy": AB_NJY_ZERO_POINT_MAG - 7.5,
    "microjy": AB_NJY_ZERO_POINT_MAG - 7.5,
    "njy": AB_NJY_ZERO_POINT_MAG,
}
"""AB magnitude of one unit a pixel (Oke & Gunn 1983, ApJ 266, 713), by BUNIT in lower case; not MJy."""


@dataclass(frozen=True)
class HeaderFacts:
    """What a header says; None where it says nothing that is understood.

    Parameters
    ----------
    filters : tuple of str
        The values of the filter keywords as they stand there.
    bands : frozenset of str
        Bands that are recognised in them, lower case.
    unit : str or None
        BUNIT as it stands there.
    unit_zero_point_mag : float or None
        AB magnitude of one image unit, where the unit is one of flux density.
    zero_points : dict of str to float
        Zero-points by keyword; magnitude system and aperture are not known.
    gain, saturation : (str, float) or None
        Keyword and value.
    """

    filters: tuple[str, ...]
    bands: frozenset[str]
    unit: str | None
    unit_zero_point_mag: float | None
    zero_points: dict[str, float]
    gain: tuple[str, float] | None
    saturation: tuple[str, float] | None


def read_header(header: fits.Header, primary: fits.Header, pixel_arcsec2: float | None) -> HeaderFacts:
    """Read what an image's header says of it, and the file's primary header where that is silent.

    Parameters
    ----------
    header, primary : astropy.io.fits.Header
        Header of the image, and of the file's primary HDU: many archives name filter and gain there alone.
    pixel_arcsec2 : float or None
        Area of a pixel, for units of surface brightness; None where it is not known.
    """
    own = tuple(value for key in FILTER_KEYS if (value := _text(header, key)))
    filters = own or tuple(value for key in FILTER_KEYS if (value := _text(primary, key)))
    # A unit and a zero-point are of one image; those of the primary HDU are of another.
    unit = _text(header, "BUNIT") or None
    return HeaderFacts(
        filters=filters,
        bands=bands_of(filters),
        unit=unit,
        unit_zero_point_mag=unit_zero_point(unit, pixel_arcsec2) if unit else None,
        zero_points={key: value for key in ZERO_POINT_KEYS if (value := _number(header, key)) is not None},
        gain=_first_positive(header, GAIN_KEYS) or _first_positive(primary, GAIN_KEYS),
        saturation=_first_positive(header, SATURATION_KEYS) or _first_positive(primary, SATURATION_KEYS),
    )


def bands_of(filters: Iterable[str]) -> frozenset[str]:
    """Return the bands that filters' names tell: ``'r.MP9601'`` → r, ``'HSC-I2'`` → i, ``'F160W'`` → f160w."""
    found = set()
    for name in filters:
        for token in re.split(r"[^a-z0-9]+", name.lower()):
            plain = token if token in BROAD_BANDS else token.rstrip("0123456789")
            if token and (plain in BROAD_BANDS or HST_FILTER.fullmatch(token)):
                found.add(plain if plain in BROAD_BANDS else token)
                break
    return frozenset(found)


def unit_zero_point(unit: str, pixel_arcsec2: float | None = None) -> float | None:
    """Return the AB magnitude of one unit a pixel; None for units that are not of flux density.

    Parameters
    ----------
    unit : str
        BUNIT: ``nanomaggy``, ``nJy``, ``10**-9 Jy``, ``MJy/sr``.
    pixel_arcsec2 : float, optional
        Area of a pixel: without it, units of surface brightness give None.
    """
    words = unit.strip().removesuffix("/pix").removesuffix("/pixel").strip()
    scale = re.match(r"10(?:\*\*|\^)\(?([+-]?\d+)\)?\s*", words)
    shift = 0.0 if scale is None else -2.5 * float(scale[1])
    words = words if scale is None else words[scale.end() :]
    if words.lower().replace(" ", "") in ("mjy/sr", "mjysr-1", "mjysr^-1", "mjysr**-1") and words[0] == "M":
        return None if pixel_arcsec2 is None else _per_steradian(pixel_arcsec2) + shift
    if words.startswith("MJ"):
        return AB_UNITS["jy"] - 15.0 + shift
    name = words.lower().rstrip("s") if words.lower().startswith(("nanomag", "magg")) else words.lower()
    return None if name not in AB_UNITS else AB_UNITS[name] + shift


def _per_steradian(pixel_arcsec2: float) -> float:
    jansky = 1e6 * pixel_arcsec2 * math.radians(1 / 3600) ** 2
    return AB_UNITS["jy"] - 2.5 * math.log10(jansky)


def _text(header: fits.Header, key: str) -> str:
    value = header.get(key)
    return " ".join(value.split()) if isinstance(value, str) else ""


def _number(header: fits.Header, key: str) -> float | None:
    value = header.get(key)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None


def _first_positive(header: fits.Header, keys: Iterable[str]) -> tuple[str, float] | None:
    found = ((key, _number(header, key)) for key in keys)
    return next(((key, value) for key, value in found if value is not None and value > 0), None)
