"""The stage compare: catalogues and truths to one matched table and every figure of the run."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skymill.catalog.catalogue import Catalogue, essentials
from skymill.compare.figures import records
from skymill.compare.matched import (
    REFERENCE,
    is_of_blends,
    match_dataset,
    with_images,
    with_reference_outcome,
)
from skymill.compare.shared import shared_records
from skymill.compare.truth import read_truth
from skymill.config.compare import CompareConfig
from skymill.errors import DataError
from skymill.metrics.record import MetricRecord, read_records, to_json
from skymill.provenance.atomic import write_text
from skymill.provenance.record import recording

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measured:
    """A catalogue of one dataset by one detector, and the truth of that dataset.

    Parameters
    ----------
    dataset : str
        ``test_blends``, ``real_blends``, ``injected:<tile>`` or ``reference:<tile>``.
    detector : str
        Name of the detector.
    catalogue : str
        File of schema ``measurement``.
    truth : str
        File of schema ``blends`` or ``sources``; the same for all detectors of a dataset.
    bounds : str
        File of schema ``bounds`` of a dataset of blends, the same for all detectors; empty where there is none.
    images : str
        File of schema ``deblended``: errors of this detector's deblended images; empty where it gives none.
    draw : int
        Which of several draws of injected galaxies it is; their sources are put together.
    is_network : bool
        Whether the detector is a network; the others are its rivals on the sources that both have found.
    """

    dataset: str
    detector: str
    catalogue: str
    truth: str
    bounds: str = ""
    images: str = ""
    draw: int = 0
    is_network: bool = False

    @property
    def sample(self) -> str:
        """The dataset and, after the first one, the number of the draw: what has one truth."""
        return f"{self.dataset}.{self.draw + 1}" if self.draw else self.dataset


def compare_run(
    recipe: Mapping[str, Any],
    inputs: Sequence[Mapping[str, Any]],
    metrics: str | Path,
    matched: str | Path,
    judged: Sequence[str | Path] = (),
) -> None:
    """Match every catalogue with its truth and write the figures.

    Parameters
    ----------
    recipe : mapping
        ``params``: ``seed`` and ``compare`` (:class:`~skymill.config.compare.CompareConfig`).
    inputs : sequence of mapping
        Fields of :class:`Measured`, in the order in which the figures shall stand. A detector that could not run is
        simply not among them; an empty catalogue is a detector that found nothing.
    metrics : path
        The metrics.json to write.
    matched : path
        The matched table (schema ``matched``) to write, in the same folder.
    judged : sequence of path, optional
        Figures of generators (:mod:`skymill.inference.judge`), which stand behind the others as they are.

    Raises
    ------
    DataError
        If a dataset, draw and detector occur twice, one draw has two truths, or a catalogue cannot be read or matched.
    """
    params = recipe["params"]
    config = CompareConfig.model_validate(params["compare"])
    measured = [Measured(**entry) for entry in inputs]
    _check(measured)
    beside = {f"judged.{number}": path for number, path in enumerate(judged)}
    with recording(recipe, Path(metrics).parent, parents={**_parents(measured), **beside}) as record:
        tables, figures = _all_datasets(measured, config, int(params["seed"]))
        figures += [figure for path in judged for figure in read_records(path)]
        parts = [Catalogue.empty("matched"), *tables]
        table = Catalogue.concatenate(parts, essentials(recipe))
        table.write(matched)
        write_text(metrics, to_json(figures))
        record.rows = len(table)
        record.extra["figures"] = len(figures)


def _all_datasets(
    measured: Sequence[Measured], config: CompareConfig, seed: int
) -> tuple[list[Catalogue], list[MetricRecord]]:
    tables, figures = [], []
    networks = {entry.detector for entry in measured if entry.is_network}
    for dataset in dict.fromkeys(entry.dataset for entry in measured):
        matched = _all_draws([entry for entry in measured if entry.dataset == dataset], config)
        for detector, table in matched.items():
            tables.append(table)
            figures += records(table, dataset, detector, config, seed)
            log.info("%s, %s: %d of %d matched", dataset, detector, table["is_matched"].sum(), len(table))
        if not dataset.startswith(REFERENCE):
            figures += shared_records(matched, dataset, networks, config, seed)
    return tables, figures


def _all_draws(entries: Sequence[Measured], config: CompareConfig) -> dict[str, Catalogue]:
    """Match the catalogues of one dataset, draw by draw; return one table for each detector."""
    samples = dict.fromkeys(entry.sample for entry in entries)
    parts = [_match([entry for entry in entries if entry.sample == sample], config) for sample in samples]
    detectors = dict.fromkeys(entry.detector for entry in entries)
    return {
        detector: Catalogue.concatenate([part[detector] for part in parts if detector in part])
        for detector in detectors
    }


def _match(entries: Sequence[Measured], config: CompareConfig) -> dict[str, Catalogue]:
    """Match the catalogues of one sample; on blends, note beside each what the reference detector found."""
    truth = read_truth(entries[0].truth, entries[0].bounds)
    matched = {}
    for entry in entries:
        catalogue = Catalogue.read(entry.catalogue, "measurement")
        try:
            matched[entry.detector] = match_dataset(
                entry.dataset, entry.detector, truth, catalogue, config.max_distance_px
            )
        except DataError as error:
            raise DataError(
                f"{entry.catalogue} ({error.where})",
                expected=error.expected,
                found=error.found,
                remedy=error.remedy,
            ) from error
        if entry.images:
            errors = Catalogue.read(entry.images, "deblended")
            matched[entry.detector] = with_images(matched[entry.detector], errors)
    if not is_of_blends(entries[0].dataset):
        return matched
    reference = next((matched[name] for name in config.reference_detectors if name in matched), None)
    return {name: with_reference_outcome(table, reference) for name, table in matched.items()}


def _check(measured: Sequence[Measured]) -> None:
    """Refuse a catalogue that stands twice and a dataset with two truths."""
    keys = [(entry.sample, entry.detector) for entry in measured]
    truths = {(entry.sample, entry.truth, entry.bounds) for entry in measured}
    doubles = sorted({key for key in keys if keys.count(key) > 1})
    samples = [sample for sample, *_ in truths]
    ambiguous = sorted({sample for sample in samples if samples.count(sample) > 1})
    if doubles or ambiguous:
        raise DataError(
            "inputs of compare",
            expected="one catalogue for each dataset, draw and detector, one truth for each dataset and draw",
            found=f"twice: {doubles}" if doubles else f"several truths of {ambiguous}",
        )


def _parents(measured: Sequence[Measured]) -> dict[str, str]:
    catalogues = {f"{entry.sample}.{entry.detector}": entry.catalogue for entry in measured}
    truths = {f"{entry.sample}.truth": entry.truth for entry in measured}
    bounds = {f"{entry.sample}.bounds": entry.bounds for entry in measured if entry.bounds}
    images = {f"{entry.sample}.{entry.detector}.images": entry.images for entry in measured if entry.images}
    return catalogues | truths | bounds | images
