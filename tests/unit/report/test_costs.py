"""What each network costs, and the film of an adversarial training."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from skymill.report.costs import HEADER, costs_table
from skymill.report.headline import ABSENT
from skymill.report.inventory import Inventory
from skymill.report.models_section import model_context


@pytest.fixture
def trained(inventory, tmp_path):
    """A network with a card and 2 MB of weights."""
    card = {"parameters": 1_234_567, "hours": 0.75, "device": "cpu, 1 thread"}
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(card))
    (tmp_path / "weights.safetensors").write_bytes(bytes(2_000_000))
    return replace(inventory.find("train", "unet"), name="gan", folder=tmp_path)


def test_costs_are_those_of_card_and_record(inventory, trained):
    extra = {"device": "cpu, 2 threads", "cpu_s": 20.0, "peak_memory_mb": 812.4}
    record = {"rows": 4000, "wall_time_s": 99.0, "extra": extra}
    evaluated = replace(inventory.find("evaluate", "test_blends.unet"), name="test_blends.gan", record=record)
    table = costs_table(Inventory([trained, evaluated]))

    assert table.header == HEADER
    assert table.rows == [
        ("gan", "1,234,567", "2.0", "0.75", "cpu, 1 thread", "5.0", "cpu, 2 threads", "812")
    ]


def test_a_network_that_restores_images_has_a_row(trained):
    restorer = replace(trained, stage="restorer", name="restorer")
    extra = {"device": "cpu, 1 thread", "cpu_s": 9.0, "peak_memory_mb": 700.0}
    compared = replace(restorer, stage="restore", record={"rows": 300, "extra": extra})
    (row,) = costs_table(Inventory([restorer, compared])).rows

    assert row[0] == "restorer" and row[-3:] == ("30.0", "cpu, 1 thread", "700")


def test_what_was_not_measured_is_absent(trained):
    (row,) = costs_table(Inventory([trained])).rows

    assert row[-3:] == (ABSENT,) * 3


def test_a_network_without_a_card_is_left_out(inventory, tmp_path):
    assert costs_table(Inventory([replace(inventory.find("train", "unet"), folder=tmp_path)])) is None


def test_the_film_is_shown_where_there_is_one(trained):
    (without,) = model_context(Inventory([trained]))["models"]
    (trained.folder / "film.png").write_bytes(b"a picture")
    (with_film,) = model_context(Inventory([trained]))["models"]

    assert without["film"] is None and with_film["film"] == "data:image/png;base64,YSBwaWN0dXJl"
