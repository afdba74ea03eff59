from __future__ import annotations

import json
from dataclasses import replace

import yaml

from skymill.report.figures_detection import RELIABILITY, reliability_panel
from skymill.report.inventory import Inventory
from skymill.report.models_section import model_context

TABLE = [
    {"probability": 0.2, "fraction": 0.25, "n": 40.0},
    {"probability": 0.9, "fraction": 0.88, "n": 1200.0},
]


def test_a_reliability_diagram_shows_every_bin(inventory):
    panel = reliability_panel(inventory.find("train", "unet"), {RELIABILITY: TABLE})
    line, points = json.loads(panel.spec)["data"]

    assert line["x"] == line["y"] == [0, 1]
    assert points["x"] == [0.2, 0.9] and points["y"] == [0.25, 0.88]
    assert points["text"] == ["40", "1,200"]


def test_without_a_calibration_it_says_so(inventory):
    assert reliability_panel(inventory.find("train", "unet"), {}).spec is None


def test_a_finder_has_both_figures_and_is_no_detector(inventory, tmp_path):
    entry = inventory.find("train", "unet")
    folder = tmp_path / "finder"
    folder.mkdir()
    for file in ("history.csv", "model.yaml"):
        (folder / file).write_text((entry.folder / file).read_text())
    card = yaml.safe_load((folder / "model.yaml").read_text())
    (folder / "model.yaml").write_text(yaml.safe_dump(card | {"detection": {"reliability": TABLE}}))
    finder = replace(entry, stage="finder", name="finder", folder=folder)
    with_finder = Inventory([*inventory.entries, finder])

    model = model_context(with_finder)["models"][-1]
    assert model["name"] == "finder" and len(model["panels"]) == 2
    assert RELIABILITY not in dict(model["card"])
    assert "finder" not in with_finder.detectors and "unet" in with_finder.detectors
