"""Fluxes of a network and of a rival on the galaxies that both have found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from skymill.metrics.record import MetricRecord
from skymill.metrics.shared import OF_EACH, RATIO, SUBSETS, shared_subset
from skymill.report.facts import Table
from skymill.report.headline import numbers, value_text
from skymill.report.look import Palette, Style
from skymill.report.scores import Scores

HEADER = (
    *("Galaxies", "Network", "Beside", "n"),
    *("MAPE (%), network", "MAPE (%), beside", "times smaller"),
    *("median |ΔF/F| (%), network", "median |ΔF/F| (%), beside"),
)
LABELS = {"all": "all", "isolated": "isolated", "blended": "blended", "both_found": "blends, all found"}


class Comparison(NamedTuple):
    """Figures of a network and a rival on one subset of the galaxies that they share."""

    mape: MetricRecord
    other_mape: MetricRecord
    ratio: MetricRecord
    median: MetricRecord
    other_median: MetricRecord


def shared_table(scores: Scores, palette: Palette, dataset: str) -> Table | None:
    """Return the flux errors of every network beside every rival on the galaxies that both have found.

    Parameters
    ----------
    scores : Scores
        The run's figures.
    palette : Palette
        Styles of the detectors, whose order is that of the rows.
    dataset : str
        A tile with injected galaxies, or a set of blends.

    Returns
    -------
    Table or None
        None where no two detectors share enough galaxies.
    """
    styles = palette.ordered(scores.detectors(dataset))
    rows = []
    for subset in SUBSETS:
        for network, rival, found in _comparisons(scores, styles, dataset, subset):
            errors = [numbers(record)[0] for record in (found.mape, found.other_mape)]
            medians = [numbers(record)[0] for record in (found.median, found.other_median)]
            names = (LABELS[subset], network, rival, f"{found.ratio.n:,}")
            rows.append((*names, *errors, value_text(found.ratio), *medians))
    return Table(HEADER, rows, tuple(range(3, len(HEADER)))) if rows else None


def _comparisons(
    scores: Scores, styles: list[Style], dataset: str, subset: str
) -> Iterator[tuple[str, str, Comparison]]:
    """Give network, rival and their figures; only a network has a ratio."""
    names = [style.detector for style in styles]
    for one in names:
        for other in names:
            ratio = scores.get(RATIO, dataset, one, shared_subset(other, subset))
            sides = ((one, other), (other, one))
            errors = [
                scores.get(metric, dataset, who, shared_subset(beside, subset))
                for metric in OF_EACH
                for who, beside in sides
            ]
            if ratio and all(errors):
                yield one, other, Comparison(errors[0], errors[1], ratio, errors[2], errors[3])
