from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from skymill.config.generator import NoiseRangeConfig, VaeConfig
from skymill.inference.judge import _Pair, isophotal_radius, normed
from skymill.inference.portraits import PORTRAITS, draw_portraits, strongest
from skymill.metrics.record import to_json
from skymill.models.vae import Vae
from skymill.training.generated import draw_one
from skymill.training.generator_card import GeneratorModel

SMALL = {
    "latent": 4,
    "widths": (8, 8),
    "dense": 16,
    "canvas_px": 32,
    "canvas_widths": (8, 8, 8, 8),
    "components": 2,
}
COUNT, SIDE = 120, 64


@pytest.fixture(scope="module")
def model():
    """An untrained network whose mixture knows elongations alone."""
    torch.manual_seed(2)
    network = Vae(VaeConfig(**SMALL), 32).eval()
    axis = (torch.arange(network.psf.shape[0]) - network.psf.shape[0] // 2) / 2
    psf = torch.exp(-0.5 * (axis[:, None] ** 2 + axis**2) / 1.2**2)
    network.psf.copy_(psf / psf.sum())
    covariance = np.diag([1.0, 0.5, 0.01, 0.01, 1.0, 0.1])
    means = np.array([0, 0, 0, 0, 20.0, 0.5])
    network.mixture.set(np.full(2, 0.5), np.stack([means, means]), np.stack([covariance, covariance]))
    return GeneratorModel(network, SimpleNamespace(name="vae", noise=NoiseRangeConfig()))


class Galaxies:
    """Stands in for the test side: galaxies that the network itself has drawn, from other random numbers."""

    def __init__(self, model, elongated=1.0):
        random = np.random.default_rng(6)
        self.columns = {
            "mag": random.uniform(19, 21, COUNT),
            "flux": random.uniform(2000, 6000, COUNT),
            "re_px": random.uniform(1.5, 3.0, COUNT),
            "dx": random.uniform(-0.5, 0.5, COUNT),
            "dy": random.uniform(-0.5, 0.5, COUNT),
        }
        rows = zip(*(self.columns[name] for name in ("mag", "flux", "re_px", "dx", "dy")), strict=True)
        images = []
        for mag, flux, re_px, dx, dy in rows:
            look = model.network.draw(mag, re_px, random)
            look[:2] *= elongated
            images.append(draw_one(model.network, look, flux, re_px, (dx, dy), SIDE))
        self.image = torch.from_numpy(np.stack(images))[:, None]

    def __len__(self):
        return COUNT

    def __getitem__(self, rows):
        return {
            "image": self.image[rows],
            **{name: torch.from_numpy(one)[rows] for name, one in self.columns.items()},
        }


@pytest.fixture(scope="module")
def pair(model, survey):
    return _Pair(model, Galaxies(model), survey, seed=1)


def by_key(records):
    return {(one.metric, one.subset): one for one in records}


def test_a_perfect_generator_is_as_far_as_chance(pair):
    records, curves = pair.records("generated:vae")
    found = by_key(records)

    assert found["distance_mean", "survey_noise"].value < found["distance_by_chance", "survey_noise"].value
    assert ("distance_asymmetry", "survey_noise") in found and (
        "distance_asymmetry",
        "noise_free",
    ) not in found
    assert found["asymmetry_median", "noise_free_drawn"].value < 0.02
    assert found["requested_mag_error", "drawn"].value < 0.05
    assert found["requested_size_error", "beside_real"].value < 10
    assert found["power_spectrum_difference", "noise_free"].value < 0.03
    assert to_json(records) and json.dumps(curves, allow_nan=False)


def test_galaxies_that_are_too_round_are_noticed(model, survey):
    records, _ = _Pair(model, Galaxies(model, elongated=2.0), survey, seed=1).records("generated:vae")
    found = by_key(records)

    assert found["distance_ellipticity", "survey_noise"].value > 0.5
    assert found["distance_mean", "survey_noise"].low > found["distance_by_chance", "survey_noise"].value / 2


def test_copies_of_what_was_learned_are_noticed(pair):
    other = SimpleNamespace(image=torch.from_numpy(pair.real[:30, 20:44, 20:44].astype(np.float32))[:, None])
    honest = by_key(pair.memory("generated:vae", other))
    # Now what is drawn is what was learned, a quarter turned.
    copied = SimpleNamespace(
        image=torch.from_numpy(np.rot90(pair.drawn[:, 20:44, 20:44], axes=(1, 2)).astype(np.float32).copy())[
            :, None
        ]
    )
    caught = by_key(pair.memory("generated:vae", copied))

    assert caught["memorisation_ratio", "noise_free"].value < 0.5
    assert honest["memorisation_ratio", "noise_free"].value > caught["memorisation_ratio", "noise_free"].value


def test_networks_that_remember_their_half_are_noticed(model, pair, survey):
    first, second = Galaxies(model), Galaxies(model, elongated=1.2)
    for half in (first, second):
        half.image = half.image[:50, :, 20:44, 20:44]
    pair_of_copies = _Pair(model, Galaxies(model), survey, seed=1)
    drawn = [np.tile(half.image[:, 0].numpy(), (3, 1, 1))[:COUNT] for half in (first, second)]
    stamps = [np.pad(each, ((0, 0), (20, 20), (20, 20))) for each in drawn]
    caught = {}
    pair_of_copies.draw = lambda copies: (None, stamps[copies])
    for name, models in {"remembering": (0, 1), "exchanged": (1, 0)}.items():
        caught[name] = by_key(pair_of_copies.memory_of_halves("generated:vae", models, (first, second)))
    honest = by_key(pair.memory_of_halves("generated:vae", (model, model), (first, second)))
    key = ("memorisation_nearer_own_half", "noise_free")

    assert caught["remembering"][key].value == 1 and caught["exchanged"][key].value == 0
    assert caught["remembering"][key].n == 2 * COUNT
    assert caught["remembering"]["memorisation_own_half_ratio", "noise_free"].value < 0.1
    # The same network twice can know nothing of one half alone.
    assert honest[key].value == pytest.approx(0.5, abs=0.01)


def test_the_radius_of_the_brightest_pixels():
    y, x = np.indices((61, 61)) - 30
    sigma = 5.0
    image = np.exp(-0.5 * ((x / 1.5) ** 2 + (y * 1.5) ** 2) / sigma**2)[None]

    found = isophotal_radius(image, image.sum(axis=(1, 2)))
    assert found[0] == pytest.approx(sigma * np.sqrt(2 * np.log(2)), rel=0.01)
    assert np.isnan(isophotal_radius(image, 3 * image.sum(axis=(1, 2))))[0]


def test_norms_are_one():
    images = np.random.default_rng(1).random((3, 4, 4))

    np.testing.assert_allclose((normed(images) ** 2).sum(axis=(1, 2)), 1, rtol=1e-5)


def test_the_strongest_directions_are_those_of_the_drawn_galaxies(pair):
    random = np.random.default_rng(4)
    looks = [7.0, 0.0, 0.0, 0.0] + random.standard_normal((20_000, 4)) * [0.1, 3.0, 0.0, 1.0]
    mean, directions = strongest(looks)

    np.testing.assert_allclose(mean, [7, 0, 0, 0], atol=0.1)
    np.testing.assert_allclose(np.abs(directions[0]), [0, 3, 0, 0], atol=0.05)
    np.testing.assert_allclose(np.abs(directions[1]), [0, 0, 0, 1], atol=0.05)
    np.testing.assert_allclose(directions[-1], 0, atol=1e-9)
    assert pair.looks.shape == (COUNT, 4)


def test_portraits_are_written_and_repeat(model, pair, tmp_path):
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        draw_portraits(folder, model, (pair.real, pair.drawn), pair.looks, 20.0, seed=3)

    for name in PORTRAITS:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    plane = imread(tmp_path / "one" / "plane.png")
    # Nine galaxies a side, twice as large, black on white.
    assert plane.shape[:2] == (9 * 100, 9 * 100) and plane[..., 0].min() == 0
    samples = imread(tmp_path / "one" / "samples.png")
    assert samples.shape[:2] == (6 * 100, 12 * 100)
