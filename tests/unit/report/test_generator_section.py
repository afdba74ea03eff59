from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from skymill.catalog.flags import Flag
from skymill.errors import DataError
from skymill.metrics.record import MetricRecord
from skymill.report import generator_section
from skymill.report.generator_section import (
    generator_context,
    most_anomalous,
    roc_panel,
    spectrum_panel,
)
from skymill.report.inventory import Entry, Inventory
from skymill.report.scores import Scores

PNG = b"\x89PNG not really"
CURVES = {
    "roc": {"blends": {"x": [0, 0.1, 1], "y": [0, 0.9, 1]}, "mergers": {"x": [0, 1], "y": [0, 1]}},
    "power_spectrum": {"wave_number": [0.1, 0.2], "real": [1.0, 0.1], "drawn": [1.1, 0.1]},
}


def record(metric, dataset, subset, value):
    return MetricRecord(metric, dataset, "vae", subset, value, "fraction", 10, value - 0.01, value + 0.01)


@pytest.fixture
def scores():
    return Scores(
        [
            record("anomaly_auroc", "anomaly:vae", "blends", 0.95),
            record("distance_gini", "generated:vae", "survey_noise", 0.04),
            record("distance_gini", "generated:other", "survey_noise", 0.5),
        ]
    )


@pytest.fixture
def inventory(tmp_path: Path):
    names = ("film.png", "samples.png", "interpolations.png", "traversals.png", "plane.png")
    for name in names:
        (tmp_path / name).write_bytes(PNG)
    (tmp_path / "curves.json").write_text(json.dumps(CURVES))
    return Inventory([Entry(stage, "vae", "0" * 10, tmp_path, {}) for stage in ("generator", "judge")])


def test_a_generator_has_its_figures_curves_and_pictures(inventory, scores):
    (found,) = generator_context(inventory, scores)["generators"]

    assert [row[:3] for row in found["rows"]] == [
        ("area under the curve of the anomaly score", "blends", "0.95"),
        ("distance of gini", "survey noise", "0.04"),
    ]
    assert len(found["panels"]) == 2 and len(found["sheets"]) == 5
    assert found["sheets"][-1].uri.startswith("data:image/png;base64,iVBOR")


def test_a_generator_that_is_not_judged_shows_its_film(inventory, scores):
    alone = Inventory(inventory.of_stage("generator"))
    (found,) = generator_context(alone, scores)["generators"]

    assert len(found["sheets"]) == 1 and found["panels"] == []


def test_both_kinds_are_shown_and_no_halves(inventory, scores, tmp_path):
    more = [Entry("generator", name, "1" * 10, tmp_path, {}) for name in ("wgan", "vae.half1", "vae.half2")]
    found = generator_context(Inventory([*inventory.entries, *more]), scores)["generators"]

    assert [one["name"] for one in found] == ["vae", "wgan"]


def test_a_missing_picture_is_named(inventory, scores, tmp_path):
    (tmp_path / "plane.png").unlink()

    with pytest.raises(DataError, match=r"plane\.png"):
        generator_context(inventory, scores)


def test_curves_name_their_areas(scores):
    spec = json.loads(roc_panel("vae", CURVES["roc"], scores).spec)
    names = [trace.get("name") for trace in spec["data"]]

    assert names == [None, "blends, 0.950", "mergers"]
    assert roc_panel("vae", {}, scores).spec is None
    assert [
        trace["name"] for trace in json.loads(spectrum_panel("vae", CURVES["power_spectrum"]).spec)["data"]
    ] == [
        "real",
        "drawn",
    ]


def test_the_most_anomalous_primary_sources_come_first():
    score = np.array([1.0, np.nan, 9.0, 5.0, 7.0, 8.0])
    primary = np.array([True, True, False, True, True, True])
    flags = np.array([0, 0, 0, int(Flag.BLENDED), 0, int(Flag.SATURATED)])

    assert most_anomalous(score, primary, flags).tolist() == [4, 3, 0]


def test_each_tile_has_one_wall_whoever_measured_it(tmp_path, scores, monkeypatch):
    """The first network has no scores: the second one's are shown, the third one's are the same."""
    names = ("t.cnn", "t.unet", "t.gan", "other.unet")
    entries = [Entry("infer", name, "0" * 10, tmp_path, {}) for name in names]

    def wall(entry, inventory):
        return {"tile": entry.dataset, "detector": entry.detector} if entry.detector != "cnn" else None

    monkeypatch.setattr(generator_section, "_wall", wall)
    walls = generator_context(Inventory(entries), scores)["anomalies"]
    assert walls == [{"tile": "t", "detector": "unet"}, {"tile": "other", "detector": "unet"}]
