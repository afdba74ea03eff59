from __future__ import annotations

import galsim
import numpy as np
import pytest

from skymill.config.simulate import ParametricPriors
from skymill.simulate.draw import drawing_parameters
from skymill.simulate.parametric import Parametric, bulge_and_disc

GALAXY = {
    "kind": "bulge_disc",
    "mag": 20.0,
    "bulge_to_total": 0.4,
    "knots_fraction": 0.0,
    "bulge_n": 2.0,
    "bulge_re": 0.4,
    "disc_re": 1.2,
    "q_bulge": 0.8,
    "q_disc": 0.4,
    "theta": 30.0,
    "dx": 0.25,
    "dy": -0.125,
}
PARAMETERS = drawing_parameters(4096)


@pytest.fixture
def population(priors: ParametricPriors, survey) -> Parametric:
    return Parametric(priors, survey, 1, "simulate", "toys")


@pytest.mark.parametrize("fraction", [0.0, 0.4, 1.0])
def test_the_profile_has_flux_one_whatever_its_parts(fraction: float):
    assert bulge_and_disc({**GALAXY, "bulge_to_total": fraction}, PARAMETERS).flux == pytest.approx(1)


def test_radii_are_along_the_major_axis():
    disc = bulge_and_disc({**GALAXY, "bulge_to_total": 0.0}, PARAMETERS)
    expected = galsim.Exponential(half_light_radius=1.2 * 0.4**0.5).shear(q=0.4, beta=30 * galsim.degrees)
    # At the end of the major axis, semi-major radius from the centre, the surface brightness is that at re.
    x, y = 1.2 * np.cos(np.pi / 6), 1.2 * np.sin(np.pi / 6)

    assert disc.xValue(x, y) == pytest.approx(expected.xValue(x, y), rel=1e-6)
    assert disc.xValue(x, y) > 3 * disc.xValue(-y, x)


def test_the_flux_is_that_of_the_magnitude(population: Parametric):
    # All but 1 % of a profile of 6 px lies on 128 px.
    assert population.draw(GALAXY, 128).sum() == pytest.approx(10 ** (0.4 * (25 - 20)), rel=0.01)


def test_points_are_the_psf(population: Parametric, survey):
    star = population.draw({**GALAXY, "kind": "point", "dx": 0.0, "dy": 0.0}, 33)
    expected = (
        galsim.Moffat(fwhm=0.7, beta=4, flux=100).drawImage(nx=33, ny=33, scale=0.2, method="no_pixel").array
    )

    np.testing.assert_allclose(star, expected, atol=1e-4 * expected.max())


def test_a_galaxy_drawn_twice_is_the_same(population: Parametric, priors: ParametricPriors, survey):
    again = Parametric(priors, survey, 1, "simulate", "toys")

    np.testing.assert_array_equal(population.draw(GALAXY, 64), again.draw(GALAXY, 64))


def test_truth_and_split_go_by_the_galaxy_s_number(population: Parametric):
    index = np.arange(6)

    np.testing.assert_array_equal(population.split_keys(index), index)
    assert population.truth(index)["mag"][4] == population.truth(np.array([4]))["mag"][0]
