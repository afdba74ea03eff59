"""Deconvolutions of scikit-image as they are compared here."""

from __future__ import annotations

import numpy as np
import pytest

from skymill.inference.deconvolution import gaussian, richardson_lucy, unsupervised_wiener, wiener

SIDE, SIGMA_PX = 48, 2.0
NOISE = 2.0


@pytest.fixture(scope="module")
def psf():
    return gaussian(SIGMA_PX, 8)


@pytest.fixture(scope="module")
def true():
    """Two galaxies, of 1.6 and 2.5 px, 5,000 rms."""
    axis = np.arange(SIDE) - SIDE // 2
    squared = axis[:, None] ** 2 + axis**2
    return np.stack([5000 / (2 * np.pi * s**2) * np.exp(-squared / (2 * s**2)) for s in (1.6, 2.5)])


@pytest.fixture(scope="module")
def wide():
    """The same with wider PSFs: Gaussians' widths add in quadrature."""
    axis = np.arange(SIDE) - SIDE // 2
    squared = axis[:, None] ** 2 + axis**2
    widths = (1.6**2 + SIGMA_PX**2, 2.5**2 + SIGMA_PX**2)
    return np.stack([5000 / (2 * np.pi * s) * np.exp(-squared / (2 * s)) for s in widths])


@pytest.fixture(scope="module")
def noisy(wide):
    return wide + NOISE * np.random.default_rng(2).standard_normal(wide.shape)


def error(images, true):
    return np.sqrt(((images - true) ** 2).mean(axis=(1, 2)))


def test_a_gaussian_is_symmetric_and_whole(psf):
    assert psf.shape == (17, 17) and psf.sum() == pytest.approx(1)
    assert np.array_equal(psf, psf.T) and np.array_equal(psf, psf[::-1])
    assert psf[8, 8] == pytest.approx(1 / (2 * np.pi * SIGMA_PX**2), rel=1e-3)
    assert gaussian(0.0, 1)[1, 1] == pytest.approx(1)


def test_richardson_lucy_makes_an_easy_image_better(noisy, true, psf):
    found = richardson_lucy(noisy, psf, 8, np.full(2, 3 * NOISE))

    assert (error(found, true) < 0.5 * error(noisy, true)).all()
    assert found.sum(axis=(1, 2)) == pytest.approx(noisy.sum(axis=(1, 2)), rel=0.01)


def test_richardson_lucy_comes_to_the_truth_without_noise(wide, true, psf):
    errors = [error(richardson_lucy(wide, psf, n, np.zeros(2)), true).max() for n in (1, 10, 100)]

    assert errors[2] < 0.3 * errors[1] < 0.3 * errors[0]


def test_too_many_iterations_show_the_noise(noisy, true, psf):
    few, many = (error(richardson_lucy(noisy, psf, n, np.full(2, 3 * NOISE)), true) for n in (8, 200))

    assert (many > 1.3 * few).all()


def test_the_first_iteration_is_that_of_the_paper(noisy, psf):
    """A flat start gives the image, smoothed by the PSF; far from the edges, where skimage pads with nothing."""
    from scipy.signal import fftconvolve

    sky = 3 * NOISE
    (found,) = richardson_lucy(noisy[:1], psf, 1, np.full(1, sky))
    expected = fftconvolve(np.maximum(noisy[0] + sky, 0), psf, mode="same") - sky

    assert np.abs(found - expected)[9:-9, 9:-9].max() < 1e-2


def test_a_pedestal_keeps_negative_noise(noisy, psf):
    """Without one, what is below the sky counts as none: the sky is too bright afterwards."""
    plain, raised = (richardson_lucy(noisy, psf, 3, np.full(2, level)) for level in (0.0, 3 * NOISE))
    sky = [one[:, :8, :8].mean() for one in (plain, raised)]

    assert sky[0] > 0.3 * NOISE
    assert abs(sky[1]) < 0.2 * NOISE


def test_wiener_undoes_and_smooths(noisy, wide, true, psf):
    assert (error(wiener(wide, psf, 1e-4), true) < 0.15 * error(wide, true)).all()
    spread = [wiener(noisy, psf, balance)[:, :10].std() for balance in (0.01, 1.0, 100.0)]
    assert spread[0] > 2 * spread[1] > 2 * spread[2]


def test_the_unsupervised_filter_finds_a_weight_by_itself(noisy, true, psf):
    found, again = (unsupervised_wiener(noisy, psf, seed=4) for _ in range(2))

    assert np.array_equal(found, again)
    assert (error(found, true) < 0.6 * error(noisy, true)).all()


def test_images_are_deconvolved_one_by_one(noisy, psf):
    both = richardson_lucy(noisy, psf, 3, np.array([1.0, 2.0]))
    (alone,) = richardson_lucy(noisy[1:], psf, 3, np.array([2.0]))

    assert np.array_equal(both[1], alone)
    assert wiener(noisy, psf, 1.0).shape == noisy.shape
