from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from skymill.config.simulate import RealPriors
from skymill.errors import ConfigError, DataError
from skymill.simulate.real import Real

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
    with pytest.raises(
        ConfigError, match=r"catalogue_mag: expected a range that holds .*20\.15 to 25\.98 mag"
    ):
        real(cosmos, catalogue_mag=(10, 12))


@pytest.mark.parametrize("content", [None, b"", b"not FITS"])
def test_a_broken_catalogue_is_named(real, tmp_path, content: bytes | None):
    path = tmp_path / "catalogue.fits"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"catalogue\.fits: expected a GalSim RealGalaxyCatalog"):
        real(str(path))
