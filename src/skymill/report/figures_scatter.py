"""Figures of single sources: measured minus true magnitude, and what was found in each blend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from skymill.catalog.catalogue import Catalogue
from skymill.report.look import GREY, INK, Palette, Style, faded, finish
from skymill.report.panel import Panel
from skymill.report.scores import Scores

COLUMNS = 4
LIMIT_MAG = 1.5
MIN_IN_BIN = 8
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
    figure = make_subplots(
        rows=n_rows,
        cols=columns,
        shared_xaxes="all",
        shared_yaxes="all",
        horizontal_spacing=0.02,
        vertical_spacing=0.14 if n_rows > 1 else 0.0,
        subplot_titles=[f"<b>{style.label}</b>  n = {rows[style.detector].sum():,}" for style in styles],
    )
    for place, style in enumerate(styles):
        _add_scatter(
            figure,
            style,
            matched.select(rows[style.detector]),
            max_points // len(styles),
            divmod(place, columns),
        )
    figure.add_hline(0.0, line={"color": GREY, "width": 1, "dash": "dash"})
    finish(figure, 220 * n_rows, has_titles=True, showlegend=False)
    figure.update_annotations(font={"size": 12})
    figure.update_yaxes(range=[-LIMIT_MAG, LIMIT_MAG])
    figure.update_yaxes(title_text="Δm (mag)", col=1)
    figure.update_xaxes(showticklabels=True)
    figure.update_xaxes(title_text="true magnitude (mag)", row=n_rows)
    return Panel.plot(name, title, figure, caption)


def _add_scatter(
    figure: go.Figure, style: Style, rows: Catalogue, max_points: int, place: tuple[int, int]
) -> None:
    """Add one detector's points and the median and central 68 % of them along magnitude."""
    where = {"row": place[0] + 1, "col": place[1] + 1}
    mag, delta = rows["mag_true"], np.clip(rows["delta_mag"], -LIMIT_MAG, LIMIT_MAG)
    chosen = np.linspace(0, len(mag) - 1, min(len(mag), max(1, max_points))).astype(int)
    figure.add_trace(
        go.Scatter(
            x=mag[chosen].round(3),
            y=delta[chosen].round(3),
            mode="markers",
            marker={"size": 3.5, "color": faded(style.colour, 0.4)},
            hovertemplate="true %{x:.2f} mag<br>Δm %{y:.3f} mag<extra></extra>",
        ),
        **where,
    )
    centres, quantiles = running_quantiles(mag, delta)
    for quantile, width in zip(quantiles, (1.2, 2.4, 1.2), strict=True):
        line = {"color": INK, "width": width, "dash": "solid" if width > 2 else "dot"}
        figure.add_trace(
            go.Scatter(x=centres, y=quantile, mode="lines", line=line, hoverinfo="skip"), **where
        )


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
    figure = go.Figure()
    for key, (label, colour) in OUTCOMES.items():
        values = [row.get(key, 0.0) for _, row in bars]
        if any(values):
            figure.add_trace(_bar(label, colour, [name for name, _ in bars], values))
    finish(figure, 34 * len(bars), barmode="stack", bargap=0.35)
    figure.update_xaxes(range=[0, 100], title_text="blends (%)")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return Panel.plot(name, title, figure, caption)


def _bar(label: str, colour: str, names: Sequence[str], values: Sequence[float]) -> go.Bar:
    return go.Bar(
        y=list(names),
        x=list(values),
        name=label,
        orientation="h",
        marker={"color": colour, "line": {"color": "#ffffff", "width": 1}},
        text=[f"{value:.0f}" if value >= 4 else "" for value in values],
        textposition="inside",
        textangle=0,
        insidetextanchor="middle",
        hovertemplate=f"%{{y}}: {label} %{{x:.1f}} %<extra></extra>",
    )
