"""Chart: a plotly figure in plain values: a grid of sub-plots with the look of the page.

plotly's own figure classes check every value when it is set, which takes most of the time of a page with twenty
figures; the tests check each figure with them instead.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from math import ceil
from typing import Any

from skymill.report.look import ACCENT, FONT, GREY, GRID, INK

AXIS = {
    "gridcolor": GRID,
    "linecolor": "#9aa5b1",
    "zeroline": False,
    "ticks": "outside",
    "tickcolor": "#9aa5b1",
    "ticklen": 4,
    "showline": True,
    "automargin": True,
}
TITLE = {"standoff": 8, "font": {"size": 13}}
TOOLS_PX, LEGEND_ROW_PX, BOTTOM_PX = 30, 22, 48
"""Room for plotly's buttons (they stand in the line of the panel's heading), a row of the legend, and the x axis."""
PAGE_PX, ENTRY_PX, LETTER_PX = 1000, 52, 7.0
"""Width of a figure, and what an entry of the legend takes without and for each letter."""


class Chart:
    """A grid of sub-plots, counted from 0 row by row from the upper left.

    Parameters
    ----------
    rows, columns : int
        Size of the grid.
    gap_x, gap_y : float
        Space between sub-plots as a fraction of the figure.
    """

    def __init__(self, rows: int = 1, columns: int = 1, gap_x: float = 0.09, gap_y: float = 0.0) -> None:
        self.traces: list[dict[str, Any]] = []
        self.layout: dict[str, Any] = {"shapes": [], "annotations": [], "images": []}
        width = (1 - gap_x * (columns - 1)) / columns
        height = (1 - gap_y * (rows - 1)) / rows
        for place in range(rows * columns):
            row, column = divmod(place, columns)
            left, top = column * (width + gap_x), 1 - row * (height + gap_y)
            # Rounding can carry the last one over the edge by 1e-16, which plotly refuses.
            self._set(
                "x", place, AXIS | {"domain": [left, min(1.0, left + width)], "anchor": _axis("y", place)}
            )
            self._set(
                "y", place, AXIS | {"domain": [max(0.0, top - height), top], "anchor": _axis("x", place)}
            )

    def add(self, trace: Mapping[str, Any], place: int = 0) -> None:
        """Add a trace (plotly's keys; arrays as lists) to a sub-plot."""
        self.traces.append({**trace, "xaxis": _axis("x", place), "yaxis": _axis("y", place)})

    def set_x(self, place: int = 0, *, title: str = "", **options: Any) -> None:
        """Set keys of a sub-plot's x axis."""
        self._set("x", place, _titled(title, options))

    def set_y(self, place: int = 0, *, title: str = "", **options: Any) -> None:
        """Set keys of a sub-plot's y axis."""
        self._set("y", place, _titled(title, options))

    def mark_level(self, y: float, place: int = 0) -> None:
        """Draw a dashed line across a sub-plot."""
        across = {"xref": f"{_axis('x', place)} domain", "x0": 0, "x1": 1}
        along = {"yref": _axis("y", place), "y0": y, "y1": y}
        line = {"color": GREY, "width": 1, "dash": "dash"}
        self.layout["shapes"].append({"type": "line", "line": line, **across, **along})

    def set_title(self, text: str, place: int = 0) -> None:
        """Write a title (plotly's HTML) above a sub-plot."""
        where = {
            "xref": f"{_axis('x', place)} domain",
            "x": 0.5,
            "yref": f"{_axis('y', place)} domain",
            "y": 1.0,
        }
        look = {"showarrow": False, "xanchor": "center", "yanchor": "bottom", "font": {"size": 12}}
        self.layout["annotations"].append({"text": text, **where, **look})

    def spec(self, height: int, **layout: Any) -> dict[str, Any]:
        """Return data and layout for plotly.

        Parameters
        ----------
        height : int
            Height of the plot itself in px; legend, ticks and titles come on top.
        **layout
            Further keys of plotly's layout.
        """
        rows = self._legend_rows() if layout.get("showlegend", True) else 0
        top = TOOLS_PX + LEGEND_ROW_PX * (rows + bool(self.layout["annotations"]))
        total = height + top + BOTTOM_PX
        return {"data": self.traces, "layout": {**_look(total, top), **self.layout, **layout}}

    def _set(self, letter: str, place: int, options: Mapping[str, Any]) -> None:
        self.layout.setdefault(f"{letter}axis{_number(place)}", {}).update(options)

    def _legend_rows(self) -> int:
        """Return how many rows the legend needs, from the length of its entries."""
        named = (
            trace["name"] for trace in self.traces if trace.get("name") and trace.get("showlegend", True)
        )
        widths = [ENTRY_PX + LETTER_PX * len(html.unescape(name)) for name in named]
        if sum(widths) <= PAGE_PX:
            return min(1, len(widths))
        # From two rows on, plotly gives every entry the width of the widest.
        return ceil(len(widths) / max(1, PAGE_PX // max(widths)))


def _number(place: int) -> str:
    return "" if place == 0 else str(place + 1)


def _axis(letter: str, place: int) -> str:
    return f"{letter}{_number(place)}"


def _titled(title: str, options: Mapping[str, Any]) -> dict[str, Any]:
    return {**options, "title": {"text": title, **TITLE}} if title else dict(options)


def _look(height: int, top: int) -> dict[str, Any]:
    """Return the layout that all figures share; the legend stands below the buttons."""
    legend = {"orientation": "h", "traceorder": "normal", "x": 0, "xanchor": "left", "yref": "container"}
    return {
        "height": height,
        "font": {"family": FONT, "size": 12, "color": INK},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "#ffffff",
        "margin": {"l": 56, "r": 16, "t": top, "b": BOTTOM_PX},
        "modebar": {"bgcolor": "rgba(255,255,255,0)", "color": "#b6c0cb", "activecolor": ACCENT},
        "legend": {**legend, "y": 1 - (TOOLS_PX - 4) / height, "yanchor": "top"},
        "hoverlabel": {"font": {"family": FONT, "size": 12}},
    }
