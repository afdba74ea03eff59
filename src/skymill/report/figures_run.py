"""Where the time of a run went."""

from __future__ import annotations

import html

from skymill.report.chart import Chart
from skymill.report.inventory import Inventory
from skymill.report.look import ACCENT
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
    chart = Chart()
    chart.add(
        {
            "type": "bar",
            "orientation": "h",
            "y": [entry.stage for entry in entries],
            "x": [entry.wall_time_s for entry in entries],
            "marker": {"color": ACCENT, "opacity": 0.85, "line": {"color": "#ffffff", "width": 1.5}},
            "customdata": [[html.escape(entry.name), duration(entry.wall_time_s)] for entry in entries],
            "hovertemplate": "%{customdata[0]}: %{customdata[1]}<extra></extra>",
        }
    )
    chart.add(
        {
            "type": "scatter",
            "mode": "text",
            "y": stages,
            "x": list(totals.values()),
            "text": [f" {duration(total)}" for total in totals.values()],
            "textposition": "middle right",
            "cliponaxis": False,
            "hoverinfo": "skip",
        }
    )
    chart.set_y(type="category", categoryorder="array", categoryarray=stages[::-1], showgrid=False)
    # Room at the right for the longest bar's text.
    chart.set_x(title="seconds", range=[0, 1.12 * max(totals.values()) or 1.0])
    spec = chart.spec(28 * len(stages), barmode="stack", showlegend=False, bargap=0.35)
    return Panel.plot("times", title, spec, CAPTION)
