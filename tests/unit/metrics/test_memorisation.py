"""Generators that memorise, in part or wholly, and such that do not."""

import numpy as np
import pytest

from skymill.metrics.memorisation import (
    memorisation,
    nearest_distance,
    same_noise_ratio,
    turned_and_mirrored,
    two_models,
)

SHAPE = (4, 4)


@pytest.fixture
def random():
    return np.random.default_rng(50)


def population(random, n):
    """Images of a simple population."""
    return random.normal(size=(n, *SHAPE))


def copies(random, training, n, noise=0.05):
    """Training images with a little noise."""
    return training[random.integers(0, len(training), n)] + random.normal(0, noise, (n, *SHAPE))


def test_nearest_distances_by_hand(monkeypatch):
    monkeypatch.setattr("skymill.metrics.memorisation.CHUNK", 2)
    reference = np.array([[0.0, 0.0], [3.0, 4.0]])
    images = np.array([[0.0, 1.0], [3.0, 3.0], [6.0, 8.0]])
    np.testing.assert_allclose(nearest_distance(images, reference), [1, 1, 5])
    with pytest.raises(ValueError, match="one size"):
        nearest_distance(images, np.ones((2, 3)))


def test_new_galaxies_are_no_copies(random):
    training = population(random, 500)
    found = memorisation(population(random, 400), population(random, 300), training, random)
    assert found.ratio_low < 1 < found.ratio_high
    assert found.closer == pytest.approx(0.5, abs=0.06)
    assert found.copies < 0.03
    assert not found.memorises


def test_copies_of_all_are_found(random):
    training = population(random, 500)
    found = memorisation(copies(random, training, 400), population(random, 300), training, random)
    assert found.ratio_high < 0.2
    assert found.closer == 1
    assert found.copies == 1
    assert found.memorises


def test_copies_among_new_galaxies_are_found(random):
    training = population(random, 500)
    generated = np.concatenate([population(random, 360), copies(random, training, 40)])
    found = memorisation(generated, population(random, 300), training, random)
    assert found.ratio > 0.9
    # A tenth, and a hundredth of the others; 300 distances do not say more exactly which is the nearest hundredth.
    assert found.copies == pytest.approx(0.11, abs=0.03)
    assert found.memorises


def test_few_held_out_images_are_refused(random):
    with pytest.raises(ValueError, match=r"held_out: expected 100 .* found 99"):
        memorisation(population(random, 9), population(random, 99), population(random, 9), random)


def test_models_of_two_halves_that_learned_the_population(random):
    halves = population(random, 300), population(random, 300)
    found = two_models((population(random, 200), population(random, 200)), halves)
    assert found.nearer_low < 0.5 < found.nearer_high
    assert found.ratio == pytest.approx(1, abs=0.05)
    assert not found.memorises


def test_models_of_two_halves_that_memorise(random):
    halves = population(random, 300), population(random, 300)
    found = two_models(tuple(copies(random, half, 200) for half in halves), halves)
    assert found.nearer == 1 and found.ratio < 0.2
    assert found.memorises
    with pytest.raises(ValueError, match="halves of one size"):
        two_models(halves, (halves[0], halves[1][:200]))


def test_usual_galaxies_alone_deceive_the_first_test_but_not_that_of_two_models(random):
    halves = population(random, 300), population(random, 300)
    usual = 0.1 * population(random, 400)
    assert memorisation(usual, population(random, 300), halves[0], random).memorises
    assert not two_models((usual[:200], usual[200:]), halves).memorises


def test_an_image_as_near_to_both_counts_half(random):
    half = population(random, 100)
    found = two_models((population(random, 50), population(random, 50)), (half, half))
    assert found.nearer == 0.5


def test_the_same_noise_gives_the_same_galaxy_to_who_has_learned(random):
    halves = population(random, 300), population(random, 300)
    noise = population(random, 100)
    alike = noise, noise + random.normal(0, 0.1, noise.shape)
    assert same_noise_ratio(alike, halves) < 0.3
    memories = tuple(copies(random, half, 100) for half in halves)
    assert same_noise_ratio(memories, halves) > 3


def test_all_positions_of_an_image():
    image = np.arange(9.0).reshape(1, 3, 3)
    found = turned_and_mirrored(image)
    assert found.shape == (8, 3, 3)
    assert len({tuple(position.ravel()) for position in found}) == 8
    np.testing.assert_allclose(nearest_distance(np.rot90(image, 3, (1, 2))[:, ::-1], found), 0)
