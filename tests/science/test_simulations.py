"""Drawn galaxies are what the truth says: flux, centre, size, angle, PSF. Each tolerance has its reason."""

from __future__ import annotations

from pathlib import Path

import galsim
import numpy as np
import pytest

from skymill.config.simulate import ParametricPriors
from skymill.data.survey import Survey, load_survey, mag_to_image_flux
from skymill.simulate.draw import drawing_parameters
from skymill.simulate.parametric import Parametric, bulge_and_disc
from skymill.simulate.psf import effective_psf

SURVEYS = ["euclid_vis", "hst_f160w", "hst_f814w", "lsst_i", "sdss_r"]
STRICT = galsim.GSParams(folding_threshold=1e-3, maxk_threshold=2e-4, maximum_fft_size=16384)


@pytest.fixture(params=SURVEYS)
def survey(request: pytest.FixtureRequest, repository: Path) -> Survey:
    return load_survey(request.param, repository / "config/surveys")


@pytest.fixture
def sdss(repository: Path) -> Survey:
    return load_survey("sdss_r", repository / "config/surveys")


def population(survey: Survey, **keys) -> Parametric:
    return Parametric(ParametricPriors(kind="parametric", **keys), survey, 1, "simulate", "science")


def disc(survey: Survey, re_px: float = 8.0, **keys) -> dict:
    """A pure disc whose size is given in pixels."""
    galaxy = {"kind": "bulge_disc", "mag": 20.0} | dict.fromkeys(
        ("bulge_to_total", "knots_fraction", "theta", "dx", "dy"), 0.0
    )
    return {**galaxy, "disc_re": re_px * survey.pixel_scale_arcsec, "q_disc": 1.0, **keys}


def moments(image: np.ndarray) -> dict[str, float]:
    """Centre, angle (degrees from +x towards +y) and second moments of an image."""
    light = image.astype(np.float64)
    rows, columns = np.indices(light.shape)
    total = light.sum()
    x, y = (light * columns).sum() / total, (light * rows).sum() / total
    xx, yy = (light * (columns - x) ** 2).sum() / total, (light * (rows - y) ** 2).sum() / total
    xy = (light * (columns - x) * (rows - y)).sum() / total
    return {"x": x, "y": y, "xx": xx, "yy": yy, "theta": np.degrees(0.5 * np.arctan2(2 * xy, xx - yy))}


def strict_stamp(galaxy: dict, survey: Survey, size: int) -> np.ndarray:
    """The same galaxy by GalSim with stricter settings, for which the Fourier image is up to five times larger."""
    profile = galsim.Convolve(
        [bulge_and_disc(galaxy, STRICT), effective_psf(survey.psf).withGSParams(STRICT)]
    )
    flux = mag_to_image_flux(galaxy["mag"], survey.zero_point_mag)
    image = galsim.ImageD(size, size, scale=survey.pixel_scale_arcsec)
    offset = (0.5 + galaxy["dx"], 0.5 + galaxy["dy"])
    return (profile * flux).drawImage(image=image, method="no_pixel", offset=offset).array


def test_flux_in_the_stamp_is_right_to_one_part_in_a_thousand(survey: Survey):
    """The bound that simulate promises: Fourier folding (5e-3 of the light) hardly reaches the stamp."""
    galaxies = population(survey, bulge_n=(1, 4), bulge_n_step=1.5)
    truth = galaxies.truth(np.arange(3))
    for number in range(3):
        galaxy = {name: values[number] for name, values in truth.items()}
        flux = mag_to_image_flux(galaxy["mag"], survey.zero_point_mag)
        drawn, exact = galaxies.draw(galaxy, 96), strict_stamp(galaxy, survey, 96)

        assert abs(drawn.sum(dtype=np.float64) - exact.sum()) < 1e-3 * flux
        # No pixel is off by more than 1 % of its value, or by 0.1 % of the peak where there is little light.
        assert (np.abs(drawn - exact) < 0.01 * np.abs(exact) + 1e-3 * exact.max()).all()


@pytest.mark.parametrize(("dx", "dy"), [(0.0, 0.0), (0.4, -0.3), (-0.5, 0.49)])
def test_the_centre_is_the_nominal_pixel_plus_dx_dy(survey: Survey, dx: float, dy: float):
    """Sign and size of the offsets; a round disc of 4 px loses nothing that matters beyond 96 px."""
    found = moments(population(survey).draw(disc(survey, 4.0, dx=dx, dy=dy), 96))

    # 0.02 px: the Airy wings of space telescopes are cut off unevenly by an off-centre stamp.
    assert found["x"] == pytest.approx(48 + dx, abs=0.02)
    assert found["y"] == pytest.approx(48 + dy, abs=0.02)


@pytest.mark.parametrize("theta", [-80.0, -30.0, 0.0, 25.0, 60.0, 89.0])
def test_theta_runs_from_x_towards_y(sdss: Survey, theta: float):
    """Counter-clockwise with rows as y: the convention of THETA_IMAGE. 0.3 degrees: sampling and the square stamp."""
    found = moments(population(sdss).draw(disc(sdss, 6.0, q_disc=0.4, theta=theta), 128))

    assert (found["theta"] - theta + 90) % 180 - 90 == pytest.approx(0, abs=0.3)


def test_the_major_axis_is_along_theta_on_the_array(sdss: Survey):
    """An elongated galaxy at 45 degrees is bright where row and column grow together."""
    image = population(sdss).draw(disc(sdss, 6.0, q_disc=0.3, theta=45.0), 64)

    assert image[32 + 6, 32 + 6] > 5 * image[32 - 6, 32 + 6]


@pytest.mark.parametrize("re_px", [8.0, 15.0])
def test_half_of_the_light_is_within_the_half_light_radius(sdss: Survey, re_px: float):
    """Radii add in quadrature where the PSF (half of its width: 1.7 px) is small; pixels count by their centres."""
    image = population(sdss).draw(disc(sdss, re_px), 256)
    rows, columns = np.indices(image.shape)
    radius = np.hypot(rows - 128, columns - 128)
    expected = np.hypot(re_px, sdss.psf_fwhm_px / 2)
    inside = image[radius < expected].sum() / image.sum()

    assert inside == pytest.approx(0.5, abs=0.03)


def test_axis_ratio_and_semi_major_radius(sdss: Survey):
    """Second moments of an exponential disc: along an axis of half-light radius a they are 3 (a / 1.678)^2.

    Moments of the PSF come on top along both axes; taking the difference of the axes removes them. 2 %: the stamp
    cuts the outermost light off.
    """
    a, q = 10.0, 0.5
    found = moments(population(sdss).draw(disc(sdss, a, q_disc=q), 300))

    assert found["xx"] - found["yy"] == pytest.approx(3 * (a / 1.67835) ** 2 * (1 - q**2), rel=0.02)


def test_a_star_has_the_survey_s_width(survey: Survey):
    """Full width at half maximum on the pixel grid, the pixel's own blur included, to 4 %: interpolated pixels."""
    galaxy = disc(survey, kind="point")
    row = population(survey).draw(galaxy, 64)[32]
    right = np.interp(-row.max() / 2, -row[32:], np.arange(32.0))
    # Between the samples of a peaked profile the straight line lies outside it: compare with samples of the PSF.
    psf = (
        effective_psf(survey.psf)
        .drawImage(nx=65, ny=65, scale=survey.pixel_scale_arcsec, method="no_pixel")
        .array[32]
    )
    ideal = np.interp(-psf.max() / 2, -psf[32:], np.arange(33.0))

    assert right == pytest.approx(ideal, rel=1e-3)
    assert 2 * right == pytest.approx(survey.psf_fwhm_px, rel=0.1)


def test_flux_follows_the_zero_point(survey: Survey):
    """Five magnitudes are a factor of 100, to single precision."""
    galaxies = population(survey)
    bright, faint = (
        galaxies.draw(disc(survey, 4.0, mag=mag), 64).sum(dtype=np.float64) for mag in (17.0, 22.0)
    )

    assert bright / faint == pytest.approx(100, rel=1e-5)


def test_fourier_drawing_and_photon_shooting_agree(sdss: Survey):
    """An independent way to draw: 4 million photons. Each 8 x 8 px block agrees within five Poisson errors."""
    galaxy = disc(sdss, 5.0, q_disc=0.5, theta=30.0, dx=0.2, dy=-0.3)
    flux = mag_to_image_flux(20.0, sdss.zero_point_mag)
    parameters = drawing_parameters(4096)
    profile = galsim.Convolve([bulge_and_disc(galaxy, parameters), effective_psf(sdss.psf)])
    photons = 4_000_000
    shot = galsim.ImageD(64, 64, scale=sdss.pixel_scale_arcsec)
    # The effective PSF has the pixel in it, while counting photons in pixels blurs once more: use 1/4 px cells.
    fine = galsim.ImageD(256, 256, scale=sdss.pixel_scale_arcsec / 4)
    offset = (4 * (0.5 + 0.2), 4 * (0.5 - 0.3))
    profile.drawImage(image=fine, method="phot", n_photons=photons, rng=galsim.BaseDeviate(1), offset=offset)
    shot = fine.array.reshape(8, 32, 8, 32).sum(axis=(1, 3)) * flux
    drawn = (
        np.asarray(population(sdss).draw(galaxy, 64), dtype=np.float64).reshape(8, 8, 8, 8).sum(axis=(1, 3))
    )
    error = np.sqrt(np.maximum(drawn / flux, 1e-5) / photons) * flux

    # 0.2 % of the flux: light moves across the blocks' borders by the difference of sampling and summing.
    assert (np.abs(shot - drawn) < 5 * error + 2e-3 * flux).all()


def test_blended_light_gives_back_the_published_separation_rule():
    """Distances in units of radii of the published blends reach from 0.8 to 4, and the report bins them alike."""
    from skymill.blend.separation import SEPARATIONS
    from skymill.config.blend import RadiusSeparation

    radii = np.random.default_rng(1).uniform(1.6, 23, (2000, 2))
    limits = np.array([SEPARATIONS["radius"](RadiusSeparation(limit_px=64), *pair) for pair in radii])
    in_re = limits / radii.max(axis=1)[:, None]

    assert in_re[:, 1].max() <= 4 and (limits[:, 0] < limits[:, 1]).all()
    # Where 4 min(Re) is below max(Re) the pair is nearer than one radius, down to 0.8 of 4 min(Re).
    squeezed = 4 * radii.min(axis=1) <= radii.max(axis=1)
    np.testing.assert_allclose(limits[squeezed, 0], 3.2 * radii.min(axis=1)[squeezed])
    np.testing.assert_allclose(in_re[~squeezed, 0], 1.0)
