"""The table that sets the networks of a run beside each other."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from skymill.metrics.record import MetricRecord
from skymill.report.inventory import Inventory
from skymill.report.models_table import models_table
from skymill.report.scores import Scores

PLAIN = {
    "name": "plain",
    "network": {"kind": "unet", "rings": 24},
    "task": {"kind": "mask_flux", "mask_weight": 0.1, "share_weight": 1.0},
    "training": {"max_epochs": 16, "threads": 1},
    "validation": {"flux_mape": 5.0},
    "parameters": 782_606,
}


@pytest.fixture
def table_of(inventory, tmp_path):
    """Make the table of networks with the given cards; None is a card that is not there."""

    def make(*cards, scores=()):
        entries = []
        for number, card in enumerate(cards):
            folder = tmp_path / str(number)
            folder.mkdir()
            if card is not None:
                (folder / "model.yaml").write_text(yaml.safe_dump(card))
            entries.append(replace(inventory.find("train", "unet"), name=f"m{number}", folder=folder))
        return models_table(Inventory(entries), Scores(scores))

    return make


def record(detector: str, value: float, subset: str = "all") -> MetricRecord:
    return MetricRecord(
        "flux_mape", "test_blends", detector, subset, value, "percent", 50, value - 0.5, value + 0.5
    )


def test_only_what_differs_is_listed_and_the_errors_follow(table_of):
    other = {
        **PLAIN,
        "name": "other",
        "task": {"kind": "mask_flux", "mask_weight": 0, "share_weight": 0},
        "training": {"max_epochs": 16, "threads": 2},
        "validation": {"flux_mape": 6.0},
    }
    table = table_of(PLAIN, other, scores=[record("m0", 3.0), record("m1", 4.5)])

    assert list(table.header) == ["", "m0", "m1"]
    assert table.rows == [
        ["task.mask_weight", "0.1", "0"],
        ["task.share_weight", "1", "0"],
        ["flux MAPE (%): Test blends, all galaxies", "3.0 [2.5, 3.5]", "4.5 [4.0, 5.0]"],
    ]


def test_an_option_or_a_figure_that_only_one_has_is_a_dash_for_the_other(table_of):
    table = table_of(PLAIN, {**PLAIN, "task": {"kind": "flux"}}, scores=[record("m0", 3.0, "both_found")])

    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["task.mask_weight"] == ["0.1", "–"]
    assert rows["task.kind"] == ["mask_flux", "flux"]
    (figures,) = [values for name, values in rows.items() if name.startswith("flux MAPE")]
    assert figures == ["3.0 [2.5, 3.5]", "–"]


@pytest.mark.parametrize("cards", [(), (PLAIN,), (PLAIN, None)])
def test_one_readable_card_makes_no_table(table_of, cards):
    assert table_of(*cards) is None
