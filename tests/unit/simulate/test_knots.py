from __future__ import annotations

import galsim
import numpy as np
import pytest

from skymill.config.simulate import KnotsConfig, ParametricPriors
from skymill.simulate.knots import OUTERMOST, SCALE_LENGTHS_PER_RE, Knots, draw_knots, scatter_knots
from skymill.simulate.parametric import Parametric

GALAXY = {"disc_re": 2.0, "q_disc": 0.4, "theta": 30.0}
PSF = galsim.Moffat(fwhm=0.7, beta=4)


def one_knot(x: float, y: float, sigma: float) -> Knots:
    return Knots(*(np.array([value]) for value in (x, y, sigma, 1.0)))


def test_a_knot_is_a_gaussian_through_the_psf():
    seen = draw_knots(one_knot(0.9, -0.3, 0.25), PSF, 64, 0.3, -0.2, 0.2)
    expected = galsim.Convolve([galsim.Gaussian(sigma=0.25).shift(0.9, -0.3), PSF]).drawImage(
        nx=64, ny=64, scale=0.2, method="no_pixel", offset=(0.5 + 0.3, 0.5 - 0.2)
    )

    # The knot's wings come back from the grid's edges, which leaves a few 1e-5 of the peak.
    np.testing.assert_allclose(seen, expected.array, atol=1e-3 * seen.max())


def test_a_psf_that_is_sampled_coarsely_is_not_blurred():
    narrow = galsim.Gaussian(fwhm=0.25)
    seen = draw_knots(one_knot(0.11, 0.05, 0.02), narrow, 32, 0.0, 0.0, 0.2)
    expected = galsim.Gaussian(sigma=np.hypot(narrow.sigma, 0.02)).shift(0.11, 0.05)
    expected = expected.drawImage(nx=32, ny=32, scale=0.2, method="no_pixel", offset=(0.5, 0.5))

    np.testing.assert_allclose(seen, expected.array, atol=5e-3 * seen.max())


def test_knots_of_flux_one_add_up_and_those_off_the_grid_leave_no_trace():
    inside = Knots(np.array([0.0, 1.0]), np.array([0.5, -1.0]), np.full(2, 0.2), np.array([0.3, 0.7]))
    outside = Knots(np.array([0.0, 99.0]), np.array([0.5, 0.0]), np.full(2, 0.2), np.array([0.3, 0.7]))

    assert draw_knots(inside, PSF, 96, 0.0, 0.0, 0.2).sum() == pytest.approx(1, abs=0.01)
    assert draw_knots(outside, PSF, 96, 0.0, 0.0, 0.2).sum() == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize("x", [-28.0, -20.0, -12.0, 12.0, 20.0, 28.0])
def test_knots_beyond_the_stamp_do_not_come_back_from_its_other_side(x: float):
    """A stamp of 19.2 arcsec, whose middle is at 0."""
    assert np.abs(draw_knots(one_knot(x, 0.0, 0.2), PSF, 96, 0.0, 0.0, 0.2)).max() < 1e-4


@pytest.mark.parametrize("spiral_fraction", [0.0, 1.0])
def test_knots_lie_in_the_disc(spiral_fraction: float):
    config = KnotsConfig(number=(1000, 1000), spiral_fraction=spiral_fraction)
    knots = scatter_knots(GALAXY, config, np.random.default_rng(3))
    theta = np.radians(30)
    along = knots.x * np.cos(theta) + knots.y * np.sin(theta)
    beside = (-knots.x * np.sin(theta) + knots.y * np.cos(theta)) / 0.4
    radius = np.hypot(along, beside)

    assert len(knots.x) == 1000
    assert knots.share.sum() == pytest.approx(1)
    assert radius.max() <= OUTERMOST * 2.0 / SCALE_LENGTHS_PER_RE
    # Half of an exponential disc's light lies within its half-light radius, more of one that ends.
    assert np.mean(radius < 2.0) == pytest.approx(0.5 / 0.8, abs=0.05)
    # Knots fade outwards: those of the outer half are fainter.
    outer = radius > np.median(radius)
    assert knots.share[outer].mean() < 0.8 * knots.share[~outer].mean()
    assert 0.05 * 2.0 <= knots.sigma.min() <= knots.sigma.max() <= 0.25 * 2.0


def test_the_middle_of_the_knots_may_lie_off_the_disc_s():
    config = KnotsConfig(number=(1000, 1000), spiral_fraction=0.0, offset_re=(0.5, 0.5))
    middles = []
    for seed in range(6):
        knots = scatter_knots({**GALAXY, "q_disc": 1.0}, config, np.random.default_rng(seed))
        middles.append((knots.x.mean(), knots.y.mean()))

    np.testing.assert_allclose(np.hypot(*np.transpose(middles)), 0.5 * 2.0, rtol=0.15)
    assert np.std(np.arctan2(*np.transpose(middles))) > 0.5


def test_a_lopsided_galaxy_s_place_is_the_centroid_of_its_light(survey):
    priors = ParametricPriors(
        mag=(20, 21), knots={"probability": 1.0, "disc_fraction": (0.8, 0.9), "offset_re": (0.5, 0.6)}
    )
    population = Parametric(priors, survey, 1, "simulate", "toys")
    truth = population.truth(np.arange(60))
    small = np.flatnonzero((truth["knots_fraction"] > 0.5) & (truth["disc_re"] < 0.4))[:8]
    grid = np.arange(160) - 80
    for number in small:
        galaxy = {name: values[number] for name, values in truth.items()} | {"galaxy_id": number}
        image = population.draw(galaxy, 160)
        centroid = (image @ grid).sum() / image.sum(), (grid @ image).sum() / image.sum()

        np.testing.assert_allclose(centroid, (galaxy["dx"], galaxy["dy"]), atol=0.1)
    assert len(small) == 8


def test_arms_wind_as_their_pitch_says():
    config = KnotsConfig(number=(1000, 1000), spiral_fraction=1.0, pitch_deg=(20.0, 20.0))
    knots = scatter_knots({**GALAXY, "q_disc": 1.0}, config, np.random.default_rng(8))
    radius = np.hypot(knots.x, knots.y) * SCALE_LENGTHS_PER_RE / 2.0
    unwound = np.arctan2(knots.y, knots.x) - np.radians(30) - np.log(radius) / np.tan(np.radians(20))

    # Unwound, arms are straight: the mean of exp(i m angle) is large for one number m of arms, and only there.
    strength = [abs(np.exp(1j * arms * unwound).mean()) for arms in range(1, 5)]
    assert max(strength) > 0.3
    assert abs(np.exp(1j * np.arctan2(knots.y, knots.x)).mean()) < 0.3


@pytest.fixture
def priors() -> ParametricPriors:
    return ParametricPriors(mag=(20, 21), knots={"probability": 0.5}, bulge_only_fraction=0.2)


def test_about_as_many_discs_have_knots_as_is_asked(priors: ParametricPriors, survey):
    truth = Parametric(priors, survey, 1, "simulate", "toys").truth(np.arange(500))
    has_disc = truth["bulge_to_total"] < 1

    assert np.mean(truth["knots_fraction"][has_disc] > 0) == pytest.approx(0.5, abs=0.07)
    assert (truth["knots_fraction"][~has_disc] == 0).all()
    assert (truth["knots_fraction"] <= 0.6 * (1 - truth["bulge_to_total"])).all()


def test_knots_change_a_galaxy_s_looks_and_not_its_flux(priors: ParametricPriors, survey):
    population = Parametric(priors, survey, 1, "simulate", "toys")
    truth = population.truth(np.arange(40))
    number = int(np.argmax(truth["knots_fraction"] * (truth["re"] < 0.5)))
    galaxy = {name: values[number] for name, values in truth.items()} | {"galaxy_id": number}
    smooth = population.draw({**galaxy, "knots_fraction": 0.0}, 160)
    knotty = population.draw(galaxy, 160)

    assert galaxy["knots_fraction"] > 0.1
    assert knotty.sum() == pytest.approx(smooth.sum(), rel=0.02)
    assert np.abs(knotty - smooth).sum() > 0.1 * smooth.sum()
    np.testing.assert_array_equal(knotty, population.draw(galaxy, 160))
