"""What an image's header says of the sky is understood whole, or refused, or left out aloud."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS, DistortionLookupTable
from numpy.testing import assert_allclose

from skymill.data.fits_image import FitsImage, read_image
from skymill.data.sky import grid, sky_positions
from skymill.data.tile import Tile
from skymill.errors import DataError
from skymill.ingest import geometry
from skymill.ingest.geometry import celestial_wcs, measured_scale
from skymill.ingest.ingest import ingest_tile

from .conftest import SCALE_ARCSEC, SIDE

STEP_DEG = SCALE_ARCSEC / 3600
CENTRE = np.array([SIDE / 2 - 1])
"""The pixel of CRPIX = SIDE / 2."""


def cards(kind="TAN", **changes):
    """A plain header with a CD matrix; None takes a card away."""
    made = {"CTYPE1": f"RA---{kind}", "CTYPE2": f"DEC--{kind}", "CRVAL1": 150.0, "CRVAL2": 2.0}
    made |= {"CRPIX1": SIDE / 2, "CRPIX2": SIDE / 2}
    made |= {"CD1_1": -STEP_DEG, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": STEP_DEG, **changes}
    return fits.Header({key: value for key, value in made.items() if value is not None})


def image_of(header, tables=()):
    return FitsImage(np.zeros((SIDE, SIDE), np.float32), header, "file[0]", tuple(tables))


def scale_of(header, tolerance=0.02):
    image = image_of(header)
    return measured_scale(celestial_wcs(image), image, tolerance)


def test_the_pixel_scale_is_that_of_the_wcs(header):
    assert scale_of(header(0.27)).arcsec == pytest.approx(0.27, rel=1e-6)


def test_the_pixel_scale_is_that_of_the_whole_transform():
    assert scale_of(cards("TPV", PV1_1=1.05, PV2_1=1.05)).arcsec == pytest.approx(0.42, rel=1e-6)


def test_pv_terms_that_are_not_given_are_their_defaults():
    """PVi_1 is 1, all others 0."""
    plain, tpv = (celestial_wcs(image_of(cards(kind))) for kind in ("TAN", "TPV"))
    positions = grid((SIDE, SIDE))
    assert_allclose(sky_positions(tpv, *positions), sky_positions(plain, *positions), atol=1e-9)
    assert scale_of(cards("TPV", PV1_0=0.01, PV2_0=0.0)).arcsec == pytest.approx(SCALE_ARCSEC, rel=1e-6)


def test_old_keywords_are_no_trouble(header):
    old = header()
    del old["RADESYS"]
    old["RADECSYS"] = "FK5"

    assert celestial_wcs(image_of(old)).has_celestial


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({}, "no CTYPE"),
        ({"CTYPE1": "LINEAR", "CTYPE2": "LINEAR", "CRPIX1": 1.0}, "CTYPE is 'LINEAR', 'LINEAR'"),
        (cards(CRVAL1=None, CRVAL2=None), "CRVAL1, CRVAL2 not given"),
        (cards(CRVAL2=None), "CRVAL2 not given"),
        (cards(CRVAL2=""), "CRVAL2 not given"),
        (cards(CRPIX1=None), "CRPIX1 not given"),
        (cards(CD1_1=None, CD1_2=None, CD2_1=None, CD2_2=None), "CDELT1, CDELT2 not given"),
        (cards(CD1_1=None, CD1_2=None, CD2_1=None, CD2_2=None, CDELT1=STEP_DEG), "CDELT2 not given"),
        (cards(CD2_1=None, CD2_2=None), "CD2_2 not given"),
        (cards(CTYPE1="RA--TAN", CTYPE2="DEC-TAN"), "CTYPE is 'RA--TAN', 'DEC-TAN'"),
    ],
)
def test_without_celestial_coordinates_there_is_a_warning(header, reason, caplog):
    assert celestial_wcs(image_of(fits.Header(header))) is None
    assert [
        record.getMessage().startswith(f"file[0]: no celestial WCS ({reason}):") for record in caplog.records
    ] == [True]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"CRVAL1": "10:00:24"}, "expected a number in CRVAL1, found '10:00:24'"),
        ({"CRVAL1": True}, "expected a number in CRVAL1, found True"),
        ({"CD1_1": "abc"}, "expected a number in CD1_1, found 'abc'"),
        ({"EQUINOX": "J2000"}, "expected a number in EQUINOX, found 'J2000'"),
        ({"EPOCH": "B1950"}, "expected a number in EPOCH, found 'B1950'"),
        ({"CRPIX1": 10**400}, "expected a number in CRPIX1"),
        ({"PV1_1": "x", "kind": "TPV"}, "expected a number in PV1_1"),
        ({"A_ORDER": 2, "B_ORDER": 2, "A_2_0": "x", "kind": "TAN-SIP"}, "expected a number in A_2_0"),
        (
            {"A_ORDER": 2, "A_2_0": 1e-6, "kind": "TAN-SIP"},
            "expected a readable WCS, found ValueError: A_ORDER",
        ),
        (
            {"A_ORDER": 10**9, "B_ORDER": 2},
            "expected a SIP polynomial up to order 9 in A_ORDER, found 1000000000",
        ),
        ({"RADESYS": 5}, "expected the name of a system in RADESYS, found 5"),
        ({"RADESYS": "J2000"}, "expected RADESYS ICRS, FK5, FK4 or FK4-NO-E, found 'J2000'"),
        ({"CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN"}, "found HPLN/HPLT"),
        ({"EQUINOX": -5.0}, "expected an EQUINOX between 1800 and 2100, found -5"),
        ({"CD1_1": 0.0, "CD2_2": 0.0}, "expected a pixel scale in CD1_1, CD1_2, found zeros"),
        ({"CD1_1": 0.0}, "expected a pixel scale in CD1_1, CD1_2, found zeros"),
        ({"CRVAL1": 1e30}, "expected a longitude within 720 degrees in CRVAL1, found 1e+30"),
        ({"CRVAL2": 95.0}, "expected a readable WCS, found InvalidTransformError: Ill-conditioned"),
        (
            {"CTYPE2": "GLAT-TAN"},
            "expected a readable WCS, found InconsistentAxisTypesError: Inconsistent projection",
        ),
        ({"kind": "XYZ"}, "Unrecognized projection code (XYZ in CTYPE1)"),
        ({"CUNIT1": "m"}, "expected a readable WCS"),
        ({"CTYPE1": "FREQ", "CTYPE3": "DEC--TAN", "CTYPE2": "RA---TAN"}, "expected a readable WCS"),
    ],
)
def test_a_broken_wcs_is_an_error_in_one_line(changes, message):
    with pytest.raises(DataError) as raised:
        celestial_wcs(image_of(cards(**changes)))
    assert message in str(raised.value)
    assert str(raised.value).startswith("file[0]: expected ")
    assert "\n" not in str(raised.value)


def test_a_scale_of_zero_is_an_error(header):
    broken = header()
    broken["CDELT1"] = 0.0

    with pytest.raises(DataError, match=r"file\[0\]: expected a readable WCS.*singular"):
        celestial_wcs(image_of(broken))


def test_a_card_that_stands_there_twice():
    twice = cards()
    twice.append(("CRVAL1", 151.0))
    with pytest.raises(DataError, match=r"expected CRVAL1 once, found 150\.0 and 151\.0"):
        celestial_wcs(image_of(twice))
    same = cards()
    same.append(("CRVAL1", 150.0))
    assert celestial_wcs(image_of(same)) is not None


def test_not_a_number_in_a_file(tmp_path):
    """FITS has no NaN for cards; astropy turns it into the text 'NaN', which wcslib takes for nothing."""
    path = tmp_path / "image.fits"
    fits.writeto(path, np.zeros((SIDE, SIDE), np.float32), cards())
    raw = path.read_bytes()
    card = b"CRVAL1  =                150.0"
    assert raw.count(card) == 1
    path.write_bytes(raw.replace(card, b"CRVAL1  =                  NaN"))
    with pytest.raises(DataError, match=r"expected a number in CRVAL1, found .*NaN"):
        celestial_wcs(read_image(path))


def test_the_epoch_of_something_else_is_no_equinox():
    assert celestial_wcs(image_of(cards(EQUINOX=2000.0, EPOCH="MJD"))) is not None


def test_an_unusual_equinox_is_said(caplog):
    celestial_wcs(image_of(cards(EQUINOX=2000.0)))
    assert not caplog.records
    celestial_wcs(image_of(cards(EQUINOX=2011.3)))
    assert "from the unusual equinox 2011.3" in caplog.text


def test_sip_without_its_suffix_is_said_and_used(caplog, capfd):
    sip = {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 2e-5, "B_0_2": 1e-5}
    wcs = celestial_wcs(image_of(cards(**sip)))
    assert "SIP coefficients are used, though CTYPE has no suffix -SIP" in caplog.text
    # Not the twelve lines that astropy says of it.
    assert capfd.readouterr().err == ""
    named = celestial_wcs(image_of(cards("TAN-SIP", **sip)))
    assert_allclose(sky_positions(wcs, *grid((SIDE, SIDE))), sky_positions(named, *grid((SIDE, SIDE))))
    plain = celestial_wcs(image_of(cards()))
    assert (
        np.ptp(sky_positions(wcs, *grid((SIDE, SIDE)))[0] - sky_positions(plain, *grid((SIDE, SIDE)))[0])
        > 1e-5
    )


@pytest.mark.parametrize("axes", [1, 2, 3, 4])
def test_the_number_of_axes_may_be_odd(axes):
    wcs = celestial_wcs(image_of(cards(WCSAXES=axes)))
    assert wcs.naxis == 2
    assert_allclose(sky_positions(wcs, CENTRE, CENTRE), [[150.0], [2.0]], atol=1e-9)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"CD2_2": 2 * STEP_DEG}, '0.4" by 0.8" at 90.0 degrees'),
        ({"CD2_2": 1.03 * STEP_DEG}, '0.4" by 0.412" at 90.0 degrees'),
        ({"CD1_2": 0.5 * STEP_DEG, "CD2_2": 0.75**0.5 * STEP_DEG}, '0.4" by 0.4" at 120.0 degrees'),
        ({"kind": "TPV", "PV1_1": 1.1}, '0.44" by 0.4" at 90.0 degrees'),
        # Far from its equator, a plate carrée stretches longitudes.
        ({"kind": "CAR", "CRVAL2": 0.0, "CRPIX2": -60 / STEP_DEG}, 'by 0.4" at 90.0 degrees'),
    ],
)
def test_pixels_that_are_not_square_are_refused(changes, found):
    with pytest.raises(
        DataError, match=r"file\[0\]: expected square pixels within 2.0%, found pixels of .*"
    ) as raised:
        scale_of(cards(**changes))
    assert found in str(raised.value)


@pytest.mark.parametrize("flip", [1, -1])
@pytest.mark.parametrize("angle", [0, 30, 90, 135])
def test_turned_and_mirrored_pixels_are_square(angle, flip):
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    matrix = STEP_DEG * np.array([[flip * c, -s], [flip * s, c]])
    turned = {f"CD{i + 1}_{j + 1}": matrix[i, j] for i in (0, 1) for j in (0, 1)}
    assert scale_of(cards(**turned)).arcsec == pytest.approx(SCALE_ARCSEC, rel=1e-6)


def test_singular_and_boundless_pixels_are_refused():
    for changes in ({"CD1_2": STEP_DEG, "CD2_1": -STEP_DEG}, {"CRPIX1": 1e30}):
        with pytest.raises(DataError, match="expected pixels with an area on the sky, found none"):
            scale_of(cards(**changes))


def test_a_scale_that_varies_is_said_with_its_range(caplog):
    sip = {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-4, "B_0_2": 1e-4}
    scale = scale_of(cards("TAN-SIP", **sip))
    assert scale.variation > 0.02
    message = caplog.records[-1].getMessage()
    assert f'from {scale.lowest:.5g}" to {scale.highest:.5g}"; its median, {scale.arcsec:.5g}"' in message
    caplog.clear()
    scale_of(cards("TAN-SIP", **sip), tolerance=0.1)
    assert not caplog.records


def test_a_wcs_that_cannot_be_kept_is_refused(monkeypatch):
    """A header alone loses tables: what tiles were once written with."""
    monkeypatch.setattr(geometry, "write_wcs", lambda wcs: (wcs.to_header(relax=True), []))
    header, tables = lookup_tables()
    assert celestial_wcs(image_of(cards("TPV", PV1_1=1.05, PV2_1=1.05))) is not None
    with pytest.raises(
        DataError, match=r"expected a WCS that FITS cards can hold, found positions off by 0.8"
    ):
        celestial_wcs(image_of(header, tables))


def lookup_tables():
    """Header and tables that move an image by 1.5 px along both axes, 2.1 px or 0.85 arcsec on the whole."""
    made = WCS(cards())
    cell = np.full((8, 8), 1.5, np.float32)
    made.cpdis1, made.cpdis2 = (
        DistortionLookupTable(sign * cell, (1, 1), (1, 1), (57, 57)) for sign in (1, -1)
    )
    primary, *tables = made.to_fits(relax=True)
    return primary.header, tables


def test_tables_of_distortions_come_from_the_file(tmp_path):
    path, (header, tables) = tmp_path / "image.fits", lookup_tables()
    science = fits.ImageHDU(np.zeros((SIDE, SIDE), np.float32), header, name="SCI")
    fits.HDUList([fits.PrimaryHDU(), science, *tables]).writeto(path)
    wcs = celestial_wcs(read_image(path, "SCI"))
    plain = celestial_wcs(image_of(cards()))
    assert_allclose(
        sky_positions(wcs, CENTRE, CENTRE), sky_positions(plain, CENTRE + 1.5, CENTRE - 1.5), atol=1e-9
    )


@pytest.mark.parametrize("kept", [0, 1])
def test_tables_that_are_missing(kept):
    header, tables = lookup_tables()
    with pytest.raises(
        DataError, match=r"expected the tables of distortions that the header names"
    ) as raised:
        celestial_wcs(image_of(header, tables[:kept]))
    assert f"found {kept} tables" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.fixture
def ingest_case(make_case, make_recipe, tmp_path):
    """Ingest an image of the shared case of WCS kinds."""
    folder = make_case("wcs_kinds")

    def ingest(name, **facts):
        recipe = make_recipe(**facts)
        recipe["params"]["survey"] |= {
            "pixel_scale_arcsec": 0.396,
            "psf": {"kind": "gaussian", "fwhm_arcsec": 1.4},
        }
        recipe["params"]["survey"] |= {
            "background_rms": 0.031,
            "zero_point_mag": 22.5,
            "gain_e_per_unit": 989.5,
        }
        ingest_tile(recipe, folder / f"{name}.fits", tmp_path / "tile.fits")
        return Tile.read(tmp_path / "tile.fits")

    return ingest


@pytest.mark.parametrize("name", ["tpv_scale", "lookup"])
def test_shared_cases_that_are_read(ingest_case, make_case, name):
    tile = ingest_case(name)
    assert tile.meta.pixel_scale_arcsec == pytest.approx(0.396, rel=1e-4)
    with fits.open(make_case("wcs_kinds") / f"{name}.fits") as hdus:
        # Tables are read in the old way, from the list of HDUs.
        header = hdus["SCI" if name == "lookup" else 0].header
        expected = WCS(header, hdus).all_pix2world(*grid(tile.shape), 0)
    assert_allclose(tile.sky(*grid(tile.shape)), expected, atol=1e-9)


def test_the_shared_case_without_crval_has_no_wcs(ingest_case, caplog):
    tile = ingest_case("no_crval")
    assert tile.wcs is None
    assert np.isnan(tile.sky(CENTRE, CENTRE)).all()
    assert "no celestial WCS (CRVAL1, CRVAL2 not given)" in caplog.text


@pytest.mark.parametrize("name", ["radesys_j2000", "helioprojective"])
def test_shared_cases_that_are_refused(ingest_case, name):
    with pytest.raises(DataError, match=rf"{name}\.fits\[PRIMARY\]: expected "):
        ingest_case(name)


@pytest.mark.parametrize(
    ("image", "arcsec"),
    [
        ("sdss_run94_camcol1_field12/frame-r-000094-1-0012.fits.bz2", 0.39589),
        ("cfhtls_gri_cutout/CFHTLS-test_r.fits", 0.18600),
        ("hst_xdf_cutout/xdf_hst_wfc3ir_60mas_f160w_sci.fits", 0.06000),
    ],
)
def test_real_images(shared_data, image, arcsec):
    given = read_image(shared_data / image)
    wcs = celestial_wcs(given)
    scale = measured_scale(wcs, given, 0.02)
    assert scale.arcsec == pytest.approx(arcsec, rel=3e-5)
    assert scale.axis_ratio < 1.001
