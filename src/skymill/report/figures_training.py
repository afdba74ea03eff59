"""Learning curves of the models."""

from __future__ import annotations

import csv
import html
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skymill.config.safe_yaml import read_yaml
from skymill.errors import DataError
from skymill.report.chart import Chart
from skymill.report.inventory import Entry
from skymill.report.look import ACCENT, GREY, log_axis
from skymill.report.panel import Panel

HEIGHT = 230
MAX_EPOCH_TICKS = 6
NOT_DRAWN = ("seconds", "step")
LOGARITHMIC = ("loss", "learning rate")
LOSSES = ("train_loss", "validation_loss")
OF_A_CRITIC = ("critic_loss", "adversarial_loss")
FIRST = ("flux_mape", "image_psnr", "picture_psnr")
"""Figures of the task that are drawn before others."""
PERCENT = ("flux_mape", "flux_bias")
MAX_FIGURES = 2
"""Figures of the task that are drawn beside loss and learning rate; the CSV has them all."""
CAPTION = (
    "Training (dotted) and validation (full line). A validation loss that rises while that of the training falls is "
    "over-fitting; the weights are those of the epoch with the lowest validation loss. Of a critic, dotted: its own "
    "loss (2: it cannot tell drawn images from true ones), full line: what its verdict costs the network."
)


def read_history(path: str | Path) -> dict[str, NDArray[np.float64]]:
    """Read a training history: one array for each column of the CSV; empty fields are NaN.

    Raises
    ------
    DataError
        If the file is missing or holds something else than numbers below a line of names.
    """
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            names, *rows = csv.reader(file)
        return {
            name: np.array([float(row[place] or "nan") for row in rows]) for place, name in enumerate(names)
        }
    except (OSError, ValueError, IndexError) as error:
        raise DataError(path, expected="a CSV of numbers below a line of names", found=str(error)) from error


def read_card(path: str | Path) -> dict[str, Any]:
    """Read a model card, its nested keys joined by dots.

    Raises
    ------
    DataError
        If it is missing or not YAML with keys.
    """
    content = read_yaml(path, "a model card")
    if not isinstance(content, Mapping):
        raise DataError(path, expected="a model card with keys", found=type(content).__name__)
    return dict(flattened(content))


def flattened(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give the leaves of nested mappings with their keys joined by dots; lists are leaves."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def training_panel(entry: Entry) -> Panel:
    """Draw a model's losses, its figures on the validation blends and its learning rate against the epoch."""
    title = f"{entry.name}: learning curves"
    history = read_history(entry.folder / "history.csv")
    epoch = history.pop("epoch", np.empty(0))
    groups = _groups({name: values for name, values in history.items() if np.isfinite(values).any()})
    if not len(epoch) or not groups:
        return Panel.words(title, "The history of this training is empty.")
    chart = Chart(columns=len(groups), gap_x=0.08)
    for place, (label, curves) in enumerate(groups.items()):
        for name, values in curves.items():
            chart.add(_curve(epoch, values, name), place)
        every = np.concatenate([values[np.isfinite(values)] for values in curves.values()])
        scale = log_axis(every.tolist()) if label in LOGARITHMIC and every.min() > 0 else {}
        chart.set_y(place, title=label, **scale)
        chart.set_x(place, title="epoch", **({"dtick": 1} if len(epoch) <= MAX_EPOCH_TICKS else {}))
    return Panel.plot(f"training-{entry.name}-{entry.version}", title, chart.spec(HEIGHT), CAPTION)


def _groups(history: Mapping[str, NDArray]) -> dict[str, dict[str, NDArray]]:
    """Return the curves of each sub-plot by the label of its y axis, the learning rate last."""
    losses, critic, rate = (
        {name: values for name, values in history.items() if name in names}
        for names in (LOSSES, OF_A_CRITIC, ("learning_rate",))
    )
    figures = [name for name in history if name not in (*losses, *critic, *rate, *NOT_DRAWN)]
    figures.sort(key=lambda name: name not in FIRST)
    groups = {"loss": losses, "critic, training": critic}
    groups |= {_label(name): {name: history[name]} for name in figures[:MAX_FIGURES]}
    groups["learning rate"] = rate
    return {label: curves for label, curves in groups.items() if curves}


def _label(name: str) -> str:
    return f"{name.replace('_', ' ')}, validation" + (" (%)" if name in PERCENT else "")


def _curve(x: NDArray, y: NDArray, name: str) -> dict[str, Any]:
    """Return one curve; of the training it is dotted, as is the critic's own; all else is a full line."""
    known = np.isfinite(y)
    colour, dash = (GREY, "dot") if name in ("train_loss", "critic_loss") else (ACCENT, "solid")
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": x[known].tolist(),
        "y": y[known].tolist(),
        "name": html.escape(name.replace("_", " ")),
        "showlegend": "loss" in name,
        "line": {"color": colour, "dash": dash, "width": 1.8},
        "marker": {"size": 5},
        "hovertemplate": "epoch %{x}: %{y:.4g}<extra></extra>",
    }
