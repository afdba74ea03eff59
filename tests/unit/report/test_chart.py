"""Figures in plain values: grids, legends, validity for plotly."""

from __future__ import annotations

import plotly.graph_objects as go
import pytest
from plotly.subplots import make_subplots

from skymill.report.chart import BOTTOM_PX, LEGEND_ROW_PX, TOOLS_PX, Chart


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 3), (2, 4), (3, 1)])
def test_the_grid_is_that_of_plotly_s_subplots(rows, columns):
    theirs = make_subplots(rows, columns, horizontal_spacing=0.05, vertical_spacing=0.1).layout
    ours = go.Figure(Chart(rows, columns, gap_x=0.05, gap_y=0.1).spec(200)).layout

    for place in range(rows * columns):
        for letter in "xy":
            name = f"{letter}axis{place + 1 if place else ''}"
            assert ours[name].domain == pytest.approx(theirs[name].domain, abs=1e-12)
            assert ours[name].anchor == theirs[name].anchor


def test_traces_and_lines_go_to_their_sub_plot():
    chart = Chart(columns=2)
    chart.add({"type": "scatter", "y": [1]}, 1)
    chart.mark_level(3.0, 1)
    chart.set_title("right", 1)
    figure = go.Figure(chart.spec(200))

    assert (figure.data[0].xaxis, figure.data[0].yaxis) == ("x2", "y2")
    assert (figure.layout.shapes[0].xref, figure.layout.shapes[0].y0) == ("x2 domain", 3.0)
    assert figure.layout.annotations[0].yref == "y2 domain"


def test_axes_keep_their_look_when_a_key_is_set():
    chart = Chart()
    chart.set_x(title="epoch", range=[0, 1])
    chart.set_x(matches="x")
    axis = go.Figure(chart.spec(200)).layout.xaxis

    assert (axis.title.text, tuple(axis.range), axis.showline) == ("epoch", (0, 1), True)


def spec_with(names, **layout):
    chart = Chart()
    for name in names:
        chart.add({"type": "scatter", "name": name, "y": [1]})
    return chart.spec(200, **layout)["layout"]


@pytest.mark.parametrize(
    ("names", "rows"),
    [
        ([], 0),
        (["unet"], 1),
        (["a_rather_long_name"] * 6, 2),
        (["short"] * 9 + ["a_name_of_thirty_letters_or_so"], 4),
        (["&lt;&gt;&lt;&gt;&lt;&gt;"] * 8, 1),
    ],
)
def test_a_longer_legend_gets_more_room(names, rows):
    found = spec_with(names)

    assert found["margin"]["t"] == TOOLS_PX + rows * LEGEND_ROW_PX
    assert found["height"] == 200 + found["margin"]["t"] + BOTTOM_PX


def test_without_legend_there_is_no_room_for_it():
    assert spec_with(["unet"], showlegend=False)["margin"]["t"] == TOOLS_PX
