"""Positions and pixel scales through the whole transform, whatever it is made of."""

import warnings

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS, DistortionLookupTable, FITSFixedWarning
from numpy.testing import assert_allclose

from skymill.data.sky import (
    celestial_frame,
    grid,
    pixel_positions,
    pixel_scale,
    read_wcs,
    sky_positions,
    write_wcs,
)
from skymill.errors import DataError

SHAPE = (300, 400)
STEP_DEG = 0.4 / 3600
BENT = {
    f"PV{axis}_{k}": value
    for axis in (1, 2)
    for k, value in {0: 1e-4, 1: 1.02, 2: 2e-3, 4: 0.3, 7: 0.3}.items()
}
SIP = {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 2e-5, "A_1_1": 1e-5, "B_0_2": -2e-5}


def header(kind="TAN", axes=("RA--", "DEC-"), **cards):
    made = fits.Header()
    for axis, name in enumerate(axes, start=1):
        made[f"CTYPE{axis}"], made[f"CRPIX{axis}"] = f"{name}-{kind}", 150.5
        made[f"CRVAL{axis}"] = 2.2 if name == "DEC-" or name.endswith("LT") or name.endswith("LAT") else 150.1
    made["CD1_1"], made["CD1_2"], made["CD2_1"], made["CD2_2"] = -STEP_DEG, 0.0, 0.0, STEP_DEG
    made.update(cards)
    return made


def with_tables(made):
    """Add tables of both kinds to a WCS: uneven within a tenth of a pixel."""
    random = np.random.default_rng(4)
    cells = random.normal(scale=0.1, size=(2, 8, 8)).astype(np.float32)
    made.cpdis1, made.cpdis2 = (DistortionLookupTable(cell, (1, 1), (1, 1), (57, 43)) for cell in cells)
    columns = random.normal(scale=0.01, size=(1, 400)).astype(np.float32)
    made.det2im1 = DistortionLookupTable(columns, (1, 1), (1, 1), (1, 300))
    return made


def read(made):
    """Read a WCS whose cards are old or odd, of which astropy warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        return read_wcs(made)


KINDS = {
    "TAN": read(header()),
    "TPV": read(header("TPV", **BENT)),
    "TAN with PV": read(header("TAN", **BENT)),
    "SIP": read(header("TAN-SIP", **SIP)),
    "ZPN": read(header("ZPN", PV2_1=1.0, PV2_3=42.0)),
    "declination first": read(header("TAN-SIP", axes=("DEC-", "RA--"), **SIP)),
    "galactic": read(header(axes=("GLON", "GLAT"))),
    "cube": read(header("TAN-SIP", CTYPE3="FREQ", CRVAL3=1e9, CRPIX3=1.0, CD3_3=1e3, **SIP)),
    "arcmin": read(
        header(CUNIT1="arcmin", CUNIT2="arcmin", CRVAL1=9006.0, CRVAL2=132.0, CD1_1=-0.4 / 60, CD2_2=0.4 / 60)
    ),
    "words for degrees": read(header(CUNIT1="DEGREES", CUNIT2="degrees")),
    "tables": with_tables(read(header())),
    "tables and SIP": with_tables(read(header("TAN-SIP", **SIP))),
    "at the pole": read(header("TPV", CRVAL2=90.0, **BENT)),
    "at 0 h": read(header("TAN-SIP", CRVAL1=0.0, **SIP)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_positions_are_those_of_astropys_whole_transform_and_back(kind):
    wcs, (x, y) = KINDS[kind], grid(SHAPE)
    ra, dec = sky_positions(wcs, x, y)
    expected = wcs.pixel_to_world(x, y).icrs
    assert SkyCoord(ra, dec, unit="deg").separation(expected).arcsec.max() < 1e-6
    assert_allclose(pixel_positions(wcs, ra, dec), (x, y), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_the_same_transform(kind):
    wcs, positions = KINDS[kind], grid(SHAPE)
    again = read_wcs(*write_wcs(wcs))
    assert_allclose(again.all_pix2world(*positions, 0), wcs.all_pix2world(*positions, 0), atol=1e-9, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_scale_is_that_of_small_squares_on_the_sky(kind):
    """Areas from the separations of pixels' corners, which know nothing of derivatives."""
    wcs, (x, y) = KINDS[kind], grid(SHAPE)
    corners = [wcs.pixel_to_world(x + dx, y + dy) for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1))]
    area = corners[0].separation(corners[3]).arcsec * corners[1].separation(corners[2]).arcsec / 2
    # Diagonals cross at right angles only in squares, nearly so here; tables have kinks where these pixels lie.
    assert pixel_scale(wcs, SHAPE).arcsec == pytest.approx(np.median(np.sqrt(area)), rel=2e-3)


def test_the_scale_of_pv_terms_is_not_that_of_the_matrix():
    wcs = read(header("TPV", PV1_1=1.05, PV2_1=1.05))
    assert pixel_scale(wcs, SHAPE).arcsec == pytest.approx(0.42, rel=1e-6)


def test_the_scale_of_tables_is_not_that_of_the_matrix():
    wcs = read(header())
    stretch = 0.05 * (np.arange(9) * 50).astype(np.float32)
    wcs.cpdis1 = DistortionLookupTable(np.tile(stretch, (9, 1)), (1, 1), (1, 1), (50, 50))
    wcs.cpdis2 = DistortionLookupTable(np.tile(stretch[:, None], (1, 9)), (1, 1), (1, 1), (50, 50))
    assert pixel_scale(wcs, SHAPE).arcsec == pytest.approx(0.42, rel=1e-4)


def test_how_much_the_scale_varies():
    plain, bent = (pixel_scale(wcs, SHAPE) for wcs in (KINDS["TAN"], KINDS["SIP"]))
    assert plain.lowest <= plain.arcsec <= plain.highest
    assert plain.variation < 1e-6
    # At the right edge a pixel is stretched by 1 + 2 A_2_0 x along x.
    assert bent.variation == pytest.approx(2e-5 * 250, rel=0.5)
    assert bent.highest / bent.arcsec - 1 <= bent.variation
    assert bent.axis_ratio < 1.005


@pytest.mark.parametrize(
    ("matrix", "ratio", "sides", "corner"),
    [
        ([[-1, 0], [0, 1]], 1, (0.4, 0.4), 90),
        ([[1, 0], [0, 1]], 1, (0.4, 0.4), 90),
        ([[0.6, 0.8], [-0.8, 0.6]], 1, (0.4, 0.4), 90),
        ([[-0.6, 0.8], [0.8, 0.6]], 1, (0.4, 0.4), 90),
        ([[-1, 0], [0, 2]], 2, (0.4, 0.8), 90),
        ([[-0.6, 1.6], [0.8, 1.2]], 2, (0.4, 0.8), 90),
        # A rhombus with equal sides: its diagonals are 2 cos and 2 sin of half its angle, 60 degrees.
        ([[1, 0.5], [0, 0.75**0.5]], 3**0.5, (0.4, 0.4), 60),
    ],
)
def test_the_form_of_pixels(matrix, ratio, sides, corner):
    cd = STEP_DEG * np.array(matrix)
    cards = {f"CD{row + 1}_{column + 1}": cd[row, column] for row in (0, 1) for column in (0, 1)}
    scale = pixel_scale(read(header(**cards)), SHAPE)
    assert scale.axis_ratio == pytest.approx(ratio, rel=1e-6)
    assert (scale.side_x, scale.side_y) == pytest.approx(sides, rel=1e-6)
    assert scale.corner_deg == pytest.approx(corner, abs=1e-3)


@pytest.mark.parametrize("cards", [{"CD1_2": STEP_DEG, "CD2_1": -STEP_DEG}, {"CRPIX1": 1e30}])
def test_pixels_without_area_have_no_scale(cards):
    assert np.isnan(pixel_scale(read(header(**cards)), SHAPE).arcsec)


def test_parts_of_an_image_without_a_place_on_the_sky():
    wcs = read(header("AIT", CD1_1=-1.0, CD2_2=1.0, CRPIX1=200.5, CRVAL1=0.0, CRVAL2=0.0))
    ra, dec = sky_positions(wcs, np.array([0.0, 199.5]), np.array([0.0, 149.5]))
    assert np.isnan([ra[0], dec[0]]).all()
    assert_allclose([ra[1], dec[1]], 0.0, atol=1e-9)
    scale = pixel_scale(wcs, SHAPE)
    # An equal-area projection.
    assert (scale.lowest, scale.arcsec, scale.highest) == pytest.approx((3600,) * 3, rel=1e-3)


SYSTEMS = {
    "missing": ({}, "icrs"),
    "ICRS": ({"RADESYS": "ICRS"}, "icrs"),
    "old name of the keyword": ({"RADECSYS": "FK5"}, "fk5"),
    "FK5": ({"RADESYS": "FK5"}, "fk5"),
    "small letters": ({"RADESYS": "fk5"}, "fk5"),
    "of 1975": ({"RADESYS": "FK5", "EQUINOX": 1975.0}, {"frame": "fk5", "equinox": "J1975"}),
    "2000 alone": ({"EQUINOX": 2000.0}, "fk5"),
    "1950 alone": ({"EQUINOX": 1950.0}, "fk4"),
    "the oldest keyword": ({"EPOCH": 1950.0}, "fk4"),
    "FK4": ({"RADESYS": "FK4"}, "fk4"),
    "FK4-NO-E": ({"RADESYS": "FK4-NO-E"}, "fk4noeterms"),
    "galactic": ({"axes": ("GLON", "GLAT"), "RADESYS": "ICRS"}, "galactic"),
    "supergalactic": ({"axes": ("SLON", "SLAT")}, "supergalactic"),
    "ecliptic": ({"axes": ("ELON", "ELAT")}, "barycentricmeanecliptic"),
    "ecliptic of 1950": (
        {"axes": ("ELON", "ELAT"), "EQUINOX": 1950.0},
        {"frame": "barycentricmeanecliptic", "equinox": "B1950"},
    ),
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_systems_are_turned_to_icrs(system):
    cards, frame = SYSTEMS[system]
    frame = {"frame": frame} if isinstance(frame, str) else frame
    expected = SkyCoord(150.1, 2.2, unit="deg", **frame).icrs
    ra, dec = sky_positions(read(header(**cards)), np.array([149.5]), np.array([149.5]))
    assert SkyCoord(ra, dec, unit="deg").separation(expected).arcsec[0] < 1e-6


def test_the_pole_of_the_ecliptic():
    """Known from the obliquity, 23.4392911 degrees, not from astropy's frames."""
    wcs = read(header(axes=("ELON", "ELAT"), CRVAL1=0.0, CRVAL2=90.0))
    ra, dec = sky_positions(wcs, np.array([149.5]), np.array([149.5]))
    assert_allclose([ra[0], dec[0]], [270.0, 90 - 23.4392911], atol=2e-5)


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ({"RADESYS": "J2000"}, "expected RADESYS ICRS, FK5, FK4 or FK4-NO-E, found 'J2000'"),
        ({"RADESYS": "GAPPT"}, "found 'GAPPT'"),
        ({"axes": ("HPLN", "HPLT")}, "found HPLN/HPLT"),
        ({"axes": ("HGLN", "HGLT")}, "found HGLN/HGLT"),
        ({"axes": ("MALN", "MALT")}, "found MALN/MALT"),
        ({"axes": ("TLON", "TLAT")}, "found TLON/TLAT"),
        ({"EQUINOX": 0.0}, "expected an EQUINOX between 1800 and 2100, found 0"),
        ({"EQUINOX": 1e30}, "found 1e+30"),
        ({"RADESYS": "FK5", "EQUINOX": -5.0}, "found -5"),
    ],
)
def test_systems_that_have_no_icrs(cards, message):
    with pytest.raises(DataError) as raised:
        celestial_frame(read(header(**cards)), "file[0]")
    assert str(raised.value).startswith("file[0]: expected ")
    assert message in str(raised.value)


def test_positions_outside_the_projection_and_nan():
    for wcs in (KINDS["TAN"], KINDS["TPV"], KINDS["SIP"], KINDS["tables"]):
        x, y = pixel_positions(wcs, np.array([330.1, np.nan]), np.array([-2.2, 2.2]))
        assert np.isnan([*x, *y]).all()
    ra, dec = sky_positions(KINDS["galactic"], np.array([np.nan, 1.0]), np.array([2.0, 2.0]))
    assert np.isnan([ra[0], dec[0]]).all()
    assert np.isfinite([ra[1], dec[1]]).all()


def test_a_cube_has_the_sky_of_its_first_two_axes():
    plain = read(header("TAN-SIP", **SIP))
    assert isinstance(KINDS["cube"], WCS)
    assert_allclose(
        sky_positions(KINDS["cube"], *grid(SHAPE)), sky_positions(plain, *grid(SHAPE)), atol=1e-12
    )
