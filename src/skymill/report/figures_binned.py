"""Figures of metrics against magnitude, separation or class, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from skymill.metrics.record import MetricRecord
from skymill.report.chart import Chart
from skymill.report.look import Palette, Style, log_axis
from skymill.report.panel import Panel
from skymill.report.scores import Scores

DODGE = 0.055
HEIGHT = 260
PHOTOMETRY = ("flux_mape", "mag_bias", "mag_sigma")
Points = list[tuple[int, MetricRecord]]
"""Places on the x axis and the figures there."""


@dataclass(frozen=True)
class Axis:
    """How a metric is drawn.

    Parameters
    ----------
    title : str
        Name and unit.
    factor : float
        What values are multiplied by (100 for fractions shown in percent).
    is_log : bool
        Whether the axis is logarithmic.
    target : float or None
        Value of a perfect detector, drawn as a line.
    """

    title: str
    factor: float = 1.0
    is_log: bool = False
    target: float | None = None


AXES: Mapping[str, Axis] = {
    "flux_mape": Axis("flux MAPE (%)", is_log=True),
    "mag_bias": Axis("bias: median Δm (mag)", target=0.0),
    "mag_sigma": Axis("σ(Δm) (mag)", is_log=True),
    "flux_error_over_bound": Axis("flux error / least possible", is_log=True, target=1.0),
    "completeness": Axis("completeness (%)", 100.0, target=100.0),
    "purity": Axis("purity (%)", 100.0, target=100.0),
    "found_both": Axis("every galaxy found (%)", 100.0, target=100.0),
}


@dataclass(frozen=True)
class BinnedPlot:
    """What a figure shows: metrics side by side against bins or classes of one dataset.

    Parameters
    ----------
    name, title, caption : str
        Of the panel.
    dataset : str
        What was measured.
    categories : sequence of (str, str)
        Subset and label of each place on the x axis.
    x_title : str
        What the x axis shows.
    metrics : sequence of str
        One sub-plot each; those without any figure are left out.
    hidden : set of (str, str)
        Metric and detector of figures that mean nothing (completeness of who was given the positions).
    """

    name: str
    title: str
    caption: str
    dataset: str
    categories: Sequence[tuple[str, str]]
    x_title: str
    metrics: Sequence[str] = PHOTOMETRY
    hidden: frozenset[tuple[str, str]] = frozenset()

    def trimmed(self, scores: Scores) -> BinnedPlot:
        """Return the plot without the places at which no detector has a figure."""
        known = {
            record.subset
            for record in scores.records
            if record.dataset == self.dataset and record.metric in self.metrics
        }
        return replace(self, categories=[category for category in self.categories if category[0] in known])

    def points(self, scores: Scores, metric: str, detector: str) -> Points:
        """Return one detector's figures of one metric."""
        if (metric, detector) in self.hidden:
            return []
        records = scores.series(metric, self.dataset, detector, [subset for subset, _ in self.categories])
        return [(place, record) for place, record in enumerate(records) if record is not None]


def binned_panel(plot: BinnedPlot, scores: Scores, palette: Palette) -> Panel:
    """Draw a :class:`BinnedPlot`; words where there are no figures for it."""
    plot = plot.trimmed(scores)
    styles = palette.ordered(scores.detectors(plot.dataset))
    points = {
        metric: {style: found for style in styles if (found := plot.points(scores, metric, style.detector))}
        for metric in plot.metrics
    }
    shown = [metric for metric in plot.metrics if points[metric]]
    if not shown:
        reason = f"No figures against {plot.x_title}: too few sources were measured in every bin."
        return Panel.words(plot.title, reason)
    chart = Chart(columns=len(shown))
    in_legend: set[str] = set()
    for place, metric in enumerate(shown):
        for style, found in points[metric].items():
            trace = _trace(plot, AXES[metric], style, found, len(styles))
            chart.add({**trace, "showlegend": style.detector not in in_legend}, place)
            in_legend.add(style.detector)
        _set_axes(chart, place, plot, AXES[metric], points[metric])
    return Panel.plot(plot.name, plot.title, chart.spec(HEIGHT), plot.caption)


def _trace(plot: BinnedPlot, axis: Axis, style: Style, points: Points, n: int) -> dict[str, Any]:
    """Return one detector's points with their intervals, shifted a little so that these do not hide each other."""
    shift = DODGE * (style.rank - (n - 1) / 2)
    value, low, high = (
        [axis.factor * getattr(record, key) for _, record in points] for key in ("value", "low", "high")
    )
    return {
        "type": "scatter",
        "x": [place + shift for place, _ in points],
        "y": value,
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [h - v for h, v in zip(high, value, strict=True)],
            "arrayminus": [v - b for v, b in zip(value, low, strict=True)],
            "thickness": 1.2,
            "width": 2.5,
        },
        "customdata": [
            [plot.categories[place][1], record.n, b, h]
            for (place, record), b, h in zip(points, low, high, strict=True)
        ],
        "hovertemplate": (
            f"<b>{style.label}</b><br>%{{customdata[0]}}: %{{y:.3g}}"
            " [%{customdata[2]:.3g}, %{customdata[3]:.3g}]<br>n = %{customdata[1]}<extra></extra>"
        ),
        **_look(style),
    }


def _look(style: Style) -> dict[str, Any]:
    return {
        "mode": "lines+markers",
        "name": style.label,
        "legendgroup": style.detector,
        "visible": "legendonly" if style.is_variant else True,
        "line": {"color": style.colour, "dash": style.dash, "width": 1.6},
        "marker": {"color": style.colour, "symbol": style.symbol, "size": 7},
    }


def _set_axes(chart: Chart, place: int, plot: BinnedPlot, axis: Axis, points: Mapping[Style, Points]) -> None:
    labels = [label for _, label in plot.categories]
    ticks = {"tickvals": list(range(len(labels))), "ticktext": labels}
    chart.set_x(place, title=plot.x_title, range=[-0.5, len(labels) - 0.5], **ticks)
    values = [axis.factor * record.value for found in points.values() for _, record in found]
    values += [axis.target] if axis.target is not None else []
    chart.set_y(place, title=axis.title, **(log_axis(values) if axis.is_log else {}))
    if axis.target is not None:
        chart.mark_level(axis.target, place)
