from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn import functional

from skymill.catalog.match import match_positions
from skymill.config.detect import CandidateConfig, NetworkFinderConfig
from skymill.config.finder import DetectionUnetConfig
from skymill.detectors.candidates import build_finder
from skymill.detectors.detector import SOURCE_COLUMNS
from skymill.detectors.network import NetworkFinder
from skymill.detectors.neural import NeuralDetector
from skymill.errors import ConfigError, DataError
from skymill.models.outputs import Maps
from skymill.training.card import Model
from skymill.training.finder_card import Calibration, FinderModel

FIT = {"slope": 1.0, "intercept": 0.0, "least_probability": 0.5, "purity": 0.9, "completeness": 0.9}
FIT |= {"max_distance_px": 2.0, "calibration_error": 0.01, "reliability": ()}


class Smoothed(nn.Module):
    """Stands in for a trained network: peaks of the smoothed image, with the centroid around them."""

    def forward(self, image):
        light = functional.avg_pool2d(functional.avg_pool2d(image, 3, 1, 1), 3, 1, 1)
        offset = torch.zeros(len(image), 2, *light.shape[2:])
        return Maps(light[:, 0] - 10.0, offset, light[:, 0])


class Constant:
    """Stands in for a task that measures."""

    def inputs(self, image, condition):
        return image

    def columns(self, outputs, image, calibration):
        one = image.mean(dim=(1, 2, 3)) * 0 + 1
        quantiles = dict.fromkeys(("flux_q025", "flux_q16", "flux_q84", "flux_q975"), 7 * one)
        return {"flux": 7 * one, "flux_err": one, **quantiles, "flags": one.int() * 0}


@pytest.fixture
def finder_model(survey) -> FinderModel:
    network = DetectionUnetConfig(kind="detection_unet")
    task = SimpleNamespace(kind="detection")
    card = SimpleNamespace(
        name="finder", detection=Calibration(**FIT), network=network, task=task, survey=survey
    )
    return FinderModel(
        Smoothed(),
        SimpleNamespace(inputs=lambda image: image, config=SimpleNamespace(width_fraction=0.0)),
        card,
    )


@pytest.fixture
def measuring_model(survey) -> Model:
    card = SimpleNamespace(
        survey=survey, input_px=16, calibration=None, condition_range=lambda: ((0, 0), (0, 0))
    )
    return Model(nn.Identity(), Constant(), card)


def network_config(**keys) -> NetworkFinderConfig:
    return NetworkFinderConfig(kind="network", model="finder", **keys)


def test_sources_have_every_column_and_a_probability(field, finder_model):
    found = NetworkFinder(network_config(), finder_model).find(field.tile)
    match = match_positions(field.x, field.y, found["x"], found["y"], 1.5)

    assert len(match) == 25
    assert set(found) == {*SOURCE_COLUMNS, "fwhm", "detection_probability"}
    assert ((found["detection_probability"] >= 0.5) & (found["detection_probability"] <= 1)).all()
    ratio = found["flux"][match.index2] / field.flux
    assert np.median(ratio) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("window_px", [320, 384, 512])
def test_windows_change_nothing(draw, make_tile, finder_model, window_px):
    random = np.random.default_rng(4)
    x, y = random.uniform(5, 595, (2, 150))
    tile = make_tile(draw((600, 600), x, y, [3e3] * 150, [2.0] * 150, [1.8] * 150, [20.0] * 150))
    whole = NetworkFinder(network_config(), finder_model).find(tile)
    parts = NetworkFinder(network_config(window_px=window_px), finder_model).find(tile)
    primary = parts["is_primary"]

    assert primary.all() and len(parts["x"]) == len(whole["x"]) > 120
    first, second = (np.lexsort((each["x"], each["y"])) for each in (whole, parts))
    for name in ("x", "y", "flux", "a", "detection_probability"):
        np.testing.assert_allclose(parts[name][second], whole[name][first], rtol=2e-4)


def test_an_empty_tile_gives_an_empty_catalogue(empty_tile, finder_model, measuring_model):
    config = CandidateConfig(detector=network_config())
    found = NeuralDetector(config, measuring_model, finder=finder_model).detect(empty_tile, {})

    assert len(found) == 0 and "detection_probability" in found.table.colnames


def test_candidates_of_a_network_are_measured(field, finder_model, measuring_model):
    config = CandidateConfig(detector=network_config(least_probability=0.9))
    detector = NeuralDetector(config, measuring_model, finder=finder_model)
    found = detector.detect(field.tile, {"name": "n"})

    assert len(found) >= 25 and set(detector.tools()) == {"torch"}
    assert found["detection_probability"].min() >= 0.9
    np.testing.assert_allclose(found["flux"], 7 * 363.08, rtol=1e-3)


def test_detectors_without_probabilities_leave_them_open(field, measuring_model):
    found = NeuralDetector(CandidateConfig(), measuring_model).detect(field.tile, {})

    assert np.isnan(found["detection_probability"]).all()


def test_a_tile_that_does_not_fit_the_finders_survey_is_refused(field, finder_model, measuring_model):
    other = finder_model.card.survey.model_copy(update={"pixel_scale_arcsec": 0.2})
    finder_model.card.survey = other
    detector = NeuralDetector(
        CandidateConfig(detector=network_config()), measuring_model, finder=finder_model
    )
    with pytest.raises(DataError, match="pixel scale"):
        detector.detect(field.tile, {})


def test_margins_smaller_than_what_the_network_sees_are_refused(finder_model):
    with pytest.raises(ConfigError, match="margin_px: expected at least 1"):
        NetworkFinder(network_config(margin_px=64), finder_model)


@pytest.mark.parametrize(
    "keys", [{"window_px": 1000}, {"margin_px": 100}, {"window_px": 256, "margin_px": 128}]
)
def test_windows_that_do_not_fit_the_steps_are_refused(keys):
    with pytest.raises(ValidationError):
        network_config(**keys)


def test_files_and_configuration_must_agree(finder_model):
    with pytest.raises(ConfigError, match="kind sep with a model"):
        build_finder(CandidateConfig(detector={"kind": "sep"}), finder_model)
    with pytest.raises(ConfigError, match="kind network without a model"):
        build_finder(CandidateConfig(detector=network_config()), None)


def test_a_network_that_is_given_finds_what_no_detector_is_named_for(finder_model):
    assert isinstance(build_finder(CandidateConfig(), finder_model), NetworkFinder)
    assert not isinstance(build_finder(CandidateConfig(), None), NetworkFinder)


def test_network_candidates_need_no_baselines_library(repository):
    """A machine that runs networks may be without sep and photutils."""
    code = (
        "import sys\n"
        "sys.modules |= dict.fromkeys(('sep', 'photutils', 'galsim'))\n"
        "import skymill.detectors.infer, skymill.detectors.network, skymill.inference.detection\n"
        "import skymill.training.finder\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=repository / "src", check=True)
