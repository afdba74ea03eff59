from __future__ import annotations

import numpy as np
import pytest
import torch

from skymill.errors import TrainingError
from skymill.metrics.roc import auroc
from skymill.training.anomaly import anomaly_score, fit_ordinary, misfits, window, within
from skymill.training.galaxies import GalaxyData
from skymill.training.generator_card import load_generator


@pytest.fixture(scope="module")
def sample():
    """Misfits that grow and widen with the signal to noise."""
    random = np.random.default_rng(4)
    log_snr = random.uniform(1, 3, 4000)
    return log_snr, 0.2 * log_snr + (0.05 + 0.1 * log_snr) * random.normal(size=4000)


@pytest.fixture(scope="module")
def ordinary(sample):
    return fit_ordinary(*sample)


def test_a_score_is_the_chance_of_an_isolated_galaxy(ordinary):
    random = np.random.default_rng(8)
    log_snr = random.uniform(1, 3, 20_000)
    score = anomaly_score(
        log_snr, 0.2 * log_snr + (0.05 + 0.1 * log_snr) * random.normal(size=20_000), ordinary
    )

    for level in (0.3, 1.0, 2.0):
        assert np.mean(score > level) == pytest.approx(10**-level, rel=0.3)
    # At all brightnesses alike.
    bright = log_snr > 2.5
    assert np.mean(score[bright] > 1) == pytest.approx(np.mean(score[~bright] > 1), abs=0.02)


def test_a_worse_fit_is_more_anomalous(ordinary):
    misfit = np.linspace(-2, 8, 200)
    score = anomaly_score(np.full(200, 2.0), misfit, ordinary)

    assert (np.diff(score) >= -1e-9).all() and score[0] == 0 and score[-1] > 5
    assert np.max(np.abs(np.diff(score))) < 0.5
    assert anomaly_score(np.array([2.0]), np.array([1e6]), ordinary)[0] == 30


def test_a_few_galaxies_say_nothing():
    with pytest.raises(TrainingError, match="at least 20 galaxies"):
        fit_ordinary(np.arange(10.0), np.arange(10.0))


def test_the_aperture_follows_size_and_place():
    found = within(64, torch.tensor([1.0, 5.0, 100.0]), torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 0.0]]))
    area = found.sum(dim=(1, 2))

    assert area[0].item() == pytest.approx(np.pi * 36, rel=0.05)
    assert area[1].item() == pytest.approx(np.pi * 9 * (25 + 2.25), rel=0.03)
    assert area[2].item() == pytest.approx(np.pi * 32**2, rel=0.03)
    narrow = within(64, torch.tensor([5.0, 5.0]), torch.zeros(2, 2), torch.tensor([3.0, np.inf])).sum(
        dim=(1, 2)
    )
    assert narrow[0].item() == pytest.approx(np.pi * 81, rel=0.03) and narrow[1].item() == pytest.approx(
        area[1].item(), rel=0.02
    )
    columns = torch.arange(64) - 32.0
    assert (found[1] * columns).sum() / area[1] == pytest.approx(2.0, abs=0.05)


def test_the_network_is_shown_what_is_near(generator, large_population, survey):
    model = load_generator(generator)
    data = GalaxyData(large_population.stamps, large_population.truth, "test", survey, 32)
    alone, ones = data.image[:8, :, :-1, :-1], torch.ones(8)
    beside = alone.clone()
    beside[..., 2:5, 2:5] += 500  # 16 px away
    known = {"seen_re_px": 1.5 * ones}
    found = [misfits(model.network, light, ones, 200 * ones, 0.02, **known)[1] for light in (alone, beside)]
    told = [misfits(model.network, light, ones, 200 * ones, 0.02)[1] for light in (alone, beside)]

    np.testing.assert_array_equal(*found)
    assert (np.abs(told[1] - told[0]) > 0.05).any()
    assert window(64, torch.tensor([2.0, 0.1, np.inf])).sum(dim=(1, 2, 3)).tolist() == pytest.approx(
        [np.pi * 14**2, np.pi * 8**2, 64**2], rel=0.03
    )


def test_a_second_galaxy_is_an_anomaly(generator, large_population, survey):
    model = load_generator(generator)
    data = GalaxyData(large_population.stamps, large_population.truth, "test", survey, 32)
    alone = data.image[..., :-1, :-1]
    pairs = alone + alone.roll(5, dims=-1)
    noise, electrons = torch.ones(len(alone)), torch.full((len(alone),), 200.0)
    random = torch.Generator().manual_seed(1)
    scores = [
        anomaly_score(
            *misfits(
                model.network, light + torch.randn(light.shape, generator=random), noise, electrons, 0.02
            ),
            model.card.ordinary,
        )
        for light in (pairs, alone)
    ]

    assert auroc(*scores).value > 0.9
