"""What every training leaves beside its weights: card, history, curves and pictures."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skymill.provenance.record import Record
from skymill.training.card import CARD, TrainingCard, write_card
from skymill.training.history import CURVES, HISTORY, draw_curves, write_history
from skymill.training.loop import BlendModule

CHECKPOINTS = "checkpoints"
"""Folder of a training that has not ended, within the model's."""


def write_products(
    folder: Path,
    recipe: Mapping[str, Any],
    card: TrainingCard,
    module: BlendModule,
    record: Record,
    rows: int,
) -> None:
    """End a training: write what it leaves, note its facts, and remove its checkpoints.

    Parameters
    ----------
    folder : Path
        The model's folder, its weights already there.
    recipe : mapping
        :meth:`skymill.provenance.recipe.Recipe.to_dict` of the training.
    card : TrainingCard
        What the network is.
    module : BlendModule
        With its history, and what else it draws.
    record : Record
        Gets the facts for the provenance.
    rows : int
        Images in an epoch.
    """
    write_card(folder / CARD, card)
    write_history(folder / HISTORY, module.history)
    title = f"{recipe['name']} {recipe['version']}"
    draw_curves(folder / CURVES, module.history, title)
    module.draw_more(folder, title)
    shutil.rmtree(folder / CHECKPOINTS)
    record.rows = rows
    record.extra.update(device=card.device, epochs=card.epochs, best_epoch=card.best_epoch)
