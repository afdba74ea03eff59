from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from skymill.config.generator import NoiseRangeConfig, VaeConfig
from skymill.data.tile import MaskBit, Tile, TileMeta
from skymill.inference.anomaly import anomaly_records, false_alarms, score_sources
from skymill.models.vae import Vae
from skymill.training.anomaly import fit_ordinary
from skymill.training.generator_card import GeneratorModel

SMALL = {
    "latent": 4,
    "widths": (8, 8),
    "dense": 16,
    "canvas_px": 16,
    "canvas_widths": (8, 8, 8, 8),
    "components": 2,
}
WIDE = np.array([50.0, np.nan])


@pytest.fixture(scope="module")
def model(survey):
    """An untrained network: what it says is arbitrary, and always the same."""
    torch.manual_seed(2)
    random = np.random.default_rng(1)
    ordinary = fit_ordinary(random.uniform(0, 3, 200), random.normal(size=200))
    card = SimpleNamespace(survey=survey, noise=NoiseRangeConfig(), ordinary=ordinary, name="vae")
    return GeneratorModel(Vae(VaeConfig(**SMALL), 32).eval(), card)


def tile_of(science, rms, mask=None, gain=100.0):
    meta = TileMeta(
        **{"tile_id": "t", "survey": "toy", "band": "r", "saturation": None, "psf_fwhm_px": 2.0},
        **{"pixel_scale_arcsec": 0.4, "zero_point_mag": 25.0, "gain_e_per_unit": gain},
    )
    return Tile(science, rms, np.zeros(science.shape, np.uint8) if mask is None else mask, None, meta)


@pytest.fixture(scope="module")
def science():
    y, x = np.indices((80, 90))
    light = 200 * np.exp(-((x - 30) ** 2 + (y - 40) ** 2) / 18) + np.random.default_rng(3).normal(
        0, 2, (80, 90)
    )
    return light.astype(np.float32)


def test_scores_are_of_the_image_in_units_of_its_noise(model, science):
    x, y = np.array([30.0, 60.0]), np.array([40.0, 20.0])
    found = score_sources(tile_of(science, np.full(science.shape, 2.0, np.float32)), x, y, WIDE, model, "cpu")
    # Twice the image with twice the noise, and electrons that go along.
    tile = tile_of(2 * science, np.full(science.shape, 4.0, np.float32), gain=50.0)

    assert found.shape == (2,) and np.isfinite(found).all()
    np.testing.assert_allclose(score_sources(tile, x, y, WIDE, model, "cpu"), found, rtol=1e-4)


def test_light_far_from_a_small_source_does_not_count(model, science):
    rms = np.full(science.shape, 2.0, np.float32)
    other = science.copy()
    other[30:50, 40:44] += 300
    place = (np.array([30.0]), np.array([40.0]))
    small, wide = (
        [
            score_sources(tile_of(image, rms), *place, np.array([re_px]), model, "cpu")[0]
            for image in (science, other)
        ]
        for re_px in (1.0, 9.0)
    )

    assert small[0] == small[1] and wide[0] != wide[1]


def test_without_noise_there_is_no_score(model, science):
    mask = np.zeros(science.shape, np.uint8)
    mask[:, :50] = int(MaskBit.NO_DATA)
    tile = tile_of(science, np.full(science.shape, 2.0, np.float32), mask)
    found = score_sources(tile, np.array([15.0, 75.0]), np.array([40.0, 40.0]), WIDE, model, "cpu")

    assert np.isnan(found[0]) and np.isfinite(found[1])


def test_a_tile_without_sources_has_no_scores(model, science):
    tile = tile_of(science, np.full(science.shape, 2.0, np.float32))

    assert len(score_sources(tile, np.empty(0), np.empty(0), np.empty(0), model, "cpu")) == 0


def test_records_of_near_pairs_are_their_own():
    scores = {
        "blend": np.array([3.0, 3.0, 0.0, 0.0]),
        "isolated": np.array([1.0, 1.0, 1.0, 1.0]),
        "separation_re": np.array([0.5, 0.8, 2.0, 3.0]),
        "delta_mag": np.array([0.1, 3.0, 0.2, 3.0]),
    }
    records, curves = anomaly_records(scores, "anomaly:vae", "vae")
    areas = {record.subset: record.value for record in records}

    assert areas == {"blends": 0.5, "mergers": 1.0, "apart": 0.0, "similar_brightness": 0.5}
    assert set(curves) == set(areas) and curves["mergers"]["y"][-1] == 1


def test_false_alarms_are_counted():
    first, second = false_alarms(np.array([0.5, 1.5, 3.0, 0.0]), "anomaly:vae", "vae")

    assert (first.subset, first.value, second.subset, second.value) == ("score:1", 0.5, "score:2", 0.25)
    assert first.low < 0.5 < first.high and second.n == 4
