"""Statistics of galaxies: limits, values by hand, and those of statmorph for one lopsided disc."""

import numpy as np
import pytest

from skymill.metrics.growth import petrosian_radius
from skymill.metrics.morphology import asymmetry, gini, m20, morphology, power_spectrum, segments

CENTRE = np.array([64.36886414]), np.array([63.64242221])
"""Where statmorph finds the centre of symmetry of the lopsided disc."""


@pytest.fixture(scope="module")
def lopsided():
    """A tilted exponential disc with a clump, and its segment above 3."""
    y, x = np.mgrid[:128, :128].astype(float)
    u, v = (x - 64.3) * 0.8 + (y - 63.6) * 0.6, (y - 63.6) * 0.8 - (x - 64.3) * 0.6
    disc = 100 * np.exp(-np.hypot(np.hypot(u, v / 0.6), 1.0) / 6)
    image = (disc + 30 * np.exp(-((x - 75) ** 2 + (y - 70) ** 2) / (2 * 2.5**2)))[None]
    return image, segments(image, *CENTRE, 3.0)


def everywhere(images):
    return np.ones(np.shape(images), dtype=bool)


def test_gini_of_an_even_image_is_0_and_of_one_pixel_1():
    even, single = np.full((1, 8, 8), 3.0), np.zeros((1, 8, 8))
    single[0, 2, 5] = 7.0
    assert gini(even, everywhere(even))[0] == pytest.approx(0, abs=1e-12)
    assert gini(single, everywhere(single))[0] == pytest.approx(1)


def test_gini_by_hand():
    image = np.array([[[4.0, -1.0], [2.0, 99.0]]])
    segment = np.array([[[True, True], [True, False]]])
    # |X| = 1, 2, 4: (-2 * 1 + 0 * 2 + 2 * 4) / (7 / 3 * 3 * 2)
    assert gini(image, segment)[0] == pytest.approx(6 / 14)


def test_m20_by_hand():
    image = np.zeros((1, 1, 9))
    image[0, 0, [0, 4, 8]] = 1.0, 8.0, 1.0
    # The brightest pixel is at the centre and holds four fifths.
    assert np.isneginf(m20(image, everywhere(image))[0])
    image[0, 0] = [3, 0, 0, 0, 4, 0, 0, 0, 3]
    # 40 % and more of the light in three pixels; the first alone reaches a fifth, at the centre of light.
    image[0, 0, 4], image[0, 0, 3], image[0, 0, 5] = 0, 2, 2
    # 3 of 10 at distance 4 over 2 * 3 * 16 + 2 * 2 * 1.
    assert m20(image, everywhere(image))[0] == pytest.approx(np.log10(3 * 16 / 100))


def test_gini_and_m20_are_those_of_statmorph(lopsided):
    # statmorph 0.7.2, given this segment.
    assert gini(*lopsided)[0] == pytest.approx(0.4685240628476117)
    assert m20(*lopsided)[0] == pytest.approx(-1.6917129140080553)


def test_asymmetry_and_petrosian_radius_are_nearly_those_of_statmorph(lopsided):
    image, _ = lopsided
    radius = petrosian_radius(image, *CENTRE)
    assert radius[0] == pytest.approx(17.536, rel=5e-3)
    # Before its sky is taken off; it turns images with linear interpolation.
    assert asymmetry(image, *CENTRE, 1.5 * radius, 0.0)[0] == pytest.approx(0.16663, rel=0.01)


@pytest.mark.parametrize("centre", [(32.0, 32.0), (31.5, 32.5)])
def test_a_symmetric_image_has_no_asymmetry(centre):
    y, x = np.mgrid[:64, :64]
    u, v = x - centre[0] + 0.5 * (y - centre[1]), y - centre[1]
    images = np.exp(-np.hypot(u, 2 * v) / 5)[None]
    # From half a pixel away, too: the centre is found.
    for offset in (0.0, 0.5):
        found = asymmetry(images, np.array([centre[0] + offset]), np.array([centre[1]]), 20.0, 0.0)
        assert found[0] == pytest.approx(0, abs=1e-9)


def test_the_asymmetry_of_a_lump_by_hand():
    y, x = np.mgrid[:65, :65]
    image = np.exp(-0.5 * ((x - 32) ** 2 + (y - 32) ** 2) / 3**2)[None]
    total = image.sum()
    image[0, 32, 50] += 0.05 * total
    # The lump is missing on one side and too much on the other, of 1.05 times the light.
    found = asymmetry(image, np.array([32.0]), np.array([32.0]), 25.0, 0.0)
    assert found[0] == pytest.approx(2 * 0.05 / 1.05, rel=1e-3)


def test_noise_alone_is_no_asymmetry():
    noise = np.random.default_rng(32).normal(0, 2.0, (20, 48, 48))
    centre = np.full(20, 24.0)
    found = asymmetry(noise, centre, centre, 20.0, 2.0)
    # Without the subtraction it is 1.4 at whole pixels and 1.2 between them.
    assert abs(found.mean()) < 0.06
    assert asymmetry(noise, centre, centre, 20.0, 0.0).mean() > 1.15


def test_segments_are_connected_and_hold_the_centre():
    image = np.zeros((2, 9, 9))
    image[0, 2:5, 2:5] = image[0, 5, 5] = image[0, 8, 8] = 5.0
    found = segments(image, np.array([3.0, 3.0]), np.array([2.6, 3.0]), np.array([1.0, 1.0]))
    assert found[0].sum() == 10 and found[0, 5, 5] and not found[0, 8, 8]
    assert not found[1].any()


def test_morphology_gives_all_statistics_of_each_galaxy(lopsided):
    image, _ = lopsided
    both = np.concatenate([image, np.zeros_like(image)])
    found = morphology(both, *(np.repeat(c, 2) for c in CENTRE), threshold=3.0, background_rms=0.0)
    assert set(found) == {"gini", "m20", "concentration", "asymmetry", "size", "ellipticity"}
    assert found["gini"][0] == pytest.approx(0.46852406)
    # 2.68 in statmorph; an exponential disc has 2.74.
    assert found["concentration"][0] == pytest.approx(2.6816, rel=5e-3)
    # An axis ratio of 0.6 is (1 - 0.36) / (1 + 0.36) = 0.47; the clump lies along the major axis.
    assert 0.47 < found["ellipticity"][0] < 0.6
    assert all(np.isnan(values[1]) for values in found.values())


def test_the_power_of_white_noise_is_its_variance():
    noise = np.random.default_rng(33).normal(0, 3.0, (200, 32, 32))
    k, power = power_spectrum(noise, 8)
    np.testing.assert_allclose(k, (np.arange(8) + 0.5) / 16)
    # 200 images; the first ring has 8 wave numbers, half of them independent: 3.5 % each.
    np.testing.assert_allclose(power.mean(axis=0), 9.0, rtol=0.12)


def test_a_wave_has_its_power_at_its_wave_number():
    wave = np.cos(2 * np.pi * 4 / 32 * np.arange(32))[None, None, :] * np.ones((1, 32, 1))
    k, power = power_spectrum(wave + 10.0, 8)
    assert k[power[0].argmax()] == pytest.approx(4 / 32, abs=1 / 32)
    # The level has none, other rings neither.
    assert np.sort(power[0])[-2] == pytest.approx(0, abs=1e-12)


def test_rings_without_wave_numbers_are_nan():
    assert np.isnan(power_spectrum(np.ones((1, 4, 4)), 8)[1]).any()
