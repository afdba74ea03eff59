"""Looking up figures."""

from __future__ import annotations

import pytest

from skymill.errors import DataError
from skymill.metrics.record import MetricRecord
from skymill.report.scores import Bin, Scores


def record(subset="all", metric="flux_mape", dataset="test_blends", detector="unet", value=1.0):
    return MetricRecord(metric, dataset, detector, subset, value, "percent", 10, value - 0.1, value + 0.1)


def test_bins_are_sorted_and_told_from_classes():
    subsets = [
        "all",
        "mag:20-21",
        "mag:9-10",
        "separation:0.8-1.2",
        "blend_class:strong",
        "both_found/mag:20-21",
    ]
    scores = Scores(map(record, subsets))

    assert scores.bins("test_blends", "mag") == [Bin(9, 10, "mag:9-10"), Bin(20, 21, "mag:20-21")]
    assert scores.bins("test_blends", "mag", "both_found/") == [Bin(20, 21, "both_found/mag:20-21")]
    assert [found.label for found in scores.bins("test_blends", "separation")] == ["0.8–1.2"]
    assert scores.members("test_blends", "blend_class") == ["blend_class:strong"]
    assert scores.bins("nowhere", "mag") == []


def test_bins_may_be_negative():
    scores = Scores([record("mag:-2--1"), record("mag:-1-0")])

    assert [(found.low, found.high) for found in scores.bins("test_blends", "mag")] == [(-2, -1), (-1, 0)]


def test_series_has_none_where_there_is_no_figure():
    scores = Scores([record("mag:20-21")])

    first, second = scores.series("flux_mape", "test_blends", "unet", ["mag:20-21", "mag:21-22"])

    assert first is not None
    assert second is None


def test_datasets_and_detectors_keep_their_order():
    names = [("test_blends", "unet"), ("injected:b", "sep"), ("injected:a", "unet"), ("test_blends", "sep")]
    scores = Scores([record(dataset=dataset, detector=detector) for dataset, detector in names])

    assert scores.datasets == ["test_blends", "injected:b", "injected:a"]
    assert scores.of_kind("injected") == ["injected:b", "injected:a"]
    assert scores.detectors("test_blends") == ["unet", "sep"]


@pytest.mark.parametrize("text", ["", "{}", '[{"metric": 1}]', "[NaN]"])
def test_a_file_that_is_no_list_of_records_is_named(tmp_path, text):
    path = tmp_path / "metrics.json"
    path.write_text(text)

    with pytest.raises(DataError, match=str(path)):
        Scores.read(path)
