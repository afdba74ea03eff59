"""Scores: the records of metrics.json, looked up by what a table or a figure asks for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from skymill.metrics.record import MetricRecord, read_records

JUDGED = ("generated:", "anomaly:", "restored:", "pictures:")
"""Begins names of what networks that draw are judged by."""
BIN = re.compile(r"(?P<quantity>[a-z_0-9]+):(?P<low>-?[0-9.e+-]+?)-(?P<high>-?[0-9.e+-]+)")


def is_measured(dataset: str) -> bool:
    """Whether sources of a dataset were measured; if not, it is what a network that draws is judged by."""
    return not dataset.startswith(JUDGED)


@dataclass(frozen=True, order=True)
class Bin:
    """A half-open interval that some records are about.

    Parameters
    ----------
    low, high : float
        ``low <= value < high``.
    subset : str
        Its name in metrics.json.
    """

    low: float
    high: float
    subset: str

    @property
    def label(self) -> str:
        """The interval for people: ``20–21``."""
        return f"{self.low:g}–{self.high:g}"


class Scores:
    """Figures of a run.

    Parameters
    ----------
    records : iterable of MetricRecord
        The figures, in their order.
    """

    def __init__(self, records: Iterable[MetricRecord] = ()) -> None:
        self.records = tuple(records)
        self._by_key = {record.key: record for record in self.records}

    @classmethod
    def read(cls, path: str | Path) -> Scores:
        """Read metrics.json.

        Raises
        ------
        DataError
            If it cannot be read or is not an array of records.
        """
        return cls(read_records(path))

    def get(self, metric: str, dataset: str, detector: str, subset: str = "all") -> MetricRecord | None:
        """Return one figure, or None."""
        return self._by_key.get((metric, dataset, detector, subset))

    def series(
        self, metric: str, dataset: str, detector: str, subsets: Sequence[str]
    ) -> list[MetricRecord | None]:
        """Return one figure for each subset."""
        return [self.get(metric, dataset, detector, subset) for subset in subsets]

    @property
    def datasets(self) -> list[str]:
        """What was measured, in the records' order."""
        return list(dict.fromkeys(record.dataset for record in self.records))

    def of_kind(self, kind: str) -> list[str]:
        """Return the datasets ``<kind>:<tile>``."""
        return [dataset for dataset in self.datasets if dataset.startswith(f"{kind}:")]

    def subsets(self, dataset: str) -> list[str]:
        """Return the subsets of a dataset in the records' order."""
        return list(dict.fromkeys(record.subset for record in self.records if record.dataset == dataset))

    def detectors(self, dataset: str) -> list[str]:
        """Return who measured a dataset, in the records' order."""
        return list(dict.fromkeys(record.detector for record in self.records if record.dataset == dataset))

    def bins(self, dataset: str, quantity: str, prefix: str = "") -> list[Bin]:
        """Return the bins of a quantity that any record of the dataset is about, in increasing order.

        `prefix` is that of the subsets, such as ``both_found/``.
        """
        matches = [
            (subset, BIN.fullmatch(subset.removeprefix(prefix)))
            for subset in self.subsets(dataset)
            if subset.startswith(prefix)
        ]
        return sorted(
            Bin(float(match["low"]), float(match["high"]), subset)
            for subset, match in matches
            if match and match["quantity"] == quantity
        )

    def members(self, dataset: str, quantity: str, prefix: str = "") -> list[str]:
        """Return the subsets ``<prefix><quantity>:<name>`` that are classes, not intervals."""
        return [
            subset
            for subset in self.subsets(dataset)
            if subset.startswith(f"{prefix}{quantity}:") and not BIN.fullmatch(subset.removeprefix(prefix))
        ]
