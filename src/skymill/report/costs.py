"""What each network costs: one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skymill.errors import SkymillError
from skymill.report.facts import Table
from skymill.report.figures_training import read_card
from skymill.report.headline import ABSENT
from skymill.report.inventory import Entry, Inventory

HEADER = (
    "Network",
    "Parameters",
    "Weights (MB)",
    "Training (h)",
    "Trained on",
    "Inference (processor ms a galaxy)",
    "Inference on",
    "Memory (MB)",
)
DATASET = "test_blends"


def costs_table(inventory: Inventory) -> Table | None:
    """Return the table: a row for each network that measures, and for each that restores images.

    Parameters
    ----------
    inventory : Inventory
        The run's artifacts; a network whose card cannot be read is left out.

    Returns
    -------
    Table or None
        None without networks.
    """
    rows = []
    for entry in inventory.of_stage("train", "restorer"):
        try:
            card = read_card(entry.folder / "model.yaml")
        except SkymillError:
            # The section on training says so beside the network's curves.
            continue
        used = (
            ("restore", entry.name) if entry.stage == "restorer" else ("evaluate", f"{DATASET}.{entry.name}")
        )
        rows.append((entry.name, *_of_training(entry, card), *_of_inference(inventory.find(*used))))
    return Table(HEADER, rows, (1, 2, 3, 5, 7)) if rows else None


def _of_training(entry: Entry, card: Mapping[str, Any]) -> tuple[str, ...]:
    parameters, hours = card.get("parameters"), card.get("hours")
    weights = entry.folder / "weights.safetensors"
    return (
        ABSENT if parameters is None else f"{parameters:,}",
        f"{weights.stat().st_size / 1e6:.1f}" if weights.is_file() else ABSENT,
        ABSENT if hours is None else f"{hours:.2f}",
        str(card.get("device", ABSENT)),
    )


def _of_inference(evaluated: Entry | None) -> tuple[str, ...]:
    if evaluated is None or not evaluated.rows:
        return (ABSENT,) * 3
    extra = evaluated.record.get("extra", {})
    spent_s, memory = extra.get("cpu_s"), extra.get("peak_memory_mb")
    return (
        ABSENT if spent_s is None else f"{1000 * spent_s / evaluated.rows:.1f}",
        str(extra.get("device", ABSENT)),
        ABSENT if memory is None else f"{memory:.0f}",
    )
