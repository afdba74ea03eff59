"""Networks on test blends: positions, rows, pairs and groups, with a network that gives the middle pixel."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from torch import Tensor, nn

from skymill.catalog.catalogue import Catalogue
from skymill.catalog.flags import Flag
from skymill.data.stamps import link_shards, write_shard
from skymill.data.survey import image_flux_to_njy
from skymill.detectors import evaluate
from skymill.detectors.evaluate import evaluate_model
from skymill.errors import DataError
from skymill.provenance.recipe import Recipe
from skymill.tasks.calibration import Calibration
from skymill.training.card import CARD, WEIGHTS, Model

INPUT_PX, CANVAS_PX = 16, 32
SCORES = {"flux_q025": -2.0, "flux_q16": -1.0, "flux_q84": 1.0, "flux_q975": 2.0}


class PixelTask:
    """Flux: the middle pixel; of pairs, the companion's is the brightest other one."""

    def __init__(self, galaxies: int) -> None:
        self.galaxies = galaxies

    def inputs(self, image: Tensor, condition: Tensor) -> Tensor:
        assert not condition.any()  # a mosaic has the survey's PSF and noise
        return image

    def columns(self, outputs: Tensor, image: Tensor, calibration: Calibration) -> dict[str, Tensor]:
        others = outputs.clone()
        middle = outputs[:, 0, INPUT_PX // 2, INPUT_PX // 2]
        others[:, 0, INPUT_PX // 2, INPUT_PX // 2] = 0
        columns = {**distribution(middle, 0.1), "flags": (middle * 0).int()}
        if self.galaxies == 2:
            brightest = distribution(others.amax(dim=(1, 2, 3)), 0.2)
            columns |= {f"companion_{name}": values for name, values in brightest.items()}
        return columns


def distribution(flux: Tensor, width: float) -> dict[str, Tensor]:
    """A flux with quantiles at multiples of `width`."""
    quantiles = {name: flux * (1 + width * score) for name, score in SCORES.items()}
    return {"flux": flux, "flux_err": width * flux, **quantiles}


def write_set(folder: Path, members: list[int]) -> tuple[Path, Path, np.ndarray]:
    """Blends of single pixels; returns stamps, truth and the pixels' values in the truth's order.

    The truth's rows are shuffled, so that nothing can rest on their order.
    """
    random = np.random.default_rng(5)
    images = np.zeros((len(members), 1, CANVAS_PX, CANVAS_PX), dtype=np.float32)
    rows = []
    for stamp_id, count in enumerate(members):
        for number in range(count):
            x, y = (16, 16) if number == 0 else (16 + 3 * number, 16 - 2 * number)
            images[stamp_id, 0, y, x] = value = random.uniform(100, 1000)
            role = "central" if number == 0 else "companion"
            rows.append((stamp_id, len(rows) + 100, role, count, x + 0.3, y - 0.3, value))
    order = random.permutation(len(rows))
    names = ("stamp_id", "galaxy_id", "role", "n_galaxies", "x", "y", "value")
    columns = {
        name: np.array(values)[order] for name, values in zip(names, zip(*rows, strict=True), strict=True)
    }
    values = images[
        columns["stamp_id"], 0, np.rint(columns["y"]).astype(int), np.rint(columns["x"]).astype(int)
    ]
    del columns["value"]
    n = len(rows)
    rest = {name: np.ones(n) for name in ("re", "separation", "separation_re", "delta_mag", "flux", "mag")}
    Catalogue.from_columns(
        "blends",
        {},
        **columns,
        **rest,
        kind=np.full(n, "bulge_disc"),
        bulge_to_total=np.zeros(n),
        blend_class=np.full(n, "strong"),
    ).write(folder / "truth.parquet")
    write_shard(folder / "shards" / "0.h5", {"image": images}, 0, {})
    link_shards(folder / "stamps.h5", [folder / "shards" / "0.h5"], {})
    return folder / "stamps.h5", folder / "truth.parquet", values


@pytest.fixture
def run(tmp_path, survey, monkeypatch):
    """Evaluate a model for one or two galaxies on blends with these numbers of members."""

    def evaluate_set(members: list[int], galaxies: int) -> tuple[Catalogue, Catalogue, np.ndarray]:
        stamps, truth, values = write_set(tmp_path / "blends", members)
        (tmp_path / "model").mkdir()
        for name in (CARD, WEIGHTS):
            (tmp_path / "model" / name).write_text("stands in for a file of a model")
        card = SimpleNamespace(
            input_px=INPUT_PX,
            survey=survey,
            calibration=None,
            condition_range=lambda: ((-9, 9), (-9, 9)),
        )
        model = Model(nn.Identity(), PixelTask(galaxies), card)
        monkeypatch.setattr(evaluate, "load_model", lambda _: model)
        params = {"seed": 1, "survey": survey.model_dump(mode="json")}
        recipe = Recipe("evaluate", "test_blends.m", params, {"model": "c" * 10}).to_dict()
        evaluate_model(recipe, tmp_path / "model", stamps, truth, tmp_path / "out" / "catalogue.parquet")
        found = Catalogue.read(tmp_path / "out" / "catalogue.parquet", "measurement")
        return found, Catalogue.read(truth, "blends"), values

    return evaluate_set


def check(found: Catalogue, truth: Catalogue, values: np.ndarray, survey) -> None:
    """Every galaxy has its row, with its own flux."""
    np.testing.assert_array_equal(found["galaxy_id"], truth["galaxy_id"])
    np.testing.assert_array_equal(found["stamp_id"], truth["stamp_id"])
    np.testing.assert_array_equal(found["object_id"], np.arange(len(truth)))
    np.testing.assert_allclose(found["x"], truth["x"])
    np.testing.assert_allclose(found["flux"], image_flux_to_njy(values, survey.zero_point_mag), rtol=1e-5)
    assert found["is_primary"].all()
    # As for every detector: companions 3.6 px off overlap; what is 22 px off the middle reaches over the canvas.
    overlaps, _, reaches = ((found["flags"] & flag) > 0 for flag in (Flag.BLENDED, Flag.MASKED, Flag.EDGE))
    np.testing.assert_array_equal(overlaps, truth["n_galaxies"] > 1)
    np.testing.assert_array_equal(reaches, truth["x"] > 31.5 - 9.15)
    assert not (found["flags"] & ~(Flag.BLENDED | Flag.EDGE)).any()


@pytest.mark.parametrize("at_once", [2, 500])
def test_each_galaxy_of_a_group_gets_a_stamp_of_its_own(run, survey, monkeypatch, at_once):
    monkeypatch.setattr(evaluate, "BLENDS_AT_ONCE", at_once)
    found, truth, values = run([1, 2, 3, 2, 1], galaxies=1)

    check(found, truth, values, survey)
    np.testing.assert_allclose(found["flux_err"], 0.1 * found["flux"], rtol=1e-5)
    for name, score in SCORES.items():
        np.testing.assert_allclose(found[name], found["flux"] * (1 + 0.1 * score), rtol=1e-5)


def test_companions_get_the_second_result_of_the_central_galaxys_stamp(run, survey):
    found, truth, values = run([2, 2, 2, 1], galaxies=2)

    check(found, truth, values, survey)
    ratio = np.where(truth["role"] == "companion", 0.2, 0.1)
    np.testing.assert_allclose(found["flux_err"], ratio * found["flux"], rtol=1e-5)
    for name, score in SCORES.items():
        np.testing.assert_allclose(found[name], found["flux"] * (1 + score * ratio), rtol=1e-5)


def test_a_model_of_pairs_refuses_groups(run):
    with pytest.raises(DataError, match=r"expected pairs.*found blends of up to 3 galaxies"):
        run([2, 3], galaxies=2)


def test_the_product_is_recorded(run, tmp_path):
    found, _, _ = run([2, 1], galaxies=1)
    record = json.loads((tmp_path / "out" / "provenance.json").read_text())

    assert record["rows"] == len(found) == 3
    assert set(record["inputs"]) == {"stamps", "truth", "card", "weights"}
    assert found.meta["stage"] == "evaluate"
