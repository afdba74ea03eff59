from __future__ import annotations

from pathlib import Path

import pytest

from skymill.errors import DataError
from skymill.metrics.record import MetricRecord
from skymill.report.inventory import Entry, Inventory
from skymill.report.restored_section import HEADER, restored_context
from skymill.report.scores import Scores

SETTINGS = ("psf:1.3/noise:2", "psf:1.79/noise:10")


def record(metric, detector, subset, value, dataset="restored:mine"):
    return MetricRecord(metric, dataset, detector, subset, value, "dB", 300, value - 0.2, value + 0.2)


@pytest.fixture
def scores():
    records = [
        record("image_psnr", who, setting, value)
        for setting in SETTINGS
        for who, value in (("degraded", 15.0), ("mine", 37.0), ("richardson_lucy", 27.0))
    ]
    records.append(record("psnr_gain", "mine", f"{SETTINGS[1]}/richardson_lucy", 10.0))
    records.append(record("image_psnr", "other", SETTINGS[0], 50.0, "restored:other"))
    return Scores(records)


@pytest.fixture
def inventory(tmp_path: Path):
    (tmp_path / "restored.png").write_bytes(b"\x89PNG not really")
    return Inventory([Entry("restore", "mine", "0" * 10, tmp_path, {})])


def test_each_degradation_has_a_table_with_the_network_first(inventory, scores):
    (found,) = restored_context(inventory, scores)["restorers"]

    assert found["name"] == "mine" and found["sheet"].uri.startswith("data:image/png;base64,")
    assert [block["title"] for block in found["blocks"]] == [
        "PSF 1.3 times as wide, noise 2 times the survey's",
        "PSF 1.79 times as wide, noise 10 times the survey's",
    ]
    hard = found["blocks"][1]["table"]
    assert hard.header == HEADER
    assert [row[0] for row in hard.rows] == [
        "mine, the network",
        "the degraded image itself",
        "Richardson–Lucy, tuned",
    ]
    assert hard.rows[0][1:3] == ("37.0 [36.8, 37.2]", "")
    assert hard.rows[2][1:3] == ("27.0 [26.8, 27.2]", "10.0 [9.8, 10.2]")


def test_a_picture_that_is_missing_is_said(inventory, scores, tmp_path):
    (tmp_path / "restored.png").unlink()

    with pytest.raises(DataError, match=r"restored\.png"):
        restored_context(inventory, scores)


def test_a_run_without_restorers_shows_none():
    assert restored_context(Inventory([]), Scores([])) == {"restorers": []}
