"""Images beside true ones: values by hand, of other libraries, and what must not change them."""

import numpy as np
import pytest
import torch
from photutils.aperture import CircularAperture
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from skymill.metrics.images import (
    aperture_flux,
    asinh,
    distances,
    linear,
    mean_percent,
    median_percent,
    peak,
    psnr,
    residual_power,
    ssim,
    stamp_flux,
)

PLAIN = {"background": 0.0, "stretch": linear}


@pytest.fixture
def galaxies():
    """Three round galaxies of peak 1, 10 and 100 and the same with noise of 0.3."""
    rows, columns = np.mgrid[:24, :32]
    true = np.array([[1.0], [10.0], [100.0]])[:, :, None] * np.exp(-np.hypot(rows - 12, columns - 15) / 3)
    return true + np.random.default_rng(30).normal(0, 0.3, true.shape), true


def test_psnr_by_hand():
    true = np.zeros((2, 4, 4))
    true[:, 1, 1] = 100.0
    image = true + np.array([1.0, 10.0])[:, None, None]

    # Errors of 1 and 10 in every pixel under a peak of 100.
    np.testing.assert_allclose(psnr(image, true, data_range=peak(true), **PLAIN), [40.0, 20.0])
    np.testing.assert_allclose(psnr(image, true, data_range=[1.0, 1.0], **PLAIN), [0.0, -20.0], atol=1e-12)


def test_psnr_and_ssim_are_those_of_torchmetrics(galaxies):
    image, true = galaxies
    ours = [metric(image, true, data_range=peak(true), **PLAIN) for metric in (psnr, ssim)]
    for place, (one, aim) in enumerate(zip(torch.from_numpy(image), torch.from_numpy(true), strict=True)):
        top = float(aim.max())
        assert ours[0][place] == pytest.approx(float(peak_signal_noise_ratio(one, aim, data_range=top)))
        _, everywhere = structural_similarity_index_measure(
            one[None, None], aim[None, None], data_range=top, return_full_image=True
        )
        # It reflects images at their edges; the paper has whole windows only.
        assert ours[1][place] == pytest.approx(float(everywhere[0, 0, 5:-5, 5:-5].mean()), abs=1e-6)


def test_ssim_of_constant_images_by_hand():
    true, image = np.full((1, 16, 16), 2.0), np.full((1, 16, 16), 3.0)
    c1 = (0.01 * 10.0) ** 2

    # Without structure only the term of luminance is left.
    expected = (2 * 2 * 3 + c1) / (2**2 + 3**2 + c1)
    np.testing.assert_allclose(ssim(image, true, data_range=10.0, **PLAIN), expected)


def test_the_better_image_is_the_better_one(galaxies):
    image, true = galaxies
    worse = true + 3 * (image - true)
    for metric in (psnr, ssim):
        near, far = (metric(seen, true, data_range=peak(true), **PLAIN) for seen in (image, worse))
        assert (near > far).all()
    np.testing.assert_allclose(
        psnr(image, true, data_range=1.0, **PLAIN) - psnr(worse, true, data_range=1.0, **PLAIN),
        20 * np.log10(3),
    )


def test_equal_images_have_the_best_values(galaxies):
    _, true = galaxies
    assert np.isposinf(psnr(true, true, data_range=1.0, **PLAIN)).all()
    np.testing.assert_allclose(ssim(true, true, data_range=1.0, **PLAIN), 1.0)
    assert not residual_power(true, true).any()


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_the_unit_of_pixels_does_not_matter(galaxies, metric):
    image, true = galaxies
    value = metric(image, true, data_range=peak(true), **PLAIN)
    np.testing.assert_allclose(metric(7 * image, 7 * true, data_range=7 * peak(true), **PLAIN), value)


def test_the_background_counts_for_structure_but_not_for_linear_errors(galaxies):
    image, true = galaxies
    given = {"data_range": peak(true), "stretch": linear}
    raised = image + 50, true + 50
    np.testing.assert_allclose(
        psnr(*raised, background=0.0, **given), psnr(image, true, background=0.0, **given)
    )
    value = ssim(image, true, background=0.0, **given)
    np.testing.assert_allclose(ssim(*raised, background=50.0, **given), value, rtol=1e-6)
    assert (np.abs(ssim(*raised, background=0.0, **given) - value) > 1e-3).any()


def test_a_stretch_is_what_both_are_seen_through(galaxies):
    image, true = galaxies
    seen = psnr(image, true, data_range=5.0, background=1.0, stretch=asinh(0.3))
    by_hand = psnr(np.arcsinh((image - 1.0) / 0.3), np.arcsinh((true - 1.0) / 0.3), data_range=5.0, **PLAIN)
    np.testing.assert_allclose(seen, by_hand)
    with pytest.raises(ValueError, match="softening"):
        asinh(0.0)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_what_cannot_be_judged_is_nan_and_alone(galaxies, metric):
    image, true = galaxies
    image[1, 3, 3] = np.nan
    value = metric(image, true, data_range=[0.0, 1.0, 1.0], **PLAIN)
    assert np.isnan(value).tolist() == [True, True, False]


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_nothing_is_assumed(galaxies, metric):
    with pytest.raises(TypeError, match=r"data_range.*background.*stretch"):
        metric(*galaxies)
    with pytest.raises(ValueError, match="one shape"):
        metric(galaxies[0][:2], galaxies[1], data_range=1.0, **PLAIN)


def test_residual_power_by_hand(galaxies):
    _, true = galaxies
    np.testing.assert_allclose(residual_power(1.1 * true, true), 0.01)
    np.testing.assert_allclose(residual_power(0 * true, true), 1.0)
    assert np.isnan(residual_power(true, 0 * true)).all()


def test_aperture_fluxes_are_nearly_those_of_exact_circles(galaxies):
    image, true = galaxies
    x, y = np.array([15.0, 14.3, 15.8]), np.array([12.0, 12.4, 11.7])
    for radius in (3.0, 4.7, 8.2):
        for place, flux in enumerate(aperture_flux(true, x, y, radius)):
            exact = CircularAperture((x[place], y[place]), radius).do_photometry(true[place])[0][0]
            assert flux == pytest.approx(exact, rel=0.01)
    np.testing.assert_allclose(aperture_flux(image, x, y, 100.0), stamp_flux(image))
    one = [aperture_flux(image[i : i + 1], x[i : i + 1], y[i : i + 1], i + 3.0)[0] for i in range(3)]
    np.testing.assert_allclose(aperture_flux(image, x, y, np.arange(3) + 3.0), one)


def test_distances_are_from_the_centres_of_pixels():
    found = distances((1, 3, 4), np.array([1.0]), np.array([2.0]))
    assert found.shape == (1, 3, 4)
    assert found[0, 2, 1] == 0
    assert found[0, 0, 3] == pytest.approx(np.sqrt(8))


def test_errors_of_both_signs_count():
    error = np.array([-0.1, 0.2, 0.0, 0.5])
    assert mean_percent(error) == pytest.approx(20)
    assert median_percent(error) == pytest.approx(15)
    assert mean_percent(error, np.array([[2.0, 1.0, 1.0, 0.0]])) == pytest.approx([10])
