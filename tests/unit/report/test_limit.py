"""Errors beside the least possible ones."""

import json

import pytest

from skymill.report.limit import limit_group
from skymill.report.scores import Scores

AXES = {"mag": "true magnitude", "separation": "separation"}


@pytest.fixture
def group(scores, palette):
    return limit_group(scores, palette, "test_blends", AXES)


def test_there_is_a_figure_by_magnitude_and_one_by_separation(group):
    names = [panel.name for panel in group["panels"]]

    assert names == ["test_blends-limit-magnitude", "test_blends-limit-separation"]
    assert "may fall below 1" in group["panels"][0].caption
    assert "Bias counts as error." in group["panels"][0].caption
    for panel in group["panels"]:
        assert "reference detector found every galaxy" in panel.caption


def test_every_detector_has_a_curve_on_an_axis_that_shows_the_bound(group, palette):
    for panel in group["panels"]:
        figure = json.loads(panel.spec)
        assert {trace["name"] for trace in figure["data"]} == {style.label for style in palette}
        low, high = figure["layout"]["yaxis"]["range"]
        (line,) = figure["layout"]["shapes"]
        # The axis is logarithmic; plotly's shapes are in plain values.
        assert low < 0 < high and line["y0"] == line["y1"] == 1.0


def test_values_are_the_scores(group, scores):
    figure = json.loads(group["panels"][0].spec)
    (curve,) = (trace for trace in figure["data"] if trace["name"] == "unet")
    subsets = [found.subset for found in scores.bins("test_blends", "mag", "both_found/")]
    records = scores.series("flux_error_over_bound", "test_blends", "unet", subsets)

    assert curve["y"] == [record.value for record in records if record]


def test_the_table_holds_floor_and_errors_of_the_main_detectors(group, scores):
    header, rows = group["table"].header, group["table"].rows

    assert header[:4] == ("Galaxies", "n", "median bound", "MAPE at the bound")
    assert "unet" in header and "source_extractor" in header and "source_extractor_plain" not in header
    assert rows[0][0] == "all"
    assert {"20–21 mag", "0.8–1.2 half-light radii apart"} <= {row[0] for row in rows}
    floor = scores.get("flux_mape_bound", "test_blends", "unet", "both_found")
    assert float(rows[0][3]) == pytest.approx(floor.value, rel=0.1)
    # The networks of the toy run are worse than its bounds.
    assert float(rows[0][header.index("unet")]) > float(rows[0][3])


def test_without_a_reference_detector_all_galaxies_are_shown(scores, palette):
    records = [record for record in scores.records if not record.subset.startswith("both_found")]
    group = limit_group(Scores(records), palette, "test_blends", AXES)

    assert len(group["panels"]) == 2
    assert group["who"] == "All galaxies that each detector measured."


def test_without_bounds_there_is_nothing(scores, palette):
    assert limit_group(scores, palette, "injected:field", AXES) == {}
    assert limit_group(Scores(), palette, "test_blends", AXES) == {}
