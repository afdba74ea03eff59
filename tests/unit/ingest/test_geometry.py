from __future__ import annotations

import pytest
from astropy.io import fits

from skymill.errors import DataError
from skymill.ingest.geometry import celestial_wcs, pixel_scale_arcsec


def test_the_pixel_scale_is_that_of_the_wcs(header):
    wcs = celestial_wcs(header(0.27), "file")

    assert pixel_scale_arcsec(wcs) == pytest.approx(0.27, rel=1e-6)


def test_old_keywords_are_no_trouble(header):
    old = header()
    del old["RADESYS"]
    old["RADECSYS"] = "FK5"

    assert celestial_wcs(old, "file").has_celestial


@pytest.mark.parametrize("cards", [{}, {"CTYPE1": "LINEAR", "CTYPE2": "LINEAR", "CRPIX1": 1.0}])
def test_without_celestial_coordinates_there_is_a_warning(cards, caplog):
    assert celestial_wcs(fits.Header(cards), "file[0]") is None
    assert "file[0]: no celestial WCS" in caplog.text


def test_a_broken_wcs_is_an_error(header):
    broken = header()
    broken["CDELT1"] = 0.0

    with pytest.raises(DataError, match=r"file\[0\]: expected a readable WCS"):
        celestial_wcs(broken, "file[0]")
