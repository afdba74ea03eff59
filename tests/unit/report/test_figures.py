"""Figures of the page: what is in them, and words where there is nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from skymill.catalog.catalogue import Catalogue
from skymill.errors import DataError
from skymill.metrics.record import MetricRecord
from skymill.report.figures_binned import BinnedPlot, binned_panel
from skymill.report.figures_run import duration, times_panel
from skymill.report.figures_scatter import OUTCOMES, outcome_panel, running_quantiles, scatter_panel
from skymill.report.figures_training import read_card, read_history, training_panel
from skymill.report.inventory import Inventory
from skymill.report.look import Palette
from skymill.report.results import BOTH, Results, dataset_groups
from skymill.report.scores import Scores


def spec(panel):
    return json.loads(str(panel.spec))


def plot(scores, **changes):
    bins = [(found.subset, found.label) for found in scores.bins("test_blends", "mag")]
    options = {
        "name": "x",
        "title": "t",
        "caption": "c",
        "dataset": "test_blends",
        "categories": bins,
        "x_title": "mag",
    }
    return BinnedPlot(**{**options, **changes})


def test_binned_figure_has_a_curve_for_each_metric_and_detector(scores, palette):
    found = spec(binned_panel(plot(scores), scores, palette))

    assert len(found["data"]) == 3 * 6
    assert [trace["name"] for trace in found["data"] if trace["showlegend"]] == [
        style.detector for style in palette
    ]
    assert found["layout"]["xaxis"]["ticktext"] == ["19–20", "20–21", "21–22", "22–23"]


def test_binned_figure_shows_value_and_interval():
    records = [MetricRecord("flux_mape", "test_blends", "sep", "mag:20-21", 7.0, "percent", 50, 6.0, 9.0)]
    (trace,) = spec(binned_panel(plot(Scores(records)), Scores(records), Palette(["sep"])))["data"]

    assert trace["y"] == [7.0]
    assert (trace["error_y"]["array"], trace["error_y"]["arrayminus"]) == ([2.0], [1.0])
    assert trace["customdata"] == [["20–21", 50, 6.0, 9.0]]


def test_a_variant_waits_in_the_legend(scores, palette):
    traces = spec(binned_panel(plot(scores), scores, palette))["data"]

    assert {trace["name"] for trace in traces if trace["visible"] == "legendonly"} == {
        "source_extractor_plain"
    }


def test_hidden_figures_are_not_drawn(scores, palette):
    hidden = frozenset(("flux_mape", style.detector) for style in palette)
    traces = spec(binned_panel(plot(scores, hidden=hidden), scores, palette))["data"]

    assert len(traces) == 2 * 6


def test_binned_figure_without_figures_is_words(palette):
    panel = binned_panel(plot(Scores()), Scores(), palette)

    assert panel.spec is None
    assert "too few sources" in panel.caption


def test_scatter_has_points_and_running_quantiles(matched, palette):
    panel = scatter_panel("s", "t", matched, palette, "test_blends", 600, "c")
    found = spec(panel)

    points = [trace for trace in found["data"] if trace["mode"] == "markers"]
    assert len(points) == 6
    assert len(found["data"]) == 4 * 6
    assert 590 <= sum(len(trace["x"]) for trace in points) <= 600


@pytest.mark.parametrize("dataset", ["test_blends", "nowhere"])
def test_scatter_of_nothing_is_words(palette, dataset):
    panel = scatter_panel("s", "t", Catalogue.empty("matched"), palette, dataset, 100, "c")

    assert panel.spec is None


def test_running_quantiles_need_enough_points():
    x = np.r_[np.full(20, 20.5), np.full(3, 21.5)]
    centres, quantiles = running_quantiles(x, np.r_[np.linspace(-1, 1, 20), [5.0, 5.0, 5.0]])

    np.testing.assert_array_equal(centres, [20.5])
    np.testing.assert_allclose(quantiles[:, 0], [-0.68, 0.0, 0.68], atol=1e-12)


def test_running_quantiles_of_nothing():
    centres, quantiles = running_quantiles(np.empty(0), np.empty(0))

    assert centres.shape == (0,)
    assert quantiles.shape == (3, 0)


def test_outcomes_leave_out_who_was_given_the_positions(scores, palette):
    found = spec(outcome_panel("o", "t", scores, palette, "test_blends", [("theirs", {"both": 74.3})], "c"))

    names = found["data"][0]["y"]
    assert names == ["source_extractor", "source_extractor_plain", "sep", "photutils", "theirs"]
    # Every blend has one outcome.
    totals = np.sum([trace["x"] for trace in found["data"]], axis=0)
    np.testing.assert_allclose(totals[:-1], 100.0, atol=1e-9)
    assert len(found["data"]) <= len(OUTCOMES)


def test_outcomes_of_networks_alone_are_words(scores):
    assert outcome_panel("o", "t", scores, Palette(["unet"]), "test_blends", [], "c").spec is None


def test_training_curves_come_from_the_history(inventory):
    found = spec(training_panel(inventory.find("train", "unet")))

    assert [trace["name"] for trace in found["data"]] == [
        "train loss",
        "validation loss",
        "flux mape",
        "learning rate",
    ]
    assert found["layout"]["yaxis2"]["title"]["text"] == "flux mape, validation (%)"


def test_a_critic_has_a_panel_of_its_own(inventory, tmp_path):
    names = "epoch,train_loss,validation_loss,flux_mape,flux_bias,image_psnr,critic_loss,adversarial_loss,learning_rate"
    (tmp_path / "history.csv").write_text(
        f"{names}\n1,-3,-3,9,1,38,1.5,-0.2,0.001\n2,-4,-4,8,1,39,1.4,0.1,0.001\n"
    )
    found = spec(training_panel(replace(inventory.find("train", "unet"), folder=tmp_path)))
    titles = [
        found["layout"][axis]["title"]["text"] for axis in ("yaxis", "yaxis2", "yaxis3", "yaxis4", "yaxis5")
    ]

    assert titles == [
        "loss",
        "critic, training",
        "flux mape, validation (%)",
        "image psnr, validation",
        "learning rate",
    ]
    dashes = {trace["name"]: trace["line"]["dash"] for trace in found["data"]}
    assert (dashes["critic loss"], dashes["adversarial loss"]) == ("dot", "solid")


@pytest.mark.parametrize("text", ["", "epoch,train_loss\n1,two\n", "epoch,train_loss\n1\n"])
def test_a_broken_history_is_named(tmp_path, text):
    (tmp_path / "history.csv").write_text(text)

    with pytest.raises(DataError, match=r"history\.csv"):
        read_history(tmp_path / "history.csv")


def test_a_history_without_epochs_is_words(tmp_path, inventory):
    (tmp_path / "history.csv").write_text("epoch,train_loss\n")

    assert training_panel(replace(inventory.find("train", "unet"), folder=tmp_path)).spec is None


def test_card_keys_are_joined(tmp_path):
    (tmp_path / "model.yaml").write_text("a: {b: {c: 1}, d: [1, 2]}\ne: {}\n")

    assert read_card(tmp_path / "model.yaml") == {"a.b.c": 1, "a.d": [1, 2], "e": {}}


@pytest.mark.parametrize("text", ["- 1", "{", None])
def test_a_broken_card_is_named(tmp_path, text):
    if text is not None:
        (tmp_path / "model.yaml").write_text(text)

    with pytest.raises(DataError, match=r"model\.yaml"):
        read_card(tmp_path / "model.yaml")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.6, "1 min 0 s"), (38, "38 s"), (725, "12 min 5 s"), (12000, "3 h 20 min")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_times_add_up(inventory):
    bars, labels = spec(times_panel(inventory))["data"]

    assert len(bars["x"]) == len(inventory.entries)
    assert len(labels["x"]) == 11
    assert sum(labels["x"]) == pytest.approx(sum(bars["x"]))


def test_times_of_nothing_are_words():
    assert times_panel(Inventory([])).spec is None


@pytest.fixture
def results(scores, matched, palette):
    return Results(scores, matched, palette, ["unet", "cnn"], 500)


def test_panels_of_the_blends(results):
    names = [
        panel.name.removeprefix("test_blends-")
        for panel in [
            *results.blend_panels("test_blends", BOTH),
            *results.blend_panels("test_blends", ""),
            *results.found_panels("test_blends"),
        ]
    ]

    assert names == [
        *(f"{by}-{who}" for who in ("both", "all") for by in ("magnitude", "separation", "class", "type")),
        "outcomes",
        "found-separation",
        "found-magnitude",
    ]


def test_without_figures_only_the_outcomes_panel_speaks(matched, palette):
    results = Results(Scores(), matched, palette, [], 500)

    assert results.blend_panels("test_blends") == []
    (outcomes,) = results.found_panels("test_blends")
    assert outcomes.spec is None
    assert not results.coverage("test_blends").rows
    assert [row[0] for row in results.published().rows] == [
        "U-Net, published",
        "CNN, published",
        "SExtractor, published",
    ]


def test_own_figures_stand_below_the_published_ones(results):
    assert {row[0] for row in results.published().rows} == {
        f"{method}, published" for method in ("U-Net", "CNN", "SExtractor")
    }
    results = replace(results, published_datasets=["test_blends"])
    rows = results.published().rows

    assert rows[0][1:] == ["7.04", "6.78", "7.59", "7.63", "0.112", "0.04"]
    assert rows[3][0] == "unet"
    assert all("[" in cell for cell in rows[3][1:])
    separation = results.published_separation().rows
    assert [row[0] for row in separation[:3]] == ["U-Net, published", "SExtractor, published", "unet"]


def test_injected_tiles_have_no_purity(results):
    (group,) = dataset_groups(results, "injected")

    titles = [
        spec(group["panels"][0])["layout"].get(f"yaxis{n}", {}).get("title", {}).get("text")
        for n in ("", "2")
    ]
    assert titles == ["completeness (%)", None]
