"""How near the detectors come to the least error that the noise allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from skymill.metrics.record import MetricRecord
from skymill.report.facts import Table
from skymill.report.figures_binned import BinnedPlot, binned_panel
from skymill.report.headline import ABSENT, BOTH, numbers
from skymill.report.look import Palette
from skymill.report.panel import Panel
from skymill.report.scores import Scores

RATIO, BOUND, FLOOR, MAPE = "flux_error_over_bound", "flux_bound_median", "flux_mape_bound", "flux_mape"
TITLES = {"mag": ("magnitude", "mag"), "separation": ("separation", "half-light radii apart")}
"""Word for each quantity that figures go by, and for its bins in the table."""
CAPTION = (
    "Median of |F − F_true| over the Cramér–Rao bound, divided by 0.674: 1, the dashed line, is an unbiased "
    "measurement as good as the noise allows when every parameter of every galaxy of the blend is unknown. Bias counts "
    "as error. "
    "Networks know which galaxies are usual, and may fall below 1. {who}"
)
CAPTIONS = {"mag": CAPTION, "separation": "The same by distance to the nearest neighbour. {who}"}
WHO = {
    True: "Blends where the reference detector found every galaxy.",
    False: "All galaxies that each detector measured.",
}


def limit_group(scores: Scores, palette: Palette, dataset: str, axes: Mapping[str, str]) -> dict[str, Any]:
    """Return figures and a table of the errors beside the bound; an empty mapping where no bound was computed.

    Parameters
    ----------
    scores : Scores
        The run's figures.
    palette : Palette
        Styles of the detectors.
    dataset : str
        A set of blends.
    axes : mapping of str to str
        Title of the x axis by quantity, of the quantities in :data:`TITLES`.
    """
    known = {
        record.subset for record in scores.records if (record.metric, record.dataset) == (RATIO, dataset)
    }
    if not known:
        return {}
    is_both = BOTH in known
    prefix = f"{BOTH}/" if is_both else ""
    bins = {
        quantity: [
            (found.subset, found.label)
            for found in scores.bins(dataset, quantity, prefix)
            if found.subset in known
        ]
        for quantity in TITLES
    }
    panels = [
        _panel(scores, palette, dataset, quantity, found, axes[quantity], is_both)
        for quantity, found in bins.items()
        if found
    ]
    rows = [(BOTH if is_both else "all", "all")]
    rows += [
        (subset, f"{label} {TITLES[quantity][1]}") for quantity in TITLES for subset, label in bins[quantity]
    ]
    return {"panels": panels, "table": _table(scores, palette, dataset, rows), "who": WHO[is_both]}


def _panel(
    scores: Scores,
    palette: Palette,
    dataset: str,
    quantity: str,
    bins: Sequence[tuple[str, str]],
    x_title: str,
    is_both: bool,
) -> Panel:
    word, _ = TITLES[quantity]
    title = f"Flux error over the least possible one, by {word}"
    caption = CAPTIONS[quantity].format(who=WHO[is_both])
    plot = BinnedPlot(f"{dataset}-limit-{word}", title, caption, dataset, bins, x_title, (RATIO,))
    return binned_panel(plot, scores, palette)


def _table(scores: Scores, palette: Palette, dataset: str, rows: Sequence[tuple[str, str]]) -> Table:
    """Return the bound and, beside it, the flux MAPE of each detector; `rows` are subsets with their labels."""
    styles = [style for style in palette.ordered(scores.detectors(dataset)) if not style.is_variant]
    header = ("Galaxies", "n", "median bound", "MAPE at the bound", *(style.detector for style in styles))
    cells = []
    for subset, label in rows:
        bound, floor = (_of_most(scores, metric, dataset, subset) for metric in (BOUND, FLOOR))
        errors = [scores.get(MAPE, dataset, style.detector, subset) for style in styles]
        count = f"{bound.n:,}" if bound else ABSENT
        cells.append((label, count, _text(bound), _text(floor), *map(_text, errors)))
    return Table(header, cells, tuple(range(1, len(header))))


def _of_most(scores: Scores, metric: str, dataset: str, subset: str) -> MetricRecord | None:
    """Return the figure of the detector that has measured most of the galaxies."""
    records = [scores.get(metric, dataset, name, subset) for name in scores.detectors(dataset)]
    return max((record for record in records if record), key=lambda record: record.n, default=None)


def _text(record: MetricRecord | None) -> str:
    return numbers(record)[0] if record else ABSENT
