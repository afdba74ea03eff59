"""The section on training: each model's curves and what its card says."""

from __future__ import annotations

from typing import Any

from skymill.errors import SkymillError
from skymill.report.figures_detection import RELIABILITY, reliability_panel
from skymill.report.figures_run import duration
from skymill.report.figures_training import read_card, training_panel
from skymill.report.images import png_uri
from skymill.report.inventory import Entry, Inventory
from skymill.report.panel import Panel

FACTS = {
    "network.kind": "Network",
    "task.kind": "Task",
    "task.mask_weight": "Weight of masks",
    "task.share_weight": "Weight of deblended images",
    "parameters": "Parameters",
    "input_px": "Input (px)",
    "blends_per_epoch": "Blends in an epoch",
    "validation_blends": "Blends validated on",
    "train_patches": "Patches trained on",
    "validation_patches": "Patches validated on",
    "train_galaxies": "Galaxies trained on",
    "validation_galaxies": "Galaxies validated on",
    "epochs": "Epochs",
    "best_epoch": "Best epoch",
    "device": "Device",
    "precision": "Number type",
}
"""Keys of the card that stand above the curves, with their names for people."""
NETWORKS = ("train", "finder", "generator", "restorer")
"""Stages that train networks."""


def model_context(inventory: Inventory) -> dict[str, Any]:
    """Return what the section on training shows."""
    return {"models": [_model(entry) for entry in inventory.of_stage(*NETWORKS)]}


def _model(entry: Entry) -> dict[str, Any]:
    panel: Panel
    try:
        panel = training_panel(entry)
    except SkymillError as error:
        panel = Panel.words(f"{entry.name}: learning curves", f"The history cannot be read: {error}")
    try:
        card = read_card(entry.folder / "model.yaml")
    except SkymillError as error:
        card = {"card": f"cannot be read: {error}"}
    facts = [(label, text(card[key])) for key, label in FACTS.items() if key in card]
    if isinstance(hours := card.get("hours"), float):
        facts.append(("Training took", duration(3600 * hours)))
    return {
        "name": entry.name,
        "facts": facts,
        "film": _film(entry),
        "panels": [panel, *([reliability_panel(entry, card)] if entry.stage == "finder" else [])],
        "card": [(key, text(value)) for key, value in card.items() if key != RELIABILITY],
    }


def _film(entry: Entry) -> str | None:
    """Return the film strip of an adversarial training as a data URI; None where there is none."""
    path = entry.folder / "film.png"
    return png_uri(path.read_bytes()) if path.is_file() else None


def text(value: Any) -> str:
    """Write a value of a card for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:.5g}"
    return ", ".join(map(text, value)) if isinstance(value, list) else str(value)
