from __future__ import annotations

from dataclasses import replace

import pytest

from skymill.config.ingest import SurveyMatch
from skymill.data.tile import TileMeta
from skymill.errors import DataError
from skymill.ingest.survey_check import check_survey

LIMITS = SurveyMatch()


@pytest.fixture
def meta(survey) -> TileMeta:
    return TileMeta("t", survey.name, "r", survey.pixel_scale_arcsec, 25.0, 2.0, None, survey.psf_fwhm_px)


def test_a_tile_of_the_survey_fits(meta, survey):
    check_survey(meta, survey, LIMITS, "file")
    check_survey(replace(meta, psf_fwhm_px=meta.psf_fwhm_px * 1.29), survey, LIMITS, "file")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pixel_scale_arcsec": 0.2}, r'a pixel scale of 0\.4" within 2% \(survey test_r\), found 0\.2"'),
        ({"psf_fwhm_px": 7.0}, r'a PSF FWHM of 1\.4" within 30% \(survey test_r\), found 2\.8"'),
        ({"psf_fwhm_px": 1.0}, r'found 0\.4"'),
    ],
)
def test_both_numbers_are_in_the_message(meta, survey, change, message, caplog):
    other = replace(meta, **change)
    if "pixel_scale_arcsec" in change:  # the same PSF on the sky
        other = replace(other, psf_fwhm_px=meta.psf_fwhm_px * 2)

    with pytest.raises(DataError, match=message):
        check_survey(other, survey, LIMITS, "file")
    check_survey(other, survey, SurveyMatch(on_mismatch="go_on"), "file")
    assert "Going on" in caplog.text


def test_a_tile_without_a_psf_fits_nothing(meta, survey):
    with pytest.raises(DataError, match="PSF"):
        check_survey(replace(meta, psf_fwhm_px=float("nan")), survey, LIMITS, "file")
