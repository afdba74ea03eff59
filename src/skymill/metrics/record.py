"""One figure with its unit, its count and its interval: what metrics.json is made of."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from skymill.errors import DataError


@dataclass(frozen=True)
class MetricRecord:
    """One figure of a run.

    Parameters
    ----------
    metric : str
        A name of :data:`skymill.metrics.registry.METRICS`.
    dataset : str
        What was measured: ``test_blends``, ``real_blends``, ``injected:<tile>``, ``reference:<tile>``.
    detector : str
        Who measured it.
    subset : str
        Which rows: ``all``, ``both_found``, ``mag:20-21``, …; ``shared/sep/blended``: the blended ones that sep, too,
        has found.
    value : float
        The figure, in `unit`.
    unit : str
        ``percent``, ``mag``, ``fraction``, ``dB``, …
    n : int
        Number of rows it is made of, at least 1.
    low, high : float
        95 % interval of the value.

    Raises
    ------
    ValueError
        If a number is not finite, a name is empty or `n` is not positive.
    """

    metric: str
    dataset: str
    detector: str
    subset: str
    value: float
    unit: str
    n: int
    low: float
    high: float

    def __post_init__(self) -> None:
        names = [self.metric, self.dataset, self.detector, self.subset, self.unit]
        if not all(isinstance(name, str) and name for name in names):
            raise ValueError(f"metric record: expected five names, found {names}")
        if isinstance(self.n, bool) or not isinstance(self.n, int) or self.n < 1:
            raise ValueError(f"{self.key}: expected a count n >= 1, found {self.n!r}")
        for name in ("value", "low", "high"):
            number = getattr(self, name)
            if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
                raise ValueError(f"{self.key}: expected a finite {name}, found {number!r}")

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Metric, dataset, detector and subset: what makes a record unique."""
        return self.metric, self.dataset, self.detector, self.subset


def to_json(records: Iterable[MetricRecord]) -> str:
    """Return the records as a JSON array, one record a line, in the given order.

    Raises
    ------
    ValueError
        If two records have the same key.
    """
    records = list(records)
    keys = [record.key for record in records]
    if len(set(keys)) != len(keys):
        double = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"metric records: expected one of each key, found two of {double}")
    lines = ",\n".join(json.dumps(asdict(record), allow_nan=False, ensure_ascii=False) for record in records)
    return f"[\n{lines}\n]\n" if lines else "[]\n"


def from_json(text: str) -> list[MetricRecord]:
    """Return the records of a JSON array written by :func:`to_json`.

    Raises
    ------
    ValueError
        If the text is not such an array; the message says where.
    """
    rows: Any = json.loads(text, parse_constant=_refuse)
    if not isinstance(rows, list):
        raise ValueError(f"expected a JSON array of metric records, found {type(rows).__name__}")
    names = {field.name for field in fields(MetricRecord)}
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or set(row) != names:
            raise ValueError(f"record {number}: expected the keys {sorted(names)}, found {row!r:.200}")
    return [MetricRecord(**row) for row in rows]


def read_records(path: str | Path) -> list[MetricRecord]:
    """Read a file that holds what :func:`to_json` gave.

    Raises
    ------
    DataError
        If it cannot be read or is not an array of records.
    """
    try:
        return from_json(Path(path).read_bytes().decode("utf-8"))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise DataError(
            path,
            expected="an array of metric records",
            found=" ".join(str(error).split()),
            remedy="Delete it and run its stage again.",
        ) from error


def _refuse(constant: str) -> None:
    """Refuse the NaN and Infinity that Python's reader would let pass."""
    raise ValueError(f"expected strict JSON, found {constant}")
