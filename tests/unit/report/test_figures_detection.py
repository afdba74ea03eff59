from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
import yaml

from skymill.catalog.catalogue import Catalogue
from skymill.metrics.record import MetricRecord
from skymill.report.figures_detection import MOST_POINTS, RELIABILITY, ranking_panel, reliability_panel
from skymill.report.inventory import Inventory
from skymill.report.look import Palette
from skymill.report.models_section import model_context
from skymill.report.results import Results
from skymill.report.scores import Scores
from skymill.report.summary import found_by

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


TILE = "reference:field"


@pytest.fixture
def with_probabilities(matched):
    """The matched table, with probabilities of what the networks found that fall from row to row."""
    table = matched.table.copy()
    given = (
        np.isin(table["detector"], ["unet", "cnn"]) & (table["dataset"] == TILE) & (table["object_id"] >= 0)
    )
    table["detection_probability"][given] = 1 - table["object_id"][given] / 1000
    return Catalogue(table, "matched")


def traces_of(panel):
    spec = json.loads(str(panel.spec))
    go.Figure(spec)  # plotly's own check
    return {(trace["name"], trace["mode"]): trace for trace in spec["data"]}


def test_a_line_ends_where_the_whole_catalogue_is(with_probabilities, scores, palette):
    panel = ranking_panel("x", with_probabilities, scores, palette, TILE)
    traces = traces_of(panel)
    for metric, axis in (("completeness", "x"), ("purity", "y")):
        whole = 100 * scores.get(metric, TILE, "unet").value
        assert traces["unet", "lines"][axis][-1] == pytest.approx(whole, abs=0.01)
        assert traces["unet", "markers"][axis] == traces["unet", "lines"][axis][-1:]
    assert np.all(np.diff(traces["unet", "lines"]["customdata"]) < 0)
    assert np.all(np.diff(traces["unet", "lines"]["x"]) >= 0)


def test_detectors_without_probabilities_are_points_with_intervals(with_probabilities, scores, palette):
    traces = traces_of(ranking_panel("x", with_probabilities, scores, palette, TILE))
    purity = scores.get("purity", TILE, "sep")
    sep = traces["sep", "markers"]
    assert sep["y"] == [100 * purity.value]
    assert sep["error_y"]["arrayminus"] == pytest.approx([100 * (purity.value - purity.low)])
    assert ("sep", "lines") not in traces
    assert traces["source_extractor_plain", "markers"]["visible"] == "legendonly"


def test_networks_that_measure_the_same_candidates_share_a_line(with_probabilities, scores, palette):
    table = with_probabilities.table
    table = table[~((table["detector"] == "cnn") & (table["dataset"] == TILE))]
    twin = table[(table["detector"] == "unet") & (table["dataset"] == TILE)]
    twin["detector"] = "cnn"
    both = Catalogue.concatenate([Catalogue(table, "matched"), Catalogue(twin, "matched")], {})
    names = [
        name for name, mode in traces_of(ranking_panel("x", both, scores, palette, TILE)) if mode == "lines"
    ]
    assert names == ["unet"]


def test_the_caption_compares_at_equal_purity(with_probabilities):
    table = with_probabilities.table
    table = table[(table["dataset"] == TILE) & (table["detector"] == "unet")][:4]
    # Of four detections the third is none; three objects are known, all of them found.
    table["is_matched"], table["is_counted"] = [True, True, False, True], True
    table["truth_id"], table["object_id"] = [0, 1, -1, 2], range(4)
    table["detection_probability"] = np.array([0.9, 0.8, 0.7, 0.6], dtype=np.float32)
    records = [
        MetricRecord(metric, TILE, "sep", "all", value, "fraction", 9, 0.1, 1.0)
        for metric, value in (("completeness", 0.5), ("purity", 0.8))
    ]
    records.append(MetricRecord("purity", TILE, "unet", "all", 0.75, "fraction", 4, 0.1, 1.0))
    panel = ranking_panel("x", Catalogue(table, "matched"), Scores(records), Palette(["unet", "sep"]), TILE)
    assert traces_of(panel)["unet", "lines"]["y"] == pytest.approx([100, 100, 66.67, 75])
    assert "purity of sep (80.0 %) unet finds 66.7 %, sep 50.0 %." in panel.caption


def test_lines_of_long_catalogues_are_thinned(with_probabilities, scores, palette):
    table = with_probabilities.table
    row = table[(table["dataset"] == TILE) & (table["detector"] == "unet") & table["is_matched"]][:1]
    many = row[np.zeros(5000, dtype=int)]
    many["object_id"], many["truth_id"] = range(5000), range(5000)
    many["detection_probability"] = np.linspace(1, 0.1, 5000, dtype=np.float32)
    panel = ranking_panel("x", Catalogue(many, "matched"), scores, palette, TILE)
    x = traces_of(panel)["unet", "lines"]["x"]
    assert len(x) <= MOST_POINTS and x[-1] == 100.0


def test_without_any_figures_it_says_so(matched, palette):
    assert ranking_panel("x", matched, Scores(), palette, TILE).spec is None


def test_only_tiles_whose_sources_are_known_have_the_figure(with_probabilities, scores, palette):
    results = Results(scores, with_probabilities, palette, ["unet", "cnn"], 500, "network finder")
    names = [panel.title for panel in results.tile_panels(TILE)]
    assert "Completeness and purity" in names
    injected = results.tile_panels("injected:field")
    assert "Completeness and purity" not in [panel.title for panel in injected]
    assert "(network finder)" in injected[0].caption


@pytest.mark.parametrize(
    ("detector", "words"),
    [
        ({"kind": "network", "model": "finder"}, "network finder"),
        ({"kind": "sep", "setting": "plain"}, "sep, setting plain"),
        (None, "see the configuration"),
    ],
)
def test_the_report_says_what_found_the_candidates(detector, words):
    assert found_by({"candidates": {"detector": detector}}) == words
