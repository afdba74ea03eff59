"""Histograms of the PIT."""

import json

import numpy as np
import pytest

from skymill.report.figures_pit import BINS, pit_panel
from skymill.report.look import Palette


@pytest.fixture
def palette():
    return Palette(["unet", "sep"])


def matched_of(pit, detector="unet"):
    n = len(pit)
    columns = {
        "dataset": np.full(n, "test_blends"),
        "detector": np.full(n, detector),
        "is_matched": np.ones(n, dtype=bool),
        "is_counted": np.ones(n, dtype=bool),
        "delta_mag": np.zeros(n),
        "pit": np.asarray(pit, dtype=np.float64),
    }
    return columns


def drawn(panel):
    return json.loads(str(panel.spec))


def test_bars_are_relative_to_an_even_distribution(palette):
    pit = np.concatenate([np.full(30, 0.05), np.full(10, 0.55)])
    spec = drawn(pit_panel("pit", matched_of(pit), palette, "test_blends"))
    bars = next(trace for trace in spec["data"] if trace["type"] == "bar")
    wanted = np.zeros(BINS)
    wanted[0], wanted[5] = 3.0, 2.5  # 7.5 times as many as on average is drawn at the limit
    assert bars["y"] == pytest.approx(wanted.tolist())
    assert "n = 40" in spec["layout"]["annotations"][0]["text"]


def test_an_even_distribution_lies_between_the_dotted_lines(palette):
    pit = (np.arange(4000) + 0.5) / 4000
    spec = drawn(pit_panel("pit", matched_of(pit), palette, "test_blends"))
    low, high = (trace["y"][0] for trace in spec["data"] if trace["type"] == "scatter")
    assert (low, high) == pytest.approx(
        (1 - 1.96 * np.sqrt(BINS / 4000), 1 + 1.96 * np.sqrt(BINS / 4000)), abs=1e-4
    )
    bars = next(trace for trace in spec["data"] if trace["type"] == "bar")
    assert all(low < value < high for value in bars["y"])


def test_without_distributions_it_says_so(palette):
    panel = pit_panel("pit", matched_of([np.nan, np.nan]), palette, "test_blends")
    assert panel.spec is None
    assert "uncertainties" in panel.caption


def test_rows_without_a_distribution_are_left_out(palette):
    spec = drawn(pit_panel("pit", matched_of([0.5, np.nan]), palette, "test_blends"))
    assert "n = 1" in spec["layout"]["annotations"][0]["text"]
