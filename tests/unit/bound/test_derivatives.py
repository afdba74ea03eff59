from __future__ import annotations

import numpy as np
import pytest

from skymill.bound.grid import FourierGrid

COARSE = {"pixel_scale_arcsec": 0.2, "psf": {"kind": "gaussian", "fwhm_arcsec": 0.3}}
"""1.5 px wide: a tenth of the light's waves are not resolved by the pixels."""
OPTICAL = {
    "pixel_scale_arcsec": 0.06,
    "psf": {"kind": "optical", "fwhm_arcsec": 0.18, "wavelength_nm": 1537.0, "diameter_m": 2.4, "obscuration": 0.33},
}  # fmt: skip
COMPOSITIONS = [{}, {"bulge_to_total": 1.0}, {"bulge_to_total": 0.0}, {"kind": "point"}]
#: Name of the quantity that a parameter is the logarithm of (or is).
QUANTITIES = {"re": "{}_re", "q": "q_{}", "n": "{}_n"}


@pytest.mark.parametrize("changes", COMPOSITIONS, ids=str)
@pytest.mark.parametrize("of_survey", [{}, COARSE, OPTICAL], ids=["gaussian", "coarse", "optical"])
def test_the_image_is_the_simulation_s(galaxy, differentiate, drawn, make_survey, changes, of_survey):
    survey = make_survey(**of_survey)
    found = differentiate(galaxy(**changes), survey=survey)
    expected = drawn(galaxy(**changes), survey=survey)

    # GalSim's tables of Sersic profiles are right to 2e-4, and what lies outside is folded back by both.
    assert np.abs(found.light - expected).max() < 4e-4 * expected.max()


def test_parameters_of_each_composition(galaxy, differentiate):
    bulge = ("bulge_flux", "bulge_ln_re", "bulge_ln_q", "bulge_ln_n")
    disc = ("disc_flux", "disc_ln_re", "disc_ln_q")
    shared = ("x", "y", "theta")
    expected = [shared + bulge + disc, shared + bulge, shared + disc, ("x", "y", "flux")]

    for changes, names in zip(COMPOSITIONS, expected, strict=True):
        found = differentiate(galaxy(**changes))
        assert found.names == names
        assert found.images.shape == (len(names), 64, 64)
        assert [name for name, one in zip(names, found.total_flux, strict=True) if one] == [
            name for name in names if name.endswith("flux")
        ]


def changed(galaxy, name, step):
    """The galaxy, its flux and centre with one parameter raised by `step`."""
    galaxy, flux, x, y = dict(galaxy), 100.0, 31.3, 32.2
    part, _, quantity = name.rpartition("ln_")
    if name == "x":
        x += step
    elif name == "y":
        y += step
    elif name == "theta":
        galaxy["theta"] += np.rad2deg(step)
    elif name.endswith("flux"):
        fluxes = {
            "bulge_flux": flux * galaxy["bulge_to_total"],
            "disc_flux": flux * (1 - galaxy["bulge_to_total"]),
        }
        fluxes[name] += step
        flux = sum(fluxes.values())
        galaxy["bulge_to_total"] = fluxes["bulge_flux"] / flux
    else:
        galaxy[QUANTITIES[quantity].format(part.strip("_"))] *= np.exp(step)
    return galaxy, flux, x, y


def central_difference(make, galaxy, name, step):
    higher, lower = (make(*changed(galaxy, name, sign * step)) for sign in (1, -1))
    return (higher - lower) / (2 * step)


NAMES = (
    *("x", "y", "theta", "bulge_flux", "bulge_ln_re", "bulge_ln_q", "bulge_ln_n"),
    *("disc_flux", "disc_ln_re", "disc_ln_q"),
)


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_are_richardson_s_limit_of_differences(galaxy, differentiate, name):
    """Differences of images of this model with steps h and h / 2, extrapolated to h = 0."""

    def light(*arguments):
        return differentiate(*arguments).light

    step = 10.0 if name.endswith("flux") else 0.02
    rough, fine = (central_difference(light, galaxy(), name, step * factor) for factor in (1.0, 0.5))
    limit = (4 * fine - rough) / 3
    found = differentiate(galaxy())
    derivative = found.images[found.names.index(name)]

    # That by ln n is a difference itself; the others are analytic.
    tolerance = 5e-5 if name.endswith("ln_n") else 1e-6
    assert np.abs(derivative - limit).max() < tolerance * np.abs(limit).max()


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_are_differences_of_galsim_s_images(galaxy, differentiate, drawn, name):
    """As right as GalSim's tables are, whose 1e-4 a difference divides by its step."""
    step = 10.0 if name.endswith("flux") else 0.1
    difference = central_difference(drawn, galaxy(), name, step)
    ours = central_difference(lambda *a: differentiate(*a).light, galaxy(), name, step)

    assert np.abs(ours - difference).max() < 0.01 * np.abs(difference).max()


def test_a_round_galaxy_does_not_tell_its_angle(galaxy, differentiate):
    found = differentiate(galaxy(q_bulge=1.0, q_disc=1.0))

    assert not found.images[found.names.index("theta")].any()


def test_a_point_s_derivatives_are_a_gaussian_s(differentiate):
    """I = F / (2 pi s**2) exp(-r**2 / 2 s**2); dI/dx0 = I (x - x0) / s**2."""
    found = differentiate({"kind": "point"})
    rows, columns = np.indices((64, 64))
    dx, dy, variance = columns - 31.3, rows - 32.2, (0.7 / 2.3548200450309493 / 0.2) ** 2
    light = 100.0 / (2 * np.pi * variance) * np.exp(-(dx**2 + dy**2) / (2 * variance))

    for image, expected in zip(
        found.images, (light * dx / variance, light * dy / variance, light / 100.0), strict=True
    ):
        # Waves that the PSF weakens below 1e-6 are left out.
        assert np.abs(image - expected).max() < 3e-5 * np.abs(expected).max()


def test_waves_beyond_the_pixels_are_folded(make_survey):
    """Without folding a star that is 1.5 px wide would lose a part of its peak."""
    fine, coarse = FourierGrid(32, make_survey()), FourierGrid(32, make_survey(**COARSE))

    assert np.hypot(fine.kx, fine.ky).max() < 1.2 * np.pi
    assert np.hypot(coarse.kx, coarse.ky).max() > 2 * np.pi
    pairs = np.stack([coarse.kx, coarse.ky], axis=1).round(9)
    assert len(np.unique(pairs, axis=0)) == len(pairs)
