"""The small figures beside the page."""

from __future__ import annotations

import pytest

from skymill.metrics.record import MetricRecord
from skymill.report.look import Palette
from skymill.report.pieces import summary_figure
from skymill.report.scores import Scores


def record(detector, subset, value):
    return MetricRecord(
        "flux_mape", "test_blends", detector, subset, value, "percent", 9, 0.9 * value, 1.2 * value
    )


def lines(axes):
    return [container.get_label() for container in axes.containers]


def test_summary_shows_magnitude_and_separation(scores, palette):
    magnitude, separation = summary_figure(scores, palette).axes

    # Second set-ups are left out: the figure is small.
    assert lines(magnitude) == ["unet", "cnn", "source_extractor", "sep", "photutils"]
    assert [tick.get_text() for tick in separation.get_xticklabels()] == [
        "0–0.8",
        "0.8–1.2",
        "1.2–2",
        "2–3",
        "3–6",
    ]
    assert magnitude.get_yscale() == "log"
    assert magnitude.get_ylabel() == "flux MAPE (%)"


def test_bars_are_the_intervals():
    (axes, _) = summary_figure(Scores([record("unet", "mag:20-21", 10.0)]), Palette(["unet"])).axes
    (bars,) = axes.containers[0].lines[2]
    (segment,) = bars.get_segments()

    assert segment[:, 1].tolist() == pytest.approx([9.0, 12.0])


def test_summary_of_nothing_says_so(palette):
    figure = summary_figure(Scores(), palette)

    assert figure.get_suptitle() == "No detector has measured the test blends."


@pytest.mark.parametrize("name", ["_hidden", "$x^2$", "__"])
def test_names_are_neither_mathematics_nor_hidden(name):
    figure = summary_figure(Scores([record(name, "mag:20-21", 10.0)]), Palette([name]))

    (label,) = lines(figure.axes[0])
    assert label
    assert not label.startswith(("_", "$"))
    figure.canvas.draw()
