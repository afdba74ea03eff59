"""metrics.json: strict, complete, in order."""

import json

import pytest

from skymill.errors import DataError
from skymill.metrics.record import MetricRecord, from_json, read_records, to_json

FIELDS = {
    "metric": "flux_mape",
    "dataset": "test_blends",
    "detector": "unet",
    "subset": "both_found",
    "value": 7.0,
    "unit": "percent",
    "n": 7100,
    "low": 6.9,
    "high": 7.1,
}


def test_the_design_documents_record():
    text = to_json([MetricRecord(**FIELDS)])
    assert json.loads(text) == [FIELDS]
    assert list(json.loads(text)[0]) == list(FIELDS)


def test_there_and_back():
    records = [MetricRecord(**{**FIELDS, "subset": f"mag:{low}-{low + 1} σ"}) for low in range(18, 23)]
    assert from_json(to_json(records)) == records
    assert from_json(to_json([])) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": float("nan")}, "finite value"),
        ({"low": float("-inf")}, "finite low"),
        ({"high": None}, "finite high"),
        ({"n": 0}, "n >= 1"),
        ({"n": 3.0}, "n >= 1"),
        ({"n": True}, "n >= 1"),
        ({"detector": ""}, "five names"),
    ],
)
def test_half_a_record_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        MetricRecord(**{**FIELDS, **change})


def test_one_figure_stands_once():
    with pytest.raises(ValueError, match=r"two of.*both_found"):
        to_json([MetricRecord(**FIELDS), MetricRecord(**{**FIELDS, "value": 8.0})])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "JSON array"),
        ('[{"metric": "flux_mape"}]', "record 0"),
        (json.dumps([{**FIELDS, "extra": 1}]), "record 0"),
        (json.dumps([{**FIELDS, "value": float("nan")}]), "strict JSON"),
        ("[", "Expecting"),
    ],
)
def test_a_file_that_is_no_metrics_file_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        from_json(text)


@pytest.mark.parametrize("content", [b"{}", b"[3]", b"\xff\xfe[]", b"[" * 100_000, b'[{"metric": 1}]', b""])
def test_what_is_no_list_of_records_is_one_line(tmp_path, content):
    path = tmp_path / "metrics.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"metrics\.json: expected an array of metric records") as caught:
        read_records(path)

    assert "\n" not in str(caught.value)
