"""What a training writes down in each epoch: numbers, a table, a picture."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from skymill.errors import DataError
from skymill.provenance.atomic import atomic_path, write_text

FIGURES_OF_MERIT = {
    "flux_mape": "percent",
    "average_precision": "",
    "reduced_chi2": "",
    "picture_psnr": "dB",
    "image_psnr": "dB",
    "largest_distance": "sigma",
}
"""What says best how a training goes, the first that a history has, with its unit."""

OF_A_CRITIC = ("critic_loss", "adversarial_loss")
"""Columns of a training with a critic: its own loss, and what it costs the network; means over an epoch's blends."""

HISTORY, CURVES = "history.csv", "curves.png"
Epoch = dict[str, float]
"""One row: epoch (from 1), train_loss, validation_loss, the task's metrics, learning_rate, seconds."""


def best_epoch(history: list[Epoch]) -> Epoch:
    """Return the row with the lowest validation loss, the first of equals."""
    return min(history, key=lambda row: row["validation_loss"])


def write_history(path: str | Path, history: list[Epoch]) -> None:
    """Write one CSV row for each epoch, with all digits that a float needs."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_text(path, text.getvalue())


def read_history(path: str | Path) -> list[Epoch]:
    """Read what :func:`write_history` wrote.

    Raises
    ------
    DataError
        If it cannot be read, or holds no epoch.
    """
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            history = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
        if not history or not {"epoch", "validation_loss"} <= history[0].keys():
            raise ValueError("no epoch with its validation_loss")
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise DataError(path, expected="the history of a training", found=str(error)) from error
    return history


def draw_curves(path: str | Path, history: list[Epoch], title: str) -> None:
    """Draw losses, flux error or average precision, learning rate and a critic's losses against the epoch: a PNG."""
    from matplotlib.figure import Figure

    figure_of_merit, unit = next(
        (name, unit) for name, unit in FIGURES_OF_MERIT.items() if name in history[0]
    )
    curves = [("train_loss", "validation_loss"), (figure_of_merit,), ("learning_rate",)]
    if set(OF_A_CRITIC) <= history[0].keys():
        curves.append(OF_A_CRITIC)
    figure = Figure(figsize=(10 / 3 * len(curves), 3.2), layout="constrained")
    panels = figure.subplots(1, len(curves))
    epochs = [row["epoch"] for row in history]
    for panel, names in zip(panels, curves, strict=True):
        for name in names:
            panel.plot(epochs, [row[name] for row in history], marker=".", label=name.replace("_", " "))
        panel.set_xlabel("epoch")
        panel.legend(frameon=False)
    panels[1].set_ylabel(unit)
    panels[1].axvline(best_epoch(history)["epoch"], color="0.7", linewidth=1, zorder=0)
    panels[2].set_yscale("log")
    figure.suptitle(title)
    # No software version or date in the file: the same history gives the same bytes.
    with atomic_path(path) as partial:
        figure.savefig(partial, dpi=110, metadata={"Software": None})
