"""From a matched table to metrics records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from skymill.compare.matched import INJECTED, is_of_blends
from skymill.compare.subsets import Subsets, blend_subsets, detection_subsets, truth_subsets
from skymill.compare.truth import NONE
from skymill.metrics.bootstrap import bootstrap_intervals
from skymill.metrics.detection import binomial_interval
from skymill.metrics.record import MetricRecord
from skymill.metrics.registry import METRICS, Metric
from skymill.rng import rng

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skymill.catalog.catalogue import Catalogue
    from skymill.config.compare import CompareConfig

Columns = Mapping[str, "NDArray"]


def records(
    matched: Catalogue, dataset: str, detector: str, config: CompareConfig, seed: int
) -> list[MetricRecord]:
    """Return every figure of one detector on one dataset.

    Parameters
    ----------
    matched : Catalogue
        Schema ``matched``, the rows of this dataset and detector.
    dataset, detector : str
        Their names.
    config : CompareConfig
        Bins, number of resamples, fewest rows.
    seed : int
        The run's seed; each subset has its own generator.

    Returns
    -------
    list of MetricRecord
        Figures that have no meaning are absent: completeness where positions were given, purity on injected tiles
        (only what was injected is known there), anything without rows or without a finite value.
    """
    columns = {**{name: matched[name] for name in matched.table.colnames}, **_blend_columns(matched)}
    truth = truth_subsets(matched, dataset, config)
    key = ("compare", dataset, detector)
    figures = [*_photometry(columns, truth, config, partial(rng, seed, *key))]
    if not is_of_blends(dataset) or (matched["outcome"] != NONE).any():
        figures += _fractions("truth", columns, truth)
        figures += _fractions("blends", columns, blend_subsets(matched, config))
        if not dataset.startswith(INJECTED):
            detections = detection_subsets(matched, config)
            figures += _fractions("detections", columns, detections)
            figures += _at_probabilities(columns, truth["all"], detections["all"], config)
    return [MetricRecord(dataset=dataset, detector=detector, **figure) for figure in figures]


def _blend_columns(matched: Catalogue) -> dict[str, NDArray[np.bool_]]:
    """Whether each outcome is the blend's: what the metrics ``found_…`` need."""
    needs = {need for metric in _metrics("blends").values() for need in metric.needs}
    return {need: matched["outcome"] == need.removeprefix("is_") for need in needs}


def _photometry(
    columns: Columns, subsets: Subsets, config: CompareConfig, generators: partial
) -> Iterator[dict]:
    """Figures over the true sources that have a measurement, with bootstrap intervals; blends are drawn whole."""
    measured = columns["is_matched"] & np.isfinite(columns["flux"])
    groups = sampling_groups(columns)
    for subset, members in subsets.items():
        for rows, metrics in _by_rows(_metrics("measured"), columns, members & measured):
            if len(rows) < config.min_rows:
                continue
            statistics = {
                name: partial(metric.function, *(columns[need][rows] for need in metric.needs))
                for name, metric in metrics.items()
            }
            intervals = bootstrap_intervals(
                statistics, groups[rows], generators(subset), n_resamples=config.bootstrap_resamples
            )
            for name, statistic in statistics.items():
                yield from figure(
                    name, subset, metrics[name], float(statistic()), len(rows), *intervals[name]
                )


def sampling_groups(columns: Columns) -> NDArray[np.int64]:
    """Return what a bootstrap draws as a whole, as a label for each row: blends, injected pairs, else single sources.

    `columns` are ``stamp_id`` and ``pair_id`` of a matched table, of blends or of a tile.
    """
    stamp, pair = columns["stamp_id"], columns["pair_id"]
    alone = -1 - np.arange(len(stamp))
    return np.where(stamp >= 0, stamp, np.where(pair > 0, pair, alone))


def _fractions(over: str, columns: Columns, subsets: Subsets) -> Iterator[dict]:
    """Figures that are fractions of independent rows, with Wilson intervals."""
    for subset, rows in subsets.items():
        for name, metric in _metrics(over).items() if rows.any() else ():
            successes = columns[metric.needs[0]][rows]
            low, high = binomial_interval(successes.sum(), successes.size)
            yield from figure(
                name,
                subset,
                metric,
                float(metric.function(successes)),
                successes.size,
                float(low),
                float(high),
            )


def _at_probabilities(
    columns: Columns, truth: NDArray[np.bool_], detections: NDArray[np.bool_], config: CompareConfig
) -> Iterator[dict]:
    """Completeness and purity of what has at least some detection probability, for detectors that give one.

    They compare detectors at equal purity: subset ``probability:0.5`` and so on.
    """
    probability = columns["detection_probability"]
    for limit in config.probabilities if np.isfinite(probability[detections]).any() else ():
        kept = probability >= limit
        name = f"probability:{limit:g}"
        yield from _fractions("truth", {**columns, "is_matched": columns["is_matched"] & kept}, {name: truth})
        yield from _fractions("detections", columns, {name: detections & kept})


def figure(
    name: str, subset: str, metric: Metric, value: float, n: int, low: float, high: float
) -> Iterator[dict]:
    """Give the fields of a record, or nothing where a number is not finite (a median of fluxes below zero)."""
    if np.isfinite([value, low, high]).all():
        yield {
            "metric": name,
            "subset": subset,
            "value": value,
            "unit": metric.unit,
            "n": n,
            "low": low,
            "high": high,
        }


def _metrics(over: str) -> dict[str, Metric]:
    return {name: METRICS[name] for name in METRICS if METRICS[name].over == over}


def _by_rows(
    metrics: Mapping[str, Metric], columns: Columns, members: NDArray[np.bool_]
) -> list[tuple[NDArray[np.int64], dict[str, Metric]]]:
    """Group metrics by the rows that have all they need: those of one group share bootstrap replicates."""
    groups: dict[bytes, tuple[NDArray[np.int64], dict[str, Metric]]] = {}
    for name, metric in metrics.items():
        complete = ~np.any([np.isnan(columns[need]) for need in metric.needs], axis=0)
        rows = np.flatnonzero(members & complete)
        groups.setdefault(rows.tobytes(), (rows, {}))[1][name] = metric
    return list(groups.values())
