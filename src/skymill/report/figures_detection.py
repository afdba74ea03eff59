"""Finding sources: how far a network's probabilities can be trusted, and what completeness costs in purity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from skymill.catalog.catalogue import Catalogue
from skymill.metrics.ranking import Ranking, rank
from skymill.metrics.record import MetricRecord
from skymill.report.chart import Chart
from skymill.report.inventory import Entry
from skymill.report.look import ACCENT, GREY, Palette, Style
from skymill.report.panel import Panel
from skymill.report.scores import Scores

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


RANKING_CAPTION = (
    "Lines: what detectors that give a probability find, and how much of it is real, for every least probability; the "
    "marker is the whole catalogue. Networks that measure the same candidates share a line. Points: detectors that "
    "give none, with 95 % intervals."
)
MOST_POINTS = 200
"""Points of a line: thousands of thresholds would make the page large and show no more."""
Fractions = tuple[MetricRecord, MetricRecord]
"""Completeness and purity."""


def ranking_panel(name: str, matched: Catalogue, scores: Scores, palette: Palette, dataset: str) -> Panel:
    """Draw purity against completeness: a line for detectors with probabilities, a point for the others.

    Parameters
    ----------
    name : str
        Id of the panel.
    matched : Catalogue
        The matched table.
    scores : Scores
        The run's figures.
    palette : Palette
        Styles of the detectors.
    dataset : str
        What was measured; all of its sources must be known.
    """
    title = "Completeness and purity"
    styles = palette.ordered(scores.detectors(dataset))
    found = {style: _ranking(matched, dataset, style.detector) for style in styles}
    curves = _different({style: ranking for style, ranking in found.items() if ranking is not None})
    points = {
        style: (completeness, purity)
        for style in styles
        if found[style] is None
        and (completeness := scores.get("completeness", dataset, style.detector))
        and (purity := scores.get("purity", dataset, style.detector))
    }
    if not curves and not points:
        return Panel.words(title, "No detector has both figures here.")
    chart = Chart()
    for style, ranking in curves.items():
        for trace in _curve(style, ranking):
            chart.add(trace)
    for style, fractions in points.items():
        chart.add(_point(style, *fractions))
    chart.set_x(title="completeness (%)")
    chart.set_y(title="purity (%)")
    return Panel.plot(name, title, chart.spec(HEIGHT), " ".join([RANKING_CAPTION, *_words(curves, points)]))


def _ranking(matched: Catalogue, dataset: str, detector: str) -> Ranking | None:
    """Rank the detections that are counted; None without probabilities."""
    rows = (matched["dataset"] == dataset) & (matched["detector"] == detector) & matched["is_counted"]
    detections = rows & (matched["object_id"] >= 0) & np.isfinite(matched["detection_probability"])
    if not detections.any():
        return None
    objects = int((rows & (matched["truth_id"] >= 0)).sum())
    return rank(matched["detection_probability"][detections], matched["is_matched"][detections], objects)


def _different(curves: Mapping[Style, Ranking]) -> dict[Style, Ranking]:
    """Leave out curves that are those of another detector, too."""
    kept: dict[Style, Ranking] = {}
    for style, ranking in curves.items():
        if not any(
            np.array_equal(ranking.score, other.score)
            and np.array_equal(ranking.completeness, other.completeness)
            for other in kept.values()
        ):
            kept[style] = ranking
    return kept


def _curve(style: Style, ranking: Ranking) -> list[dict[str, Any]]:
    """Return the line, and the marker of all detections at its end."""
    chosen = np.unique(np.linspace(0, len(ranking.score) - 1, MOST_POINTS).round().astype(int))
    x, y = (_percent(values[chosen]) for values in (ranking.completeness, ranking.purity))
    score = ranking.score[chosen].round(4).tolist()
    shared = {"type": "scatter", "legendgroup": style.detector, "name": style.label}
    shared["hovertemplate"] = (
        f"<b>{style.label}</b><br>purity %{{y:.1f}}, completeness %{{x:.1f}}<br>least probability "
        "%{customdata:.3f}<extra></extra>"
    )
    line = {"color": style.colour, "dash": style.dash, "width": 1.8}
    marker = {"color": style.colour, "symbol": style.symbol, "size": 8}
    last = {"x": x[-1:], "y": y[-1:], "customdata": score[-1:]}
    return [
        {**shared, "mode": "lines", "x": x, "y": y, "customdata": score, "line": line},
        {**shared, "mode": "markers", **last, "marker": marker, "showlegend": False},
    ]


def _point(style: Style, completeness: MetricRecord, purity: MetricRecord) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [100 * completeness.value],
        "y": [100 * purity.value],
        "error_x": _interval(completeness),
        "error_y": _interval(purity),
        "name": style.label,
        "visible": "legendonly" if style.is_variant else True,
        "marker": {"color": style.colour, "symbol": style.symbol, "size": 8},
        "hovertemplate": f"<b>{style.label}</b><br>purity %{{y:.1f}}, completeness %{{x:.1f}}<extra></extra>",
    }


def _interval(record: MetricRecord) -> dict[str, Any]:
    sides = {
        "array": [100 * (record.high - record.value)],
        "arrayminus": [100 * (record.value - record.low)],
    }
    return {"type": "data", "symmetric": False, **sides, "thickness": 1.2, "width": 2.5}


def _words(curves: Mapping[Style, Ranking], points: Mapping[Style, Fractions]) -> list[str]:
    """Say what detectors with probabilities find at the purity of the others."""
    return [
        f"With at least the purity of {other.detector} ({100 * purity.value:.1f} %) {style.detector} finds "
        f"{100 * ranking.completeness_at(purity.value):.1f} %, {other.detector} {100 * completeness.value:.1f} %."
        for style, ranking in curves.items()
        for other, (completeness, purity) in points.items()
        if not other.is_variant
    ]


def _percent(values: np.ndarray) -> list[float]:
    return (100 * values).round(2).tolist()
