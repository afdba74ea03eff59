"""Stage bound, the whole set: its shards tied together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skymill.catalog.catalogue import Catalogue, essentials
from skymill.errors import DataError
from skymill.provenance.record import recording


def bound_set(recipe: Mapping[str, Any], shards: Sequence[str | Path], bounds: str | Path) -> None:
    """Tie the shards of the bounds together.

    Parameters
    ----------
    recipe : mapping
        As given to :func:`skymill.bound.shard.bound_shard`; params: n, the number of blends.
    shards : sequence of path
        What the shards' jobs wrote, in any order.
    bounds : path
        The catalogue to write; ``provenance.json`` is written beside it.

    Raises
    ------
    DataError
        If shards are missing or overlap.
    """
    with recording(recipe, Path(bounds).parent) as record:
        parts = [Catalogue.read(path, "bounds") for path in shards]
        stamps = [np.unique(part["stamp_id"]) for part in parts]
        found, wanted = np.sort(np.concatenate(stamps)), np.arange(recipe["params"]["n"])
        if not np.array_equal(found, wanted):
            raise DataError(
                bounds, expected=f"blends 0 to {len(wanted) - 1}, each in one shard", found=f"{len(found)}"
            )
        parts.sort(key=lambda part: part["stamp_id"][0])
        catalogue = Catalogue.concatenate(parts, essentials(recipe))
        catalogue.write(bounds)
        record.rows = len(catalogue)
        incomplete = np.unique(catalogue["stamp_id"][catalogue["n_dropped"] > 0])
        record.extra["blends_with_dropped_directions"] = len(incomplete)
