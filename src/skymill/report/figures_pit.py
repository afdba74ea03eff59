"""The figure that shows whether distributions of fluxes are honest: histograms of the PIT."""

from __future__ import annotations

from math import ceil

import numpy as np

from skymill.catalog.catalogue import Catalogue
from skymill.report.chart import Chart
from skymill.report.figures_scatter import measured_rows
from skymill.report.look import Palette
from skymill.report.panel import Panel

COLUMNS, BINS = 4, 10
HIGHEST = 3.0
CAPTION = (
    "Probability that a detector's own distribution of the flux gives to values below the true one, over an even "
    "distribution (dashed). Honest distributions are flat; heaps at the ends are errors that were taken for too small, "
    "a heap in the middle errors taken for too large, a slope a bias. Dotted: where 95 % of bins lie for honest ones."
)


def pit_panel(name: str, matched: Catalogue, palette: Palette, dataset: str) -> Panel:
    """Draw the histogram of the PIT for each detector.

    Parameters
    ----------
    name : str
        Id of the panel.
    matched : Catalogue
        The matched table.
    palette : Palette
        Styles of the detectors.
    dataset : str
        What was measured.
    """
    title = "Are the distributions of the fluxes honest?"
    values = {}
    for style in palette:
        pit = matched["pit"][measured_rows(matched, dataset, style.detector)]
        if np.isfinite(pit).any():
            values[style] = pit[np.isfinite(pit)]
    if not values:
        return Panel.words(title, "No detector gave uncertainties.")
    columns = min(COLUMNS, len(values))
    rows = ceil(len(values) / columns)
    chart = Chart(rows, columns, gap_x=0.02, gap_y=0.16)
    edges = np.linspace(0, 1, BINS + 1)
    for place, (style, pit) in enumerate(values.items()):
        height = np.histogram(pit, edges)[0] * BINS / len(pit)
        bars = {
            "x": ((edges[1:] + edges[:-1]) / 2).round(3).tolist(),
            "y": np.minimum(height, HIGHEST).round(4).tolist(),
        }
        chart.add(
            {
                "type": "bar",
                **bars,
                "width": 1 / BINS,
                "marker": {"color": style.colour, "line": {"color": "#ffffff", "width": 1}},
                "hovertemplate": "%{x:.2f}: %{y:.2f}<extra></extra>",
            },
            place,
        )
        spread = 1.96 * np.sqrt(BINS / len(pit))
        for level in (1 - spread, 1 + spread):
            line = {"color": "#52606d", "width": 1, "dash": "dot"}
            across = {"x": [0, 1], "y": [round(level, 4)] * 2, "hoverinfo": "skip"}
            chart.add({"type": "scatter", "mode": "lines", "line": line, **across}, place)
        chart.mark_level(1.0, place)
        chart.set_title(f"<b>{style.label}</b>  n = {len(pit):,}", place)
        chart.set_x(place, title="PIT" if place + columns >= len(values) else "", range=[0, 1])
        is_first = place % columns == 0
        chart.set_y(
            place, title="relative frequency" if is_first else "", range=[0, HIGHEST], showticklabels=is_first
        )
    return Panel.plot(name, title, chart.spec(180 * rows, showlegend=False, bargap=0), CAPTION)
