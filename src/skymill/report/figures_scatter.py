"""Figures of single sources: measured minus true magnitude, and what was found in each blend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skymill.catalog.catalogue import Catalogue
from skymill.report.chart import Chart
from skymill.report.look import INK, Palette, Style, faded
from skymill.report.panel import Panel
from skymill.report.scores import Scores

COLUMNS = 4
LIMIT_MAG = 1.5
MIN_IN_BIN = 8
DOTTED = {"color": INK, "width": 1.2, "dash": "dot"}
OUTCOMES = {
    "both": ("all galaxies", "#009E73"),
    "central_only": ("central alone", "#56B4E9"),
    "companion_only": ("companion alone", "#E69F00"),
    "partial": ("some of a group", "#F0E442"),
    "more": ("more than there are", "#B8609A"),
    "nothing": ("none", "#9aa5b1"),
}


def measured_rows(matched: Catalogue, dataset: str, detector: str) -> NDArray[np.bool_]:
    """Return the rows of true sources that a detector has measured and that count."""
    rows = (matched["dataset"] == dataset) & (matched["detector"] == detector)
    return rows & matched["is_matched"] & matched["is_counted"] & ~np.isnan(matched["delta_mag"])


def scatter_panel(
    name: str, title: str, matched: Catalogue, palette: Palette, dataset: str, max_points: int, caption: str
) -> Panel:
    """Draw measured minus true magnitude against true magnitude, one small plot for each detector.

    Parameters
    ----------
    name, title, caption : str
        Of the panel.
    matched : Catalogue
        The matched table.
    palette : Palette
        Styles of the detectors.
    dataset : str
        What was measured.
    max_points : int
        Points of the whole figure; more are thinned out evenly.
    """
    rows = {style.detector: measured_rows(matched, dataset, style.detector) for style in palette}
    styles = [style for style in palette if rows[style.detector].any()]
    if not styles:
        return Panel.words(title, "No detector has measured a source that is in the figures.")
    columns = min(COLUMNS, len(styles))
    n_rows = ceil(len(styles) / columns)
    chart = Chart(n_rows, columns, gap_x=0.02, gap_y=0.16)
    for place, style in enumerate(styles):
        chosen = rows[style.detector]
        mag, delta = matched["mag_true"][chosen], matched["delta_mag"][chosen]
        for trace in _traces(style, mag, delta, max_points // len(styles)):
            chart.add(trace, place)
        chart.set_title(f"<b>{style.label}</b>  n = {len(mag):,}", place)
        chart.mark_level(0.0, place)
        _set_axes(chart, place, columns, is_lowest=place + columns >= len(styles))
    return Panel.plot(name, title, chart.spec(220 * n_rows, showlegend=False), caption)


def _set_axes(chart: Chart, place: int, columns: int, *, is_lowest: bool) -> None:
    """Give all sub-plots the same axes, with titles at the left and below only."""
    shared = {"matches": "x"} if place else {}
    chart.set_x(place, title="true magnitude (mag)" if is_lowest else "", **shared)
    is_first = place % columns == 0
    limits = [-LIMIT_MAG, LIMIT_MAG]
    chart.set_y(place, title="Δm (mag)" if is_first else "", range=limits, showticklabels=is_first)


def _traces(style: Style, mag: NDArray, delta: NDArray, max_points: int) -> Iterator[dict[str, Any]]:
    """Give one detector's points, and the median and central 68 % of them along magnitude."""
    chosen = np.linspace(0, len(mag) - 1, min(len(mag), max(1, max_points))).astype(int)
    yield {
        "type": "scatter",
        "mode": "markers",
        "x": mag[chosen].round(3).tolist(),
        "y": np.clip(delta[chosen], -LIMIT_MAG, LIMIT_MAG).round(3).tolist(),
        "marker": {"size": 3.5, "color": faded(style.colour, 0.45)},
        "hovertemplate": "true %{x:.2f} mag<br>Δm %{y:.3f} mag<extra></extra>",
    }
    centres, quantiles = running_quantiles(mag, np.clip(delta, -LIMIT_MAG, LIMIT_MAG))
    for quantile, line in zip(quantiles, (DOTTED, {"color": INK, "width": 2.4}, DOTTED), strict=True):
        curve = {"x": centres.tolist(), "y": quantile.round(4).tolist()}
        yield {"type": "scatter", "mode": "lines", "line": line, "hoverinfo": "skip", **curve}


def running_quantiles(x: NDArray, y: NDArray) -> tuple[NDArray, NDArray]:
    """Return centres (k,) of unit-wide bins of `x` with enough points, and the 16, 50 and 84 % of `y` there (3, k)."""
    index = np.floor(x).astype(int)
    bins = [number for number in np.unique(index) if np.count_nonzero(index == number) >= MIN_IN_BIN]
    quantiles = [np.quantile(y[index == number], (0.16, 0.5, 0.84)) for number in bins]
    return np.array(bins) + 0.5, np.array(quantiles).reshape(-1, 3).T


def outcome_fractions(scores: Scores, dataset: str, detector: str) -> dict[str, float]:
    """Return the percentage of blends with each outcome; empty for a detector that was given the positions."""
    records = {key: scores.get(f"found_{key}", dataset, detector) for key in OUTCOMES}
    return {key: 100.0 * record.value for key, record in records.items() if record}


def outcome_panel(
    name: str,
    title: str,
    scores: Scores,
    palette: Palette,
    dataset: str,
    published: Sequence[tuple[str, Mapping[str, float]]],
    caption: str,
) -> Panel:
    """Draw what each detector found in the blends as stacked bars, published fractions below."""
    found = [(style.label, outcome_fractions(scores, dataset, style.detector)) for style in palette]
    bars = [(label, values) for label, values in found if values]
    if not bars:
        return Panel.words(title, "No detector that finds positions by itself was run on the blends.")
    bars += list(published)
    chart = Chart()
    for key, (label, colour) in OUTCOMES.items():
        values = [row.get(key, 0.0) for _, row in bars]
        if any(values):
            chart.add(_bar(label, colour, [name for name, _ in bars], values))
    chart.set_x(title="blends (%)", range=[0, 100])
    chart.set_y(autorange="reversed", showgrid=False)
    return Panel.plot(name, title, chart.spec(34 * len(bars), barmode="stack", bargap=0.35), caption)


def _bar(label: str, colour: str, names: Sequence[str], values: Sequence[float]) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "y": list(names),
        "x": list(values),
        "name": label,
        "marker": {"color": colour, "line": {"color": "#ffffff", "width": 1}},
        "text": [f"{value:.0f}" if value >= 4 else "" for value in values],
        "textposition": "inside",
        "textangle": 0,
        "insidetextanchor": "middle",
        "hovertemplate": f"%{{y}}: {label} %{{x:.1f}} %<extra></extra>",
    }
