"""The headline table: every dataset and detector in one view, the best marked only where that is beyond doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

from skymill.metrics.record import MetricRecord
from skymill.report.blend_sets import BLEND_SETS
from skymill.report.look import Palette, Style
from skymill.report.scores import Scores, is_measured

COLUMNS = {
    "flux_mape": ("flux MAPE", "%"),
    "mag_bias": ("bias", "mag"),
    "mag_sigma": ("σ(Δm)", "mag"),
    "outlier_fraction": ("outliers", "%"),
    "completeness": ("completeness", "%"),
    "purity": ("purity", "%"),
}
DETECTION = ("completeness", "purity")
BOTH = "both_found"
GIVEN, ABSENT = "given", "–"
Records = dict[str, MetricRecord | None]


@dataclass(frozen=True)
class Cell:
    """One figure of the table: its text, that of its interval, and whether it is the best beyond doubt."""

    value: str
    interval: str = ""
    is_best: bool = False


@dataclass(frozen=True)
class Row:
    """One detector's figures, made of `n` sources."""

    style: Style
    n: int
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Block:
    """The figures of one dataset and subset."""

    title: str
    rows: Sequence[Row]


def headline_blocks(scores: Scores, palette: Palette, networks: Sequence[str]) -> list[Block]:
    """Return the blocks of the table: every dataset, blends also where the reference detector found every galaxy.

    Parameters
    ----------
    scores : Scores
        The run's figures.
    palette : Palette
        Styles of the detectors.
    networks : sequence of str
        Detectors that are given the true positions on blends: completeness and purity mean nothing there.
    """
    return [
        _block(scores, palette, dataset, subset, networks if dataset in BLEND_SETS else ())
        for dataset in filter(is_measured, scores.datasets)
        for subset in (BOTH, "all")
        if subset in scores.subsets(dataset)
    ]


def dataset_title(dataset: str, subset: str = "all") -> str:
    """Name a dataset and subset for people."""
    kind, _, tile = dataset.partition(":")
    if kind == "injected":
        return f"Galaxies injected into {tile}"
    if kind == "reference":
        return f"{tile} against its reference catalogue"
    who = "where the reference detector found every galaxy" if subset == BOTH else "all galaxies"
    return f"{BLEND_SETS[dataset].title if dataset in BLEND_SETS else dataset}, {who}"


def _block(scores: Scores, palette: Palette, dataset: str, subset: str, given: Sequence[str]) -> Block:
    rows: dict[Style, Records] = {}
    for style in palette.ordered(scores.detectors(dataset)):
        records = {metric: scores.get(metric, dataset, style.detector, subset) for metric in COLUMNS}
        # Among blends chosen for what one detector found, how many were found says nothing.
        if subset == BOTH or style.detector in given:
            records |= dict.fromkeys(DETECTION)
        if any(records.values()):
            rows[style] = records
    best = {metric: best_record([records[metric] for records in rows.values()]) for metric in COLUMNS}
    return Block(
        dataset_title(dataset, subset),
        [
            Row(style, _count(records), _cells(records, best, style.detector in given))
            for style, records in rows.items()
        ],
    )


def _count(records: Records) -> int:
    """Return the number of sources behind the first figure that is there."""
    return next((record.n for record in records.values() if record is not None), 0)


def _cells(records: Records, best: Records, is_given: bool) -> list[Cell]:
    cells = []
    for metric, record in records.items():
        if record is None:
            cells.append(Cell(GIVEN if is_given and metric in DETECTION else ABSENT))
        else:
            value, low, high = numbers(record)
            cells.append(Cell(value, f"{low} to {high}", record is best[metric]))
    return cells


def numbers(record: MetricRecord) -> tuple[str, str, str]:
    """Return value, low and high as text: fractions in percent, with the digits that the interval deserves."""
    factor = 100.0 if record.unit == "fraction" else 1.0
    digits = decimals(factor * (record.high - record.low))
    texts = (f"{factor * number:.{digits}f}" for number in (record.value, record.low, record.high))
    value, low, high = (text.replace("-", "−") for text in texts)
    return value, low, high


def value_text(record: MetricRecord | None) -> str:
    """Return ``value [low, high]``; a dash for None."""
    if record is None:
        return ABSENT
    value, low, high = numbers(record)
    return f"{value} [{low}, {high}]"


def decimals(width: float) -> int:
    """Return the decimals, 0 to 4, that show an interval of that width with two digits; 2 for one without width."""
    return min(4, max(0, 1 - floor(log10(width)))) if width > 0 else 2


def best_record(records: Sequence[MetricRecord | None]) -> MetricRecord | None:
    """Return the best of at least two records of one metric if its interval overlaps no other's, else None."""
    ranked = sorted((record for record in records if record is not None), key=_badness)
    if len(ranked) < 2:
        return None
    _, _, highest = _badness(ranked[0])
    return ranked[0] if all(highest < _badness(other)[1] for other in ranked[1:]) else None


def _badness(record: MetricRecord) -> tuple[float, float, float]:
    """Return value, low and high such that less is better; a bias counts by its size."""
    value, low, high = record.value, record.low, record.high
    if record.metric in DETECTION:
        return -value, -high, -low
    if low < 0 < high:
        return abs(value), 0.0, max(-low, high)
    return abs(value), min(abs(low), abs(high)), max(abs(low), abs(high))
