from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from skymill.config.finder import DetectionUnetConfig
from skymill.data.tile import MaskBit, Tile, TileMeta
from skymill.inference.detection import Finder, least_logit, smooth_rms
from skymill.models.outputs import Maps
from skymill.training.finder_card import Calibration, FinderModel

FIT = Calibration(
    slope=2.0,
    intercept=-1.0,
    least_probability=0.5,
    purity=0.9,
    completeness=0.9,
    max_distance_px=2.0,
    calibration_error=0.01,
    reliability=(),
)


class Brightness(nn.Module):
    """Stands in for a trained network: the logit is a pixel's brightness less 5; centres are 0.25 px to the right."""

    def forward(self, image):
        centre = functional.avg_pool2d(image, 3, 1, 1)[:, 0] - 5.0
        offset = torch.zeros(len(image), 2, *centre.shape[1:])
        offset[:, 1] = 0.25
        return Maps(centre, offset, centre)


def model(fit: Calibration = FIT, width_fraction: float = 0.0) -> FinderModel:
    network = DetectionUnetConfig(kind="detection_unet")
    card = SimpleNamespace(
        name="finder", detection=fit, network=network, task=SimpleNamespace(kind="detection")
    )
    task = SimpleNamespace(inputs=lambda image: image, config=SimpleNamespace(width_fraction=width_fraction))
    return FinderModel(Brightness(), task, card)


def tile(science: np.ndarray, rms: float = 2.0, mask: np.ndarray | None = None) -> Tile:
    mask = np.zeros(science.shape, np.uint8) if mask is None else mask
    meta = TileMeta("t", "test_r", "r", 0.4, 25.0, 100.0, None, 3.5)
    return Tile(science.astype(np.float32), np.full(science.shape, rms, np.float32), mask, None, meta)


def spots(places, shape=(70, 90), peak=40.0) -> np.ndarray:
    image = np.zeros(shape)
    for x, y in places:
        image[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] += peak
    return image


def test_peaks_become_positions_and_probabilities():
    found = Finder(model()).find(tile(spots([(20, 30), (85, 60)])))

    assert found["y"].tolist() == [30, 60] and found["x"].tolist() == [20.25, 85.25]
    # 40 units are 20 rms; the logit is 15, of which the calibration makes 2 * 15 - 1.
    np.testing.assert_allclose(found["detection_probability"], 1 / (1 + np.exp(-29.0)))


def test_a_large_galaxy_is_found_once_by_a_finder_that_knows_such():
    """A galaxy of sigma 6 px with two knots in its middle, and two stars that are five pixels apart."""
    row, column = np.indices((70, 90))
    galaxy = 200 * np.exp(-((column - 22) ** 2 + (row - 30) ** 2) / 72)
    image = galaxy + spots([(20, 30)], peak=30) + spots([(24, 30)], peak=29) + spots([(70, 30), (75, 30)])

    every, first = (Finder(model(width_fraction=fraction)).find(tile(image))["x"] for fraction in (0.0, 0.25))
    assert (every < 45).sum() > 1 and first[first < 45].tolist() == [20.25]
    assert every[every > 45].tolist() == first[first > 45].tolist() == [70.25, 75.25]


def test_the_threshold_is_the_cards_unless_another_is_given():
    # 11 units are a logit of 0.5 and a probability of 0.5; 10.8 units of 0.45.
    image = spots([(20, 30)], peak=11.01) + spots([(60, 30)], peak=10.8)

    assert len(Finder(model()).find(tile(image))["x"]) == 1
    assert len(Finder(model(), least_probability=0.4).find(tile(image))["x"]) == 2
    assert len(Finder(model(), least_probability=0.9).find(tile(image))["x"]) == 0
    assert least_logit(FIT, 0.5) == pytest.approx(0.5)


def test_probability_limits_of_zero_and_one_are_finite():
    assert np.isfinite([least_logit(FIT, 0.0), least_logit(FIT, 1.0)]).all()


def test_bad_pixels_hide_nothing_and_are_never_sources():
    mask = np.zeros((70, 90), np.uint8)
    image = spots([(20, 30), (60, 30)])
    image[30, 60] = np.nan
    mask[30, 60] = int(MaskBit.BAD)
    image[50, 50], mask[50, 50] = 1e6, int(MaskBit.NO_DATA)
    found = Finder(model()).find(tile(image, mask=mask))

    # The bad middle is filled from its neighbours, but no source is put on it.
    assert not ((np.rint(found["x"]) == 50) & (np.rint(found["y"]) == 50)).any()
    assert found["x"][0] == 20.25
    assert not ((np.rint(found["x"]) == 60) & (np.rint(found["y"]) == 30)).any()


def test_saturated_pixels_are_taken_as_they_are():
    mask = np.zeros((70, 90), np.uint8)
    mask[29:32, 19:22] = int(MaskBit.SATURATED)

    assert len(Finder(model()).find(tile(spots([(20, 30)], peak=500.0), mask=mask))["x"]) == 1


def test_sides_that_are_no_multiples_of_the_stride():
    found = Finder(model()).find(tile(spots([(34, 20)], shape=(23, 37))))

    assert found["x"].tolist() == [34.25]


def test_the_unit_follows_the_sky_and_not_the_sources():
    rms = np.full((160, 160), 1.0, np.float32)
    rms[:, 80:] = 3.0
    rms[70:80, 20:30] = 40.0  # photon noise of a bright source
    smooth = smooth_rms(rms, np.zeros(rms.shape, bool))

    np.testing.assert_allclose(smooth[:, :48], 1.0)
    np.testing.assert_allclose(smooth[:, 112:], 3.0)
    assert smooth.shape == rms.shape and smooth.dtype == np.float32


def test_bad_pixels_have_no_say_in_the_unit():
    rms, bad = np.full((50, 70), 2.0, np.float32), np.zeros((50, 70), bool)
    bad[:, :40], rms[:, :40] = True, 99.0

    np.testing.assert_allclose(smooth_rms(rms, bad), 2.0)
    np.testing.assert_allclose(smooth_rms(rms, np.ones_like(bad)), 1.0)


def test_the_unit_of_a_part_is_that_of_the_whole():
    random = np.random.default_rng(1)
    rms = random.uniform(1, 2, (320, 320)).astype(np.float32)
    bad = random.random(rms.shape) < 0.2
    whole, part = smooth_rms(rms, bad), smooth_rms(rms[64:256, 64:], bad[64:256, 64:])

    np.testing.assert_allclose(part[64:128, 64:], whole[128:192, 128:], rtol=1e-6)


def test_finding_does_not_depend_on_other_tiles():
    finder = Finder(model())
    first = tile(spots([(20, 30)]))
    alone = finder.find(first)
    finder.find(replace(first, science=first.science + 100))

    np.testing.assert_array_equal(finder.find(first)["x"], alone["x"])


@pytest.mark.parametrize("n_bad", [0, 1, 100, 101, 254, 255])
def test_the_rms_of_a_single_block_is_the_median_of_its_good_pixels(n_bad: int):
    generator = np.random.default_rng(n_bad)
    rms, bad = generator.uniform(1, 2, (16, 16)).astype(np.float32), np.zeros((16, 16), bool)
    bad.flat[generator.permutation(256)[:n_bad]] = True

    np.testing.assert_allclose(smooth_rms(rms, bad), np.median(rms[~bad]), rtol=1e-6)
