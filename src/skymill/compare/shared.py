"""Figures on the sources that two detectors share.

Each detector finds other sources, and the mean error over what each has found is small for the one that finds the easy
ones. So a network and a rival are compared on the galaxies that both have found, in four subsets:

``all``
    All of them.
``isolated``
    Galaxies with nothing near them.
``blended``
    All others.
``both_found``
    Galaxies of blends and of injected pairs of which both detectors have found every galaxy: the convention of Boucaud
    et al. 2020 (MNRAS 491, 2481), whose figures are of pairs where SExtractor found both. A pair that either of the two
    takes for a single source is not in it.

In metrics.json the subset of detector A beside detector B is ``shared/B/blended``; that of B is ``shared/A/blended``,
and holds the same galaxies. ``flux_mape_ratio``, the rival's flux MAPE over the network's, stands with the network.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from skymill.compare.figures import figure, sampling_groups
from skymill.metrics.bootstrap import bootstrap_intervals
from skymill.metrics.record import MetricRecord
from skymill.metrics.registry import METRICS
from skymill.metrics.shared import OF_EACH, RATIO, SUBSETS, shared_subset
from skymill.rng import rng

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skymill.catalog.catalogue import Catalogue
    from skymill.config.compare import CompareConfig

Columns = Mapping[str, "NDArray"]


def shared_records(
    matched: Mapping[str, Catalogue],
    dataset: str,
    networks: Collection[str],
    config: CompareConfig,
    seed: int,
) -> list[MetricRecord]:
    """Return the figures of each network and each other detector on the galaxies that both have found.

    Parameters
    ----------
    matched : mapping of str to Catalogue
        Schema ``matched``, by detector, all of one dataset of injected galaxies or of blends.
    dataset : str
        Its name.
    networks : collection of str
        Detectors that are networks.
    config : CompareConfig
        Number of resamples, fewest rows.
    seed : int
        The run's seed; each pair of detectors and each subset has its own generator.

    Returns
    -------
    list of MetricRecord
        Subsets with fewer rows than `config.min_rows` are left out. Intervals are of resampled galaxies, those of a
        pair or blend drawn together; both detectors' errors come from the same resamples.
    """
    rivals = [name for name in matched if name not in networks]
    return [
        MetricRecord(dataset=dataset, **fields)
        for network in matched
        if network in networks
        for rival in rivals
        for fields in _of_two((network, rival), matched, dataset, config, seed)
    ]


def _of_two(
    names: tuple[str, str], matched: Mapping[str, Catalogue], dataset: str, config: CompareConfig, seed: int
) -> Iterator[dict]:
    columns = shared_columns(*(matched[name] for name in names))
    groups = sampling_groups(columns)
    for subset, rows in shared_subsets(columns).items():
        if np.count_nonzero(rows) >= config.min_rows:
            chosen = {name: values[rows] for name, values in columns.items()}
            generator = rng(seed, "compare", dataset, *names, subset)
            yield from _figures(names, subset, chosen, groups[rows], generator, config.bootstrap_resamples)


def shared_columns(one: Catalogue, other: Catalogue) -> dict[str, NDArray]:
    """Return the true sources that stand in both tables: `one`'s columns, `other`'s flux, and who has found them.

    Parameters
    ----------
    one, other : Catalogue
        Schema ``matched``, of one dataset; rows of detections without a true source are left out.

    Returns
    -------
    dict of str to ndarray (n,)
        Columns of `one`; ``other_flux``; ``is_shared``, whether both have found and measured the source.
    """
    rows, other_rows = _same_sources(one, other)
    columns = {name: one[name][rows] for name in one.table.colnames}
    other_flux = other["flux"][other_rows]
    found = columns["is_matched"] & other["is_matched"][other_rows]
    is_shared = found & np.isfinite(columns["flux"]) & np.isfinite(other_flux)
    return {**columns, "other_flux": other_flux, "is_shared": is_shared}


def _same_sources(one: Catalogue, other: Catalogue) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows in each table of the true sources that stand in both; a galaxy may stand in several blends."""
    keys = [np.column_stack([table["stamp_id"], table["truth_id"]]) for table in (one, other)]
    number = np.unique(np.concatenate(keys), axis=0, return_inverse=True)[1].reshape(-1)
    true = [np.flatnonzero(table["truth_id"] >= 0) for table in (one, other)]
    numbers = number[: len(one)][true[0]], number[len(one) :][true[1]]
    _, first, second = np.intersect1d(*numbers, assume_unique=True, return_indices=True)
    return true[0][first], true[1][second]


def shared_subsets(columns: Columns) -> dict[str, NDArray[np.bool_]]:
    """Return the rows of each of :data:`SUBSETS`; `columns` are those of :func:`shared_columns`.

    A galaxy that is not counted, on saturated pixels say, is in no subset; whether it was found still says whether the
    others of its pair or blend are in ``both_found``.
    """
    shared, isolated = columns["is_shared"], columns["is_isolated"]
    _, group, size = np.unique(sampling_groups(columns), return_inverse=True, return_counts=True)
    is_whole = (np.bincount(group, weights=~shared) == 0) & (size > 1)
    base = shared & columns["is_counted"]
    masks = (np.ones_like(shared), isolated, ~isolated, ~isolated & is_whole[group])
    return {name: base & mask for name, mask in zip(SUBSETS, masks, strict=True)}


def _figures(
    names: tuple[str, str],
    subset: str,
    columns: Columns,
    groups: NDArray[np.int64],
    generator: np.random.Generator,
    n_resamples: int,
) -> Iterator[dict]:
    """Give the figures of both detectors on one subset, from the same resamples."""
    others = {**columns, "flux": columns["other_flux"]}
    sides = ((names, (*OF_EACH, RATIO), columns), (names[::-1], OF_EACH, others))
    wanted = {
        f"{who[0]}/{metric}": (who, METRICS[metric], metric, source)
        for who, metrics, source in sides
        for metric in metrics
    }
    statistics = {
        key: partial(metric.function, *(source[need] for need in metric.needs))
        for key, (_, metric, _, source) in wanted.items()
    }
    intervals = bootstrap_intervals(statistics, groups, generator, n_resamples=n_resamples)
    for key, ((detector, other), metric, name, _) in wanted.items():
        value, place = float(statistics[key]()), shared_subset(other, subset)
        for fields in figure(name, place, metric, value, len(groups), *intervals[key]):
            yield {"detector": detector, **fields}
