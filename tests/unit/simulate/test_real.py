from __future__ import annotations

from pathlib import Path

import galsim
import numpy as np
import pytest
from astropy.io import fits

from skymill.config.simulate import RealPriors
from skymill.data.survey import Survey, load_survey
from skymill.errors import ConfigError, DataError
from skymill.simulate.psf import effective_psf
from skymill.simulate.real import Real, flux_mismatch

pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # GalSim's own


@pytest.fixture
def real(survey):
    def make(path: str, survey=survey, **keys) -> Real:
        priors = RealPriors(kind="real", catalogue=path, **{"catalogue_mag": (18.0, 24.0), **keys})
        return Real(priors, survey, 1, "simulate", "cosmos")

    return make


def galaxy(population: Real, number: int) -> dict:
    truth = population.truth(np.array([number]))
    return {"galaxy_id": number, **{name: values[0] for name, values in truth.items()}}


def test_magnitudes_come_from_the_catalogue(real, cosmos: str):
    population = real(cosmos, mag_offset=0.5)
    mag = fits.getdata(cosmos, 1)["MAG"]
    chosen = mag[(mag >= 18) & (mag <= 24)]

    np.testing.assert_allclose(population.truth(np.arange(len(chosen)))["mag"], chosen + 0.5)


def test_magnitudes_can_be_drawn(real, cosmos: str):
    mag = real(cosmos, mag=(20, 21)).truth(np.arange(30))["mag"]

    assert len(np.unique(mag)) == 30 and mag.min() >= 20 and mag.max() <= 21


def test_galaxies_of_one_image_stay_together(real, cosmos: str):
    population = real(cosmos)
    keys = population.split_keys(np.arange(500))
    images = len(np.unique(keys))

    np.testing.assert_array_equal(keys[:100], keys[images : images + 100])


def test_flux_and_centre_of_a_drawn_galaxy(real, cosmos: str):
    population = real(cosmos, is_rotated=False)
    one = {**galaxy(population, 0), "dx": 0.3, "dy": -0.2}
    image = population.draw(one, 64)
    rows, columns = np.indices(image.shape)
    window = np.exp(-((columns - 32) ** 2 + (rows - 32) ** 2) / (2 * 3.0**2))
    x = (image * window * columns).sum() / (image * window).sum()
    y = (image * window * rows).sum() / (image * window).sum()

    # PSF wings and the images' noise leave a few per cent outside; the window halves offsets about.
    assert image.sum() == pytest.approx(10 ** (0.4 * (25 - one["mag"])), rel=0.03)
    assert 0 < x - 32 < 0.4 and -0.4 < y - 32 < 0


def test_rotation_belongs_to_the_galaxy(real, cosmos: str):
    population = real(cosmos)
    images = len(np.unique(population.split_keys(np.arange(500))))
    first, second = galaxy(population, 1), galaxy(population, 1 + images)
    same = {**second, "mag": first["mag"], "dx": first["dx"], "dy": first["dy"]}

    np.testing.assert_array_equal(population.draw(first, 32), real(cosmos).draw(first, 32))
    assert np.abs(population.draw(first, 32) - population.draw(same, 32)).max() > 0


def test_radii_are_measured(real, cosmos: str):
    re = real(cosmos).truth(np.arange(18))["re"]

    # The COSMOS galaxies brighter than 24 mag have half-light radii of 0.1 to 1.5 arcsec (Leauthaud et al. 2007).
    assert re.min() > 0.05 and re.max() < 1.5 and 0.1 < np.median(re) < 0.8


def test_noise_can_be_continued_beyond_the_image(real, cosmos: str):
    plain, padded = real(cosmos, is_rotated=False), real(cosmos, is_rotated=False, noise_pad_arcsec=12.0)
    one = galaxy(plain, 0)
    corner = np.s_[:12, :12]

    assert padded.draw(one, 48)[corner].std() > 3 * plain.draw(one, 48)[corner].std()
    np.testing.assert_array_equal(padded.draw(one, 48), padded.draw(one, 48))


def test_a_sharper_survey_is_refused(real, make_survey, cosmos: str):
    sharp = make_survey(psf={"kind": "gaussian", "fwhm_arcsec": 0.05}, pixel_scale_arcsec=0.02)
    with pytest.raises(
        ConfigError, match=r"cosmos, catalogue: expected images that are sharper than survey toy"
    ):
        real(cosmos, sharp)


def test_an_empty_selection_is_refused(real, cosmos: str):
    with pytest.raises(ConfigError, match=r"catalogue_mag and min_image_px: expected .*20\.15 to 25\.98 mag"):
        real(cosmos, catalogue_mag=(10, 12))
    with pytest.raises(ConfigError, match=r"found \[18, 24\] with 20 galaxies, none on 500 px"):
        real(cosmos, min_image_px=500)


def test_small_images_are_left_out(real, cosmos: str):
    population = real(cosmos, min_image_px=64)
    rows = np.unique(population.split_keys(np.arange(500)))
    catalogue = galsim.RealGalaxyCatalog(Path(cosmos).name, dir=str(Path(cosmos).parent))

    assert 0 < len(rows) < 20
    assert min(min(catalogue.getGalImage(int(row)).array.shape) for row in rows) >= 64


def test_images_that_hold_other_light_are_left_out(real, cosmos: str):
    """One of the 40 galaxies brighter than 24.5 mag: a third of its light is missing from its image."""
    few = real(cosmos, catalogue_mag=(18, 24.5), max_noise_rms=10)
    all_of_them = real(cosmos, catalogue_mag=(18, 24.5), max_noise_rms=10, max_flux_mismatch_mag=10)

    assert len(all_of_them._rows) - len(few._rows) == 1
    mag = np.array([20.0, 21.0, 22.0, 23.0, 24.0])
    flux = 10 ** (0.4 * (26.0 - mag)) * np.array([1, 1, 2, 1, -1])
    np.testing.assert_allclose(flux_mismatch(mag, flux), [0, 0, 2.5 * np.log10(2), 0, np.inf], atol=1e-12)


def noise_alone(catalogue: str, row: int, survey: Survey) -> float:
    """Noise per pixel of the survey in the padding around an image, drawn with the image's own flux."""
    galaxy = galsim.RealGalaxy(
        galsim.RealGalaxyCatalog(Path(catalogue).name, dir=str(Path(catalogue).parent)),
        index=row,
        rng=galsim.BaseDeviate(5),
        noise_pad_size=160 * survey.pixel_scale_arcsec,
    )
    seen = galsim.Convolve([galaxy, effective_psf(survey.psf)])
    image = seen.drawImage(nx=160, ny=160, scale=survey.pixel_scale_arcsec, method="no_pixel").array
    return float(np.concatenate([image[4:40, 4:-4], image[-40:-4, 4:-4]]).std() / galaxy.flux)


def test_no_galaxy_is_brighter_than_its_noise_allows(real, make_survey, cosmos: str):
    """The padding is noise alone; 15 %: it has a few hundred independent pixels, and PSFs differ a little."""
    survey = make_survey(
        background_rms=0.004, psf={"kind": "gaussian", "fwhm_arcsec": 0.3}, pixel_scale_arcsec=0.1
    )
    population = real(cosmos, survey, mag=(15, 24), mag_slope=-1.0)
    index = np.arange(2 * len(np.unique(population.split_keys(np.arange(500)))))
    mag, rows = population.truth(index)["mag"], population.split_keys(index)
    for row in rows[:5]:
        noise = noise_alone(cosmos, int(row), survey) * 10 ** (0.4 * (25 - mag[rows == row].min()))
        assert noise < 1.15 * 0.3 * survey.background_rms
    # With counts that rise steeply towards the bright end galaxies crowd at their limits.
    at_limit = noise_alone(cosmos, int(rows[0]), survey) * 10 ** (0.4 * (25 - population._brightest[0]))
    assert at_limit == pytest.approx(0.3 * survey.background_rms, rel=0.15)
    assert mag.max() <= 24


def test_galaxies_of_too_noisy_images_are_not_used(real, make_survey, cosmos: str):
    deep = make_survey(background_rms=0.002)
    used = [len(real(cosmos, deep, mag=(15, 24), max_noise_rms=limit)._rows) for limit in (0.3, 3.0)]

    assert 0 < used[0] < used[1] == 20
    # At the catalogue's own magnitudes nearly all have the same noise: they were exposed alike.
    assert len(real(cosmos, deep, max_noise_rms=3.0)._rows) == 19
    with pytest.raises(
        ConfigError, match=r"max_noise_rms: expected whole .*found none of 20; the best may be .* mag"
    ):
        real(cosmos, deep, mag=(15, 16))


@pytest.mark.parametrize(("survey_name", "usable"), [("hst_f160w", 16), ("sdss_r", 39)])
def test_drawn_light_is_the_true_flux(cosmos: str, repository: Path, survey_name: str, usable: int):
    """Within five half-light radii, to 5 %: the wings of the PSF, above all of Hubble's Airy pattern, lie outside."""
    survey = load_survey(survey_name, repository / "config/surveys")
    mag = {"hst_f160w": (20, 24), "sdss_r": (17, 22)}[survey_name]
    priors = RealPriors(kind="real", catalogue=cosmos, catalogue_mag=(18, 24.5), mag=mag)
    population = Real(priors, survey, 1, "simulate", "cosmos")
    rows, columns = np.indices((128, 128))
    ratios = []
    for number in range(usable):
        one = galaxy(population, number)
        image = population.draw(one, 128)
        radius = 5 * np.hypot(one["re"], survey.psf.fwhm_arcsec / 2) / survey.pixel_scale_arcsec
        inside = np.hypot(columns - 64 - one["dx"], rows - 64 - one["dy"]) < radius
        ratios.append(image[inside].sum() / 10 ** (0.4 * (survey.zero_point_mag - one["mag"])))

    assert len(population._rows) == usable
    assert min(ratios) > 0.95 and max(ratios) < 1.01
    assert np.std(ratios) < 0.01


@pytest.mark.parametrize("content", [None, b"", b"not FITS"])
def test_a_broken_catalogue_is_named(real, tmp_path, content: bytes | None):
    path = tmp_path / "catalogue.fits"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"catalogue\.fits: expected a GalSim RealGalaxyCatalog"):
        real(str(path))
