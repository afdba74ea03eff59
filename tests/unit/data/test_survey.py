"""Surveys: every number has a source, every file loads, units convert."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from pydantic import ValidationError

from skymill.data.survey import (
    Survey,
    flux_scale,
    image_flux_to_njy,
    load_survey,
    mag_to_image_flux,
    mag_to_njy,
    njy_to_image_flux,
    njy_to_mag,
)
from skymill.errors import ConfigError

FOLDER = Path(__file__).resolve().parents[3] / "config" / "surveys"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
NUMBERS = {"pixel_scale_arcsec", "zero_point_mag", "gain_e_per_unit", "background_rms", "saturation", "psf"}
WORDS = {"name", "description", "band", "sources"}


@pytest.fixture(params=NAMES)
def survey(request) -> Survey:
    return load_survey(request.param, FOLDER)


def test_the_surveys_that_the_documents_name():
    assert {"sdss_r", "hst_f160w", "hst_f814w", "euclid_vis", "lsst_i"} <= set(NAMES)


def test_all_keys_are_words_or_numbers():
    assert set(Survey.model_fields) == NUMBERS | WORDS


def test_every_number_has_a_source(survey):
    given = {name for name in NUMBERS if getattr(survey, name) is not None}

    # A source may also say why a number is not given.
    assert given <= set(survey.sources) <= NUMBERS
    assert all(len(source) > 20 for source in survey.sources.values())


def test_numbers_are_of_one_camera(survey):
    # Cameras sample their PSF with 1.2 to 4 pixels; beyond that a number has the wrong unit.
    assert 1.2 <= survey.psf_fwhm_px <= 5
    assert survey.psf_fwhm_px == survey.psf.fwhm_arcsec / survey.pixel_scale_arcsec
    # Saturation is a full well of 2e4 to 1e6 electrons an exposure, over an unknown number of exposures.
    if survey.saturation is not None:
        assert 1e4 <= survey.saturation * survey.gain_e_per_unit <= 1e9
        assert survey.saturation > 1000 * survey.background_rms
    # The sky's Poisson noise alone is more than one electron in any exposure.
    assert survey.background_rms * survey.gain_e_per_unit > 1
    # A point source at 5 sigma of a circle with radius one FWHM: 20 to 30 mag (the XDF) for surveys of today.
    noise = survey.background_rms * np.sqrt(np.pi) * survey.psf_fwhm_px
    assert 20 <= survey.zero_point_mag - 2.5 * np.log10(5 * noise) <= 30


@pytest.mark.parametrize("name", [name for name in NAMES if load_survey(name, FOLDER).psf.kind == "optical"])
def test_the_mirror_does_not_allow_a_sharper_image(name):
    survey = load_survey(name, FOLDER)
    # FWHM of an Airy pattern: 1.03 lambda / D, down to 0.9 with a large obscuration (Born & Wolf, section 8.5).
    limit = np.degrees(0.9 * survey.psf.wavelength_nm * 1e-9 / survey.psf.diameter_m) * 3600
    assert survey.psf.fwhm_arcsec > limit


def test_unknown_surveys_list_the_known():
    with pytest.raises(ConfigError, match=r"one of: .*sdss_r.*found 'sdss_u'.*docs/add-a-survey\.md"):
        load_survey("sdss_u", FOLDER)
    with pytest.raises(ConfigError, match="one of: none"):
        load_survey("sdss_r", FOLDER / "nothing")


@pytest.fixture
def facts() -> dict:
    return yaml.safe_load((FOLDER / "sdss_r.yaml").read_text())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pixel_scale": 0.4}, "pixel_scale: Extra inputs"),
        ({"pixel_scale_arcsec": 0}, "greater than 0"),
        ({"gain_e_per_unit": "much"}, "valid number"),
        ({"psf": {"kind": "airy", "fwhm_arcsec": 1}}, "'gaussian', 'moffat', 'double_gaussian', 'optical'"),
        ({"psf": {"kind": "moffat", "fwhm_arcsec": 1}}, "beta"),
        ({"name": "another"}, "expected name: mine, as the file is called"),
        ({"band": "../r"}, "band"),
    ],
)
def test_wrong_keys_are_named(tmp_path, facts, change, message):
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({**facts, "name": "mine", **change}))
    with pytest.raises(ConfigError, match=message) as caught:
        load_survey("mine", tmp_path)
    assert str(tmp_path / "mine.yaml") in str(caught.value)


def test_a_file_that_is_not_yaml(tmp_path):
    (tmp_path / "mine.yaml").write_text("{name: [")
    with pytest.raises(ConfigError, match=r"mine\.yaml: expected a survey"):
        load_survey("mine", tmp_path)


def test_a_survey_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        load_survey("sdss_r", FOLDER).gain_e_per_unit = 2.0


def test_one_nanojansky_and_the_zero_points_of_surveys():
    # AB: 3631 Jy at mag 0 (Oke & Gunn 1983); 31.4 is 0.06 mmag from it.
    assert njy_to_mag(3631e9) == pytest.approx(0, abs=1e-4)
    # A nanomaggy, the unit of SDSS frames, is 3.631 uJy; 31.4 for 31.40006 makes 6e-5 mag of that.
    assert image_flux_to_njy(1.0, 22.5) == pytest.approx(3631, rel=1e-4)
    # Zero-point 31.4 means nJy.
    assert image_flux_to_njy(7.5, 31.4) == 7.5
    assert mag_to_image_flux(22.5, 22.5) == 1


# Five magnitudes beyond anything that is seen.
MAGS, ZERO_POINTS = st.floats(-5, 40), st.floats(15, 35)


@given(MAGS, ZERO_POINTS)
def test_conversions_belong_together(mag, zero_point):
    image = mag_to_image_flux(mag, zero_point)
    njy = mag_to_njy(mag)

    # Rounding of ten powers: some 1e-15 relative.
    assert image_flux_to_njy(image, zero_point) == pytest.approx(njy, rel=1e-12)
    assert njy_to_image_flux(njy, zero_point) == pytest.approx(image, rel=1e-12)
    assert mag_to_image_flux(mag, 25.0) == pytest.approx(image * flux_scale(zero_point, 25.0), rel=1e-12)
    assert float(njy_to_mag(njy)) == pytest.approx(mag, abs=1e-12)


def test_units_that_differ_by_a_power_of_two_have_just_that_between_them():
    assert np.float32(flux_scale(22.5, 22.5 + 2.5 * np.log10(2.0**-11))) == np.float32(2.0**-11)


def test_arrays_and_fluxes_that_have_no_magnitude():
    found = njy_to_mag(np.array([1.0, 100.0, 0.0, -5.0, np.nan]))

    assert_allclose(found, [31.4, 26.4, np.nan, np.nan, np.nan])
    assert_allclose(mag_to_njy(found[:2]), [1, 100])
