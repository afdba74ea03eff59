from __future__ import annotations

import pytest
from astropy.io import fits

from skymill.ingest.header import bands_of, read_header, unit_zero_point


@pytest.mark.parametrize(
    ("name", "bands"),
    [
        ("r.MP9601", {"r"}),
        ("HSC-I2", {"i"}),
        ("F160W", {"f160w"}),
        ("i DECam SDSS c0003 7835.0 1470.0", {"i"}),
        ("OCAM_r_SDSS", {"r"}),
        ("Ks", {"ks"}),
        ("CLEAR1L", set()),
        ("OPEN", set()),
        ("", set()),
    ],
)
def test_filters_names_tell_their_bands(name, bands):
    assert bands_of([name]) == bands


@pytest.mark.parametrize(
    ("unit", "zero_point"),
    [
        ("nanomaggy", 22.5),
        ("nanomaggies", 22.5),
        ("nJy", 31.4),
        ("uJy", 23.9),
        ("Jy", 8.9),
        ("mJy", 16.4),
        ("MJy", -6.1),
        ("10**-9 Jy", 31.4),
        ("electrons/s", None),
        ("ADU", None),
        ("erg/s/cm2/A", None),
    ],
)
def test_units_of_flux_density_have_a_zero_point(unit, zero_point):
    assert unit_zero_point(unit) == (None if zero_point is None else pytest.approx(zero_point))


def test_surface_brightness_needs_the_pixels_area():
    # 1 MJy/sr is 23.5045 microjansky an arcsec2.
    assert unit_zero_point("MJy/sr", 1.0) == pytest.approx(23.9 - 2.5 * 1.37115, abs=1e-3)
    assert unit_zero_point("MJy/sr") is None


def test_a_header_is_read_without_trust():
    header = fits.Header(
        {"FILTER": "g", "BUNIT": "ADU", "GAIN": -1.0, "EGAIN": 2.5, "MAGZERO": "none", "SATURATE": True}
    )
    facts = read_header(header, fits.Header(), None)

    assert facts.bands == {"g"}
    assert facts.gain == ("EGAIN", 2.5)
    assert facts.zero_points == {}
    assert facts.saturation is None


def test_the_primary_header_speaks_where_the_images_is_silent():
    primary = fits.Header({"FILTER": "F814W", "GAIN": 2.0, "BUNIT": "nJy"})
    facts = read_header(fits.Header({"GAIN": 3.0}), primary, None)

    assert facts.bands == {"f814w"}
    assert facts.gain == ("GAIN", 3.0)
    assert facts.unit is None
    assert read_header(fits.Header({"FILTER": "r"}), primary, None).bands == {"r"}
