from __future__ import annotations

from typing import get_args

import pytest

from skymill.config.ingest import MaskConvention
from skymill.data.tile import MaskBit
from skymill.errors import DataError
from skymill.ingest.mask_conventions import MASK_CONVENTIONS, SDSS_FPM, recognise

ALL = [*(MASK_CONVENTIONS[name] for name in MASK_CONVENTIONS), SDSS_FPM]


def test_the_configuration_knows_the_registered_conventions():
    assert sorted(get_args(MaskConvention)) == MASK_CONVENTIONS.names()


@pytest.mark.parametrize("convention", ALL, ids=lambda convention: convention.name)
def test_a_convention_numbers_each_plane_once_and_has_bad_and_saturated_ones(convention):
    numbers = [plane.number for plane in convention.planes.values()]
    roles = {plane.role for plane in convention.planes.values()}

    assert len(set(numbers)) == len(numbers)
    assert all(0 <= number < 64 for number in numbers)
    assert {MaskBit.BAD, MaskBit.SATURATED} <= roles
    # A code of 0 is a good pixel.
    assert not convention.are_codes or 0 not in numbers


@pytest.mark.parametrize("convention", ALL, ids=lambda convention: convention.name)
def test_planes_that_mark_sources_or_repaired_pixels_are_not_taken(convention):
    words = ("OBJECT", "SOURCE", "DETECTED", "STAR", "HALO", "INTERP", "SUBTRACTED", "WARM", "CROSSTALK")
    for name, plane in convention.planes.items():
        assert plane.role is None or not any(word in name for word in words), name


@pytest.mark.parametrize(
    ("cards", "name"),
    [
        ({"TELESCOP": "HST", "INSTRUME": "ACS", "DETECTOR": "WFC", "EXTNAME": "DQ"}, "hst_acs"),
        ({"TELESCOP": "HST", "INSTRUME": "WFC3", "DETECTOR": "IR", "EXTNAME": "DQ"}, "hst_wfc3_ir"),
        ({"TELESCOP": "HST", "INSTRUME": "WFC3", "DETECTOR": "UVIS", "EXTNAME": "DQ"}, "hst_wfc3_uvis"),
        ({"TELESCOP": "JWST", "EXTNAME": "DQ"}, "jwst"),
        ({"PRODTYPE": "dqmask", "PLVER": "V3.1"}, "decam_bits"),
        ({"PRODTYPE": "dqmask", "PLVER": "V3.5.0"}, "decam_codes"),
        ({"PRODTYPE": "dqmask1", "PLVER": "V4.8.2a"}, "decam_codes"),
        ({"PRODTYPE": "dqmask", "PLVER": "V10.2"}, "decam_codes"),
        ({"DES_EXT": "MASK", "TELESCOP": "CTIO 4.0-m telescope"}, "des"),
        ({"INSTRUME": "ZTF/MOSAIC"}, "ztf"),
        ({"TELESCOP": "PS1", "INSTRUME": "gpc1"}, "ps1"),
        # Not told: no version, another instrument, a context image, no card at all.
        ({"PRODTYPE": "dqmask"}, None),
        ({"TELESCOP": "HST", "INSTRUME": "STIS", "EXTNAME": "DQ"}, None),
        ({"TELESCOP": "HST", "INSTRUME": "ACS", "EXTNAME": "CTX"}, None),
        ({}, None),
    ],
)
def test_a_header_tells_the_convention(cards, name):
    found = recognise(cards, "mask.fits")

    assert (found.name if found else None) == name


def test_lsst_planes_are_named_and_numbered_by_the_header():
    # Numbers of an HSC coadd, which are not those of the documentation.
    cards = {"MP_BAD": 0, "MP_DETECTED": 5, "MP_NO_DATA": 8, "MP_BRIGHT_OBJECT": 9, "MP_SAT": 1, "MP_CR": 13}
    found = recognise({**cards, "TELESCOP": "Subaru"}, "mask.fits")

    assert {name: plane.role for name, plane in found.planes.items() if plane.role is not None} == {
        "BAD": MaskBit.BAD,
        "CR": MaskBit.BAD,
        "SAT": MaskBit.SATURATED,
        "NO_DATA": MaskBit.NO_DATA,
    }
    assert found.planes["CR"].number == 13


@pytest.mark.parametrize("number", ["0", 1.5, True, -1, 64])
def test_a_card_that_numbers_no_bit_is_named(number):
    with pytest.raises(DataError, match=r"mask\.fits: expected a bit number in MP_BAD, 0 to 63"):
        recognise({"MP_BAD": number}, "mask.fits")
