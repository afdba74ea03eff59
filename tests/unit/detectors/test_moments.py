from __future__ import annotations

import numpy as np
import pytest

from skymill.detectors.moments import NARROWEST, WIDEST, gaussian_forms

FWHM = 3.5


def measure(tile, x, y, bad=None):
    bad = np.zeros(tile.shape, bool) if bad is None else bad
    return gaussian_forms(tile.science, tile.rms, bad, np.asarray(x, float), np.asarray(y, float), FWHM)


def test_gaussians_are_measured(make_tile, draw):
    x, y, flux = np.array([30.2, 70.7]), np.array([40.4, 60.1]), np.array([1e3, 5e3])
    a, b, theta = np.array([2.6, 2.2]), np.array([1.8, 1.7]), np.array([35.0, -60.0])
    forms = measure(make_tile(draw((100, 100), x, y, flux, a, b, theta), seed=None), x, y)

    # Six steps, each of which halves the difference, leave 2 %.
    np.testing.assert_allclose(forms["flux"], flux, rtol=0.02)
    np.testing.assert_allclose(forms["a"], a, rtol=0.03)
    np.testing.assert_allclose(forms["b"], b, rtol=0.03)
    np.testing.assert_allclose(forms["theta"], theta, atol=2.0)
    np.testing.assert_allclose(forms["flux_radius"], 1.1774 * np.sqrt(a * b), rtol=0.03)


def test_noise_and_errors(field):
    forms = measure(field.tile, field.x, field.y)

    # Signal to noise is 100 and more; the steps that are left out cost 2 %.
    np.testing.assert_allclose(forms["flux"], field.flux, rtol=0.08)
    # Noise of rms 1 in a Gaussian window.
    np.testing.assert_allclose(forms["flux_err"], np.sqrt(4 * np.pi * forms["a"] * forms["b"]), rtol=0.05)


def test_noise_alone_has_a_form_within_bounds(make_tile):
    random = np.random.default_rng(1)
    forms = measure(make_tile(np.zeros((120, 120))), *random.uniform(15, 105, (2, 200)))
    sigma = FWHM / 2.3548

    assert all(np.isfinite(values).all() for values in forms.values())
    assert forms["b"].min() >= NARROWEST * sigma - 1e-3 and forms["a"].max() <= WIDEST * sigma + 1e-3
    assert (forms["a"] >= forms["b"]).all()


def test_bad_pixels_do_not_count(make_tile, draw):
    image = draw((60, 60), [30.0], [30.0], [2e3], [2.0], [2.0], [0.0])
    bad = np.zeros(image.shape, bool)
    bad[30, 31] = True
    image[30, 31] = 1e7
    forms = measure(make_tile(image, seed=None), [30.0], [30.0], bad)

    assert forms["flux"][0] == pytest.approx(2e3, rel=0.06)


def test_without_any_good_pixel_there_is_no_flux(make_tile):
    forms = measure(make_tile(np.ones((40, 40))), [20.0], [20.0], np.ones((40, 40), bool))

    assert np.isnan(forms["flux"][0]) and np.isnan(forms["flux_err"][0])


def test_sources_at_the_edge_and_none_at_all(make_tile, draw):
    tile = make_tile(draw((60, 60), [0.0], [30.0], [1e3], [1.6], [1.6], [0.0]), seed=None)

    assert measure(tile, [0.0], [30.0])["flux"][0] == pytest.approx(
        1e3, rel=0.25
    )  # half of its light is not there
    assert measure(tile, [], [])["flux"].shape == (0,)
