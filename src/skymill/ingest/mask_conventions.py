"""What the planes of surveys' masks mean: which make a pixel bad, saturated or empty, and which say nothing against it.

A plane that marks sources (LSST's DETECTED, ZTF's bit 1, SDSS's OBJECT) is never taken, nor one that marks bright
stars' surroundings, inexact PSFs, or pixels that the survey has repaired (interpolated, crosstalk removed).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from skymill.data.tile import MaskBit
from skymill.errors import DataError
from skymill.registry import Registry

MAX_BIT = 63


class Plane(NamedTuple):
    """One plane: its bit, or its code, and what it means to skymill (None: nothing against the pixel)."""

    number: int
    role: MaskBit | None


@dataclass(frozen=True)
class Convention:
    """How a survey writes its masks.

    Parameters
    ----------
    name : str
        For messages and records.
    planes : mapping
        Planes by the survey's own name.
    are_codes : bool
        A pixel holds one number that says what is wrong, not bits.
    """

    name: str
    planes: Mapping[str, Plane]
    are_codes: bool = False


MASK_CONVENTIONS: Registry[Convention] = Registry("mask convention")


def _convention(
    name: str, *, bad: str, saturated: str, no_data: str = "", left: str = "", are_codes: bool = False
) -> Convention:
    """Make a convention of ``NAME:number`` words."""
    roles = {MaskBit.BAD: bad, MaskBit.SATURATED: saturated, MaskBit.NO_DATA: no_data, None: left}
    words = [(*word.split(":"), role) for role, text in roles.items() for word in text.split()]
    return Convention(name, {plane: Plane(int(number), role) for plane, number, role in words}, are_codes)


def _registered(name: str, **planes: Any) -> None:
    MASK_CONVENTIONS.register(name)(_convention(name, **planes))


# NOIRLab Community Pipeline for DECam, Mosaic-3 and 90Prime (PRODTYPE = 'dqmask'), PL201 of its documentation: bits
# until version 3.4, codes since 3.5 (PLVER). Bleed trails are charge of saturated pixels.
_registered(
    "decam_bits", bad="BADPIX:0 CRAY:4 TRANSIENT:7", saturated="SATURATED:1 BLEED:6", left="INTERPOLATED:2"
)
_registered(
    "decam_codes",
    bad="BAD:1 COSMIC_RAY:5 LOW_WEIGHT:6 TRANSIENT:7 STREAK:8",
    saturated="SATURATED:3 BLEED:4",
    no_data="NO_VALUE:2",
    are_codes=True,
)
# Dark Energy Survey data management (DES_EXT = 'MASK'), mask_bits.h: Morganson et al. 2018, PASP 130, 074501.
_registered(
    "des",
    bad="BPM:0 BADAMP:3 CRAY:4 EDGEBLEED:7 SSXTALK:8 EDGE:9 STREAK:10",
    saturated="SATURATE:1 TRAIL:6",
    left="INTERP:2 STAR:5 SUSPECT:11 FIXED:12 NEAREDGE:13 TAPEBUMP:14",
)
# HST (EXTNAME = 'DQ'): ACS Data Handbook, section 3.4; WFC3 Data Handbook, section 2.2.3. Warm pixels and CTE tails are
# corrected; the infrared channel's cosmic rays (8192) are taken out of the ramp, blobs (512) are faint.
_registered(
    "hst_acs",
    bad="BADPIX:2 MASKED:3 HOT:4 BADCOL:7 BADREF:9 TRAP:10 CRDRIZ:12 CRREJ:13",
    saturated="SATURATED:8 ATODSAT:11",
    no_data="LOST:0 FILLED:1",
    left="CTE:5 WARM:6 USER:14",
)
_registered(
    "hst_wfc3_uvis",
    bad="BADPIX:2 HOT:4 BADBIAS:7 BADFLAT:9 TRAP:10 CRDRIZ:12 CRREJ:13",
    saturated="SATURATED:8 ATODSAT:11",
    no_data="LOST:0 FILLED:1",
    left="DEVIANT:3 UNSTABLE:5 WARM:6 CROSSTALK:14",
)
_registered(
    "hst_wfc3_ir",
    bad="BADPIX:2 BADZERO:3 HOT:4 UNSTABLE:5 BADREF:7 CRDRIZ:12",
    saturated="SATURATED:8",
    no_data="LOST:0 FILLED:1",
    left="WARM:6 BLOB:9 ZEROSIG:11 CR_IN_RAMP:13 CROSSTALK:14",
)
# JWST (EXTNAME = 'DQ'): jwst-pipeline, data quality flags. What may not be used is in DO_NOT_USE, whatever its reason.
_registered("jwst", bad="DO_NOT_USE:0", saturated="SATURATED:1", no_data="NON_SCIENCE:9", left="JUMP_DET:2")
# Pan-STARRS1 warps and stacks: PS1 pixel flags (outerspace.stsci.edu/display/PANSTARRS), masks.16bit.config.
_registered(
    "ps1",
    bad="DETECTOR:0 FLAT:1 DARK:2 CTE:4 LOW:6 CR:8 GHOST:10 STREAK:11 CONV.BAD:13",
    saturated="SAT:5",
    no_data="BLANK:3",
    left="SUSPECT:7 SPIKE:9 STARCORE:12 CONV.POOR:14",
)
# ZTF Science Data System, explanatory supplement, section 10.3: bits 1 and 11 mark detected sources.
_registered(
    "ztf",
    bad="TRACK:0 LOW_RESPONSE:2 HIGH_RESPONSE:3 NOISY:4 GHOST:5 CHARGE_GHOST:6 SPIKE:7 DEAD:9",
    saturated="SATURATED:8",
    no_data="NAN:10",
    left="SEXTRACTOR_SOURCE:1 PSF_SOURCE:11 HALO:12",
)

# SDSS's fpM files (Stoughton et al. 2002, AJ 123, 485, table 8): frames hold what photo put in place of interpolated
# pixels and cosmic rays, and the rim that it has not searched (NOTCHECKED) holds data.
SDSS_FPM = _convention(
    "sdss_fpm",
    bad="GHOST:8",
    saturated="SATUR:1",
    left="INTERP:0 NOTCHECKED:2 OBJECT:3 BRIGHTOBJECT:4 BINOBJECT:5 CATOBJECT:6 SUBTRACTED:7 CR:9",
)

# LSST Science Pipelines, also HSC (dp1.lsst.io/products/images/mask_planes.html). Numbers differ from file to file and
# stand in its header. EDGE pixels hold light, but no detection could look at them.
LSST_ROLES = dict.fromkeys(("BAD", "CR", "EDGE", "STREAK", "UNMASKEDNAN", "VIGNETTED"), MaskBit.BAD) | {
    "SAT": MaskBit.SATURATED,
    "NO_DATA": MaskBit.NO_DATA,
}
LSST_PREFIX = "MP_"


def recognise(cards: Mapping[str, Any], where: str) -> Convention | None:
    """Say which convention a mask follows, by its header.

    Parameters
    ----------
    cards : mapping
        Keywords of the mask's HDU and, where that has none, of its file's primary HDU.
    where : str
        File and HDU, for the message.

    Returns
    -------
    Convention or None
        None if the header does not tell.

    Raises
    ------
    DataError
        If a card that should number a plane does not.
    """
    if any(key.startswith(LSST_PREFIX) for key in cards):
        return _named_in_header(cards, where)
    name = _archive(cards)
    return None if name is None else MASK_CONVENTIONS[name]


def _named_in_header(cards: Mapping[str, Any], where: str) -> Convention:
    planes = {}
    for key, number in cards.items():
        if not key.startswith(LSST_PREFIX):
            continue
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= MAX_BIT:
            raise DataError(where, expected=f"a bit number in {key}, 0 to {MAX_BIT}", found=repr(number))
        plane = key.removeprefix(LSST_PREFIX)
        planes[plane] = Plane(number, LSST_ROLES.get(plane))
    return Convention("lsst", planes)


def _archive(cards: Mapping[str, Any]) -> str | None:
    def text(key: str) -> str:
        return str(cards.get(key, "")).strip().upper()

    telescope, instrument, is_dq = text("TELESCOP"), text("INSTRUME"), text("EXTNAME") == "DQ"
    if is_dq and telescope == "JWST":
        return "jwst"
    if is_dq and telescope == "HST":
        detector = {"ACS": "", "WFC3": f"_{text('DETECTOR').lower()}"}.get(instrument)
        name = f"hst_{instrument.lower()}{detector}"
        return name if name in MASK_CONVENTIONS else None
    if text("DES_EXT") == "MASK":
        return "des"
    if text("PRODTYPE").startswith("DQMASK"):
        return _community_pipeline(text("PLVER"))
    if instrument.startswith("ZTF"):
        return "ztf"
    return "ps1" if telescope == "PS1" or instrument == "GPC1" else None


def _community_pipeline(version: str) -> str | None:
    """Tell bits from codes by the pipeline's version; None if there is none."""
    found = re.search(r"(\d+)\.(\d+)", version)
    if found is None:
        return None
    return "decam_codes" if (int(found[1]), int(found[2])) >= (3, 5) else "decam_bits"
