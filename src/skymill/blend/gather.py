"""Stage blend, the whole set of one side: its shards tied together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skymill.blend.shard import stamp_attributes
from skymill.catalog.catalogue import Catalogue, essentials
from skymill.data.stamps import link_shards
from skymill.data.survey import Survey
from skymill.errors import DataError
from skymill.provenance.record import recording


def blend_set(
    recipe: Mapping[str, Any],
    shards: Sequence[str | Path],
    truths: Sequence[str | Path],
    stamps: str | Path,
    truth: str | Path,
) -> None:
    """Tie the shards of a set of blends together.

    Parameters
    ----------
    recipe : mapping
        Of the set, as given to :func:`skymill.blend.shard.blend_shard`.
    shards, truths : sequence of path
        What the shards' jobs wrote, in any order.
    stamps, truth : path
        The set and its catalogue to write; ``provenance.json`` is written beside them.

    Raises
    ------
    DataError
        If shards are missing or overlap.
    """
    with recording(recipe, Path(stamps).parent) as record:
        catalogue = Catalogue.gather(truths, "blends", "stamp_id", essentials(recipe))
        survey = Survey.model_validate(recipe["params"]["survey"])
        record.rows = link_shards(stamps, shards, stamp_attributes(recipe, survey))
        centrals = int((catalogue["role"] == "central").sum())
        if centrals != record.rows:
            raise DataError(
                truth, expected=f"{record.rows} central galaxies, one a stamp", found=f"{centrals}"
            )
        catalogue.write(truth)
        record.extra["galaxies"] = len(catalogue)
