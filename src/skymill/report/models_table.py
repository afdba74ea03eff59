"""What tells the networks of a run apart, and what that does to their fluxes: one table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from skymill.config.train import TrainConfig
from skymill.errors import SkymillError
from skymill.report.blend_sets import BLEND_SETS
from skymill.report.facts import Table
from skymill.report.figures_training import read_card
from skymill.report.headline import ABSENT, BOTH, dataset_title, value_text
from skymill.report.inventory import Inventory
from skymill.report.models_section import text
from skymill.report.scores import Scores

OPTIONS = ("network", "task", "input_px", "training", "start", "seed", "population", "blend", "parameters")
"""What of a card the table compares: the options, not how the training went."""
EXECUTION = {f"training.{key}" for key in TrainConfig.execution_keys}


def models_table(inventory: Inventory, scores: Scores) -> Table | None:
    """Return the table: a column for each network, a row for each option that differs, then the flux errors.

    Parameters
    ----------
    inventory : Inventory
        The run's artifacts; a network whose card cannot be read is left out.
    scores : Scores
        The run's figures.

    Returns
    -------
    Table or None
        None with fewer than two networks.
    """
    cards = dict(_cards(inventory))
    if len(cards) < 2:
        return None
    rows = [*_options(list(cards.values())), *_errors(scores, list(cards))]
    return Table(("", *cards), rows, tuple(range(1, len(cards) + 1)))


def _cards(inventory: Inventory) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for entry in inventory.of_stage("train"):
        try:
            yield entry.name, read_card(entry.folder / "model.yaml")
        except SkymillError:
            # The section on training says so beside the network's curves.
            continue


def _options(cards: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    """Give the name and the values of each option that is not the same for all."""
    for key in dict.fromkeys(key for card in cards for key in card):
        if key.partition(".")[0] not in OPTIONS or key in EXECUTION:
            continue
        values = [text(card[key]) if key in card else ABSENT for card in cards]
        if len(set(values)) > 1:
            yield [key, *values]


def _errors(scores: Scores, models: Sequence[str]) -> Iterator[list[str]]:
    """Give the flux errors on each set of blends."""
    for dataset in BLEND_SETS:
        for subset in (BOTH, "all"):
            records = [scores.get("flux_mape", dataset, model, subset) for model in models]
            if any(records):
                yield [f"flux MAPE (%): {dataset_title(dataset, subset)}", *map(value_text, records)]
