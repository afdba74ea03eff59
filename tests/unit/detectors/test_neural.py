from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from torch import Tensor, nn

from skymill.catalog.catalogue import Catalogue
from skymill.catalog.flags import Flag
from skymill.catalog.match import match_positions
from skymill.config.detect import CandidateConfig
from skymill.data.survey import Survey
from skymill.detectors import infer as infer_module
from skymill.detectors.infer import infer_tile
from skymill.detectors.neural import NeuralDetector
from skymill.errors import DataError
from skymill.tasks.calibration import Calibration
from skymill.training.card import Model

INPUT_PX = 24
SCORES = {"flux_q025": -2.0, "flux_q16": -1.0, "flux_q84": 1.0, "flux_q975": 2.0}


class ApertureTask:
    """Stands in for a trained network: the light of the whole stamp, give or take a tenth."""

    def inputs(self, image: Tensor, condition: Tensor) -> Tensor:
        return image

    def columns(self, outputs: Tensor, image: Tensor, calibration: Calibration) -> dict[str, Tensor]:
        flux = outputs.sum(dim=(1, 2, 3))
        quantiles = {name: flux + score * 0.1 * flux.abs() for name, score in SCORES.items()}
        return {"flux": flux, "flux_err": 0.1 * flux.abs(), **quantiles, "flags": (flux * 0).int()}


def card_of(survey: Survey) -> SimpleNamespace:
    """A card with what measuring asks of it."""
    return SimpleNamespace(
        survey=survey, input_px=INPUT_PX, calibration=None, condition_range=lambda: ((0, 0), (0, 0))
    )


@pytest.fixture
def model(survey) -> Model:
    return Model(nn.Identity(), ApertureTask(), card_of(survey))


def test_candidates_are_measured_by_the_network(field, model):
    detector = NeuralDetector(CandidateConfig(), model)
    found = detector.detect(field.tile, {"name": "n"})
    match = match_positions(field.x, field.y, found["x"], found["y"], 0.5)

    assert len(match) == 25
    # All light of a Gaussian of at most 3.5 px is within a stamp of 24 px; the noise in it is 24.
    ratio = found["flux"][match.index2] / 363.08 / field.flux
    assert np.median(ratio) == pytest.approx(1.0, abs=0.01)
    np.testing.assert_allclose(found["flux_err"], 0.1 * np.abs(found["flux"]), rtol=1e-6)
    for name, score in SCORES.items():
        np.testing.assert_allclose(found[name], found["flux"] + score * found["flux_err"], rtol=1e-4)
    # The shapes are the candidates'.
    assert np.median(found["a"][match.index2] / field.a) == pytest.approx(1.0, abs=0.1)
    assert np.isfinite(found["ra"]).all()
    assert set(detector.tools()) == {"sep", "torch"}


def test_sources_are_scored_where_a_generator_is_given(field, model, survey, monkeypatch):
    generator = SimpleNamespace(card=card_of(survey))
    seen = []

    def score(tile, x, y, flux_radius, given, device):
        assert (flux_radius > 0).all()
        seen.append((given, device))
        return x / 100

    monkeypatch.setattr("skymill.inference.anomaly.score_sources", score)
    found = NeuralDetector(CandidateConfig(), model, "cpu", generator=generator).detect(field.tile, {})
    plain = NeuralDetector(CandidateConfig(), model, "cpu").detect(field.tile, {})

    np.testing.assert_allclose(found["anomaly_score"], found["x"] / 100, rtol=1e-6)
    assert np.isnan(plain["anomaly_score"]).all() and seen == [(generator, "cpu")]


def test_a_generator_of_another_survey_is_refused(field, model, survey):
    other = SimpleNamespace(card=card_of(survey.model_copy(update={"pixel_scale_arcsec": 0.2})))

    with pytest.raises(DataError, match="expected a pixel scale"):
        NeuralDetector(CandidateConfig(), model, generator=other).detect(field.tile, {})


def test_flags_on_the_candidates_own_flux_are_dropped(field, model, monkeypatch):
    detector = NeuralDetector(CandidateConfig(), model)
    columns = detector.candidates.find(field.tile)
    columns["flags"] = np.full(len(columns["x"]), int(Flag.TRUNCATED | Flag.FAILED))
    monkeypatch.setattr(detector.candidates, "find", lambda tile: columns)

    assert not detector.detect(field.tile, {})["flags"].any()


def test_galaxies_larger_than_the_stamp_are_truncated(field, model, monkeypatch):
    detector = NeuralDetector(CandidateConfig(), model)
    columns = detector.candidates.find(field.tile)
    columns["flux_radius"] = np.where(np.arange(len(columns["x"])) == 12, INPUT_PX / 2 + 1, 1.0)
    monkeypatch.setattr(detector.candidates, "find", lambda tile: columns)
    flags = detector.detect(field.tile, {})["flags"]

    assert np.count_nonzero(flags & Flag.TRUNCATED) == 1


def test_a_tile_of_another_survey_is_refused_with_both_numbers(field, model, survey, caplog):
    other = survey.model_copy(update={"pixel_scale_arcsec": 0.2})
    detector = NeuralDetector(CandidateConfig(), model._replace(card=card_of(other)))
    with pytest.raises(DataError, match=r'tile t1: expected a pixel scale of 0\.2" .* found 0\.4"'):
        detector.detect(field.tile, {})

    going_on = NeuralDetector(CandidateConfig(on_mismatch="go_on"), detector.model)
    assert len(going_on.detect(field.tile, {})) >= 25
    assert "Going on" in caplog.text


@pytest.fixture
def recipe() -> dict:
    params = {"seed": 1, "candidates": CandidateConfig().recipe_params()}
    return {
        "stage": "infer",
        "name": "t1.cnn",
        "revision": 1,
        "version": "0123456789",
        "params": params,
        "parents": {"model": "0" * 10},
    }


@pytest.mark.parametrize("empty", [False, True])
def test_the_stage_writes_catalogue_and_record(
    empty, field, empty_tile, model, recipe, tmp_path: Path, monkeypatch
):
    monkeypatch.setattr(infer_module, "load_model", lambda folder: model)
    folder, output = tmp_path / "model", tmp_path / "out" / "catalogue.parquet"
    folder.mkdir()
    for name in ("weights.safetensors", "model.yaml"):
        (folder / name).write_text(name)
    (empty_tile if empty else field.tile).write(tmp_path / "tile.fits")
    infer_tile(recipe, tmp_path / "tile.fits", folder, output)
    found, record = (
        Catalogue.read(output, "measurement"),
        json.loads((output.parent / "provenance.json").read_text()),
    )

    assert len(found) == record["rows"]
    assert (len(found) == 0) == empty
    assert found.meta["parent.model"] == "0" * 10
    assert set(record["inputs"]) == {"tile", "weights", "card"}
    assert "torch" in record["extra"]["tools"]
    assert record["extra"]["device"]


def test_no_weights_is_one_error(field, recipe, tmp_path):
    field.tile.write(tmp_path / "tile.fits")

    with pytest.raises(DataError, match=r"model\.yaml"):
        infer_tile(
            recipe, tmp_path / "tile.fits", tmp_path / "nowhere", tmp_path / "out" / "catalogue.parquet"
        )
