"""Light within circles, on profiles whose integrals are known."""

import numpy as np
import pytest
from scipy.special import gammaincinv

from skymill.metrics.growth import concentration, growth_curves, petrosian_radius, radius_of_fraction
from skymill.metrics.images import aperture_flux

SIDE, CENTRE = 256, 127.6


def sersic(index, re, side=SIDE, factor=5, centre=CENTRE):
    """One Sersic profile, averaged over `factor` squared points of each pixel, (1, side, side)."""
    axis = (np.arange(side * factor) + 0.5) / factor - 0.5 - centre
    radius = np.hypot(axis[:, None], axis[None, :])
    fine = np.exp(-gammaincinv(2 * index, 0.5) * (radius / re) ** (1 / index))
    return fine.reshape(side, factor, side, factor).mean(axis=(1, 3))[None]


@pytest.fixture(scope="module")
def at():
    return np.array([CENTRE]), np.array([CENTRE])


def test_growth_is_the_aperture_flux(at):
    image = sersic(1, 12.0) + np.random.default_rng(31).normal(0, 0.1, (1, SIDE, SIDE))
    radii = np.array([0.6, 2.0, 5.3, 60.0])
    (curve,) = growth_curves(image, *at, radii)
    np.testing.assert_allclose(curve, [aperture_flux(image, *at, radius)[0] for radius in radii])


def test_the_half_light_radius_is_that_of_the_profile(at):
    assert radius_of_fraction(sersic(0.5, 15.0), *at, 0.5, 1e3)[0] == pytest.approx(15, rel=2e-3)
    assert radius_of_fraction(sersic(1, 15.0), *at, 0.5, 1e3)[0] == pytest.approx(15, rel=5e-3)


# Petrosian radius over half-light radius, from the integrals of the profiles; the last has a cusp finer than pixels.
@pytest.mark.parametrize(
    ("index", "expected", "rel"), [(0.5, 1.959, 5e-3), (1, 2.158, 5e-3), (4, 1.820, 0.02)]
)
def test_the_petrosian_radius_is_that_of_the_profile(at, index, expected, rel):
    assert petrosian_radius(sersic(index, 20.0), *at)[0] == pytest.approx(expected * 20, rel=rel)


# The same integrals, within 1.5 Petrosian radii; the cusp of the last one is smaller than a pixel.
@pytest.mark.parametrize(("index", "expected", "rel"), [(0.5, 2.14, 5e-3), (1, 2.74, 5e-3), (4, 4.29, 0.015)])
def test_concentrations_of_known_profiles(at, index, expected, rel):
    image = sersic(index, 20.0)
    found = concentration(image, *at, 1.5 * petrosian_radius(image, *at))
    assert found[0] == pytest.approx(expected, rel=rel)


def test_concentrations_of_all_light_are_those_of_bershady_et_al(at):
    # 2.7 and 5.2 there, 2.80 and 5.27 by the integrals; beyond 16 half-light radii lies 1 % of the latter's light.
    assert concentration(sersic(1, 12.0), *at, 1e3)[0] == pytest.approx(2.80, abs=0.02)
    middle = np.array([255.5])
    image = sersic(4, 16.0, side=512, factor=4, centre=255.5)
    assert concentration(image, middle, middle, 255.0)[0] == pytest.approx(5.2, abs=0.1)


def test_the_unit_does_not_matter_and_images_do_not_mix(at):
    one, other = sersic(1, 12.0), sersic(0.5, 8.0)
    both = np.concatenate([one, 1e4 * other])
    x = np.repeat(at[0], 2)
    expected = [concentration(image, *at, 40.0)[0] for image in (one, other)]
    np.testing.assert_allclose(concentration(both, x, x, np.array([40.0, 40.0])), expected)


def test_empty_images_have_no_radii(at):
    image = np.zeros((1, SIDE, SIDE))
    assert np.isnan(petrosian_radius(image, *at)).all()
    assert np.isnan(concentration(image, *at, 20.0)).all()
    assert np.isnan(concentration(sersic(1, 12.0), *at, np.nan)).all()
