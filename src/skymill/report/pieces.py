"""Pieces: small files beside the page, for a README or a Snakemake report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from skymill.metrics.record import MetricRecord
from skymill.provenance.atomic import atomic_path, write_text
from skymill.report.look import GREY, GRID, INK, Palette, Style, log_axis
from skymill.report.scores import Scores

if TYPE_CHECKING:
    from jinja2 import Environment
    from matplotlib.axes import Axes

PNG, HTML = "summary.png", "summary.html"
DATASET = "test_blends"
PANELS = {"mag": "true magnitude", "separation": "separation / larger half-light radius"}
MARKERS = "osD^vPX*"


def write_pieces(
    folder: str | Path, environment: Environment, context: Mapping[str, Any], scores: Scores, palette: Palette
) -> None:
    """Write ``summary.png`` and ``summary.html`` into `folder`.

    Parameters
    ----------
    folder : str or Path
        Made if needed.
    environment : jinja2.Environment
        Of the page.
    context : mapping
        Of the page.
    scores : Scores
        The run's figures.
    palette : Palette
        Styles of the detectors.
    """
    write_text(Path(folder) / HTML, environment.get_template("summary.html.j2").render(context))
    with atomic_path(Path(folder) / PNG) as partial:
        # No software version in the file: the same figures give the same bytes.
        summary_figure(scores, palette).savefig(partial, dpi=130, metadata={"Software": None})


def summary_figure(scores: Scores, palette: Palette) -> Figure:
    """Draw the flux error on test blends by magnitude and by separation, with its caption."""
    figure = Figure(figsize=(10.5, 4.3), layout="constrained")
    prefix = "both_found/" if scores.bins(DATASET, "mag", "both_found/") else ""
    axes = figure.subplots(1, len(PANELS))
    for panel, (quantity, title) in zip(axes, PANELS.items(), strict=True):
        bins = scores.bins(DATASET, quantity, prefix)
        _draw_panel(panel, scores, palette, [b.subset for b in bins], [b.label for b in bins])
        panel.set(xlabel=title, ylabel="flux MAPE (%)")
    _decorate(figure, axes, prefix)
    return figure


def _decorate(figure: Figure, axes: Sequence[Axes], prefix: str) -> None:
    handles, labels = axes[0].get_legend_handles_labels()
    if not handles:
        figure.suptitle("No detector has measured the test blends.", color=GREY)
        return
    figure.legend(handles, labels, loc="outside upper left", ncols=6, frameon=False, fontsize=9)
    who = "blends where the reference detector found every galaxy" if prefix else "all galaxies measured"
    figure.supxlabel(
        f"Mean absolute error of the flux of simulated galaxies in {who}; bars: 95 % intervals.",
        fontsize=8.5,
        color=GREY,
    )


def _draw_panel(
    panel: Axes, scores: Scores, palette: Palette, subsets: Sequence[str], labels: Sequence[str]
) -> None:
    """Draw every detector's line; ticks are the bins."""
    values: list[float] = []
    for style in palette.ordered(scores.detectors(DATASET)):
        records = scores.series("flux_mape", DATASET, style.detector, subsets)
        places = [(place, record) for place, record in enumerate(records) if record]
        if places and not style.is_variant:
            _draw_line(panel, style, places)
            values += [record.value for _, record in places]
    _scale(panel, values)
    panel.set_xticks(range(len(labels)), labels)
    panel.grid(axis="y", color=GRID, linewidth=0.8)
    panel.tick_params(colors=INK, labelsize=9)
    panel.spines[["top", "right"]].set_visible(False)


def _scale(panel: Axes, values: Sequence[float]) -> None:
    """Make the y axis logarithmic, with the same range and ticks as on the page."""
    scale = log_axis(values)
    panel.set_yscale("log")
    panel.set_ylim(*(10**end for end in scale["range"]))
    panel.set_yticks(scale["tickvals"], scale["ticktext"])
    panel.set_yticks([], minor=True)


def _draw_line(panel: Axes, style: Style, places: Sequence[tuple[int, MetricRecord]]) -> None:
    values = [record.value for _, record in places]
    below = [record.value - record.low for _, record in places]
    above = [record.high - record.value for _, record in places]
    # matplotlib takes $…$ for mathematics and a leading _ for 'not in the legend'.
    label = style.detector.replace("$", r"\$").lstrip("_") or "unnamed"
    panel.errorbar(
        [place + 0.05 * (style.rank - 2) for place, _ in places],
        values,
        yerr=(below, above),
        label=label,
        color=style.colour,
        marker=MARKERS[style.rank % len(MARKERS)],
        markersize=5,
        linewidth=1.5,
        elinewidth=1,
        capsize=2,
    )
