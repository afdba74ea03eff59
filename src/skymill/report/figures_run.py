"""Where the time of a run went."""

from __future__ import annotations

import plotly.graph_objects as go

from skymill.report.inventory import Inventory
from skymill.report.look import ACCENT, finish
from skymill.report.panel import Panel

CAPTION = (
    "Each piece of a bar is one artifact. Artifacts that an earlier run had made are counted with the time they took "
    "then; where a stage was cut into shards, their time is not in it."
)


def duration(seconds: float) -> str:
    """Write a time for people: ``0.4 s``, ``38 s``, ``12 min 5 s``, ``3 h 20 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest} s"
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def times_panel(inventory: Inventory) -> Panel:
    """Draw the wall time of each stage, artifact by artifact."""
    title = "Wall time of each stage"
    stages = list(dict.fromkeys(entry.stage for entry in inventory.entries))
    if not stages:
        return Panel.words(title, "No stage of this run has left a record.")
    entries = inventory.entries
    totals = {stage: sum(e.wall_time_s for e in entries if e.stage == stage) for stage in stages}
    figure = go.Figure(
        [
            go.Bar(
                y=[entry.stage for entry in entries],
                x=[entry.wall_time_s for entry in entries],
                orientation="h",
                marker={"color": ACCENT, "opacity": 0.85, "line": {"color": "#ffffff", "width": 1.5}},
                customdata=[
                    [entry.name.replace("<", "&lt;"), duration(entry.wall_time_s)] for entry in entries
                ],
                hovertemplate="%{customdata[0]}: %{customdata[1]}<extra></extra>",
            ),
            go.Scatter(
                y=stages,
                x=[totals[stage] for stage in stages],
                mode="text",
                text=[f" {duration(totals[stage])}" for stage in stages],
                textposition="middle right",
                cliponaxis=False,
                hoverinfo="skip",
            ),
        ]
    )
    finish(figure, 28 * len(stages), barmode="stack", showlegend=False, bargap=0.35)
    figure.update_layout(margin={"l": 90, "r": 90})
    figure.update_yaxes(categoryorder="array", categoryarray=stages[::-1], showgrid=False, type="category")
    figure.update_xaxes(title_text="seconds", rangemode="tozero")
    return Panel.plot("times", title, figure, CAPTION)
