"""How far the probabilities of a network that finds sources can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skymill.report.chart import Chart
from skymill.report.inventory import Entry
from skymill.report.look import ACCENT, GREY
from skymill.report.panel import Panel

RELIABILITY = "detection.reliability"
"""Key of the card's table."""
HEIGHT = 260
CAPTION = (
    "Of the peaks to which the network gives a probability (x), the fraction that are objects (y), on the validation "
    "patches that the probabilities were fitted on. On the line they mean what they say; numbers are those of peaks."
)


def reliability_panel(entry: Entry, card: Mapping[str, Any]) -> Panel:
    """Draw the fraction of true objects against the detection probability.

    Parameters
    ----------
    entry : Entry
        The model.
    card : mapping
        Its card, keys joined by dots (:func:`skymill.report.figures_training.read_card`).
    """
    title = f"{entry.name}: detection probability"
    table = card.get(RELIABILITY)
    if not table:
        return Panel.words(title, "The model card holds no calibration.")
    chart = Chart()
    line = {"color": GREY, "dash": "dash", "width": 1}
    chart.add(
        {"type": "scatter", "mode": "lines", "x": [0, 1], "y": [0, 1], "line": line, "showlegend": False}
    )
    chart.add(
        {
            "type": "scatter",
            "mode": "lines+markers+text",
            "x": [row["probability"] for row in table],
            "y": [row["fraction"] for row in table],
            "text": [f"{row['n']:,.0f}" for row in table],
            "textposition": "top left",
            "showlegend": False,
            "line": {"color": ACCENT, "width": 1.8},
            "marker": {"size": 6},
            "hovertemplate": "%{x:.2f}: %{y:.2f} of %{text}<extra></extra>",
        }
    )
    chart.set_x(title="detection probability", range=[-0.02, 1.02])
    chart.set_y(title="fraction of objects", range=[-0.02, 1.08])
    return Panel.plot(f"reliability-{entry.name}-{entry.version}", title, chart.spec(HEIGHT), CAPTION)
