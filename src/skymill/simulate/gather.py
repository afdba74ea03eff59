"""Stage simulate, the whole population: its shards tied together."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skymill.catalog.catalogue import Catalogue, essentials
from skymill.catalog.flags import Flag
from skymill.data.stamps import link_shards
from skymill.data.survey import Survey
from skymill.errors import DataError
from skymill.provenance.record import recording
from skymill.simulate.shard import stamp_attributes

log = logging.getLogger(__name__)


def simulate_population(
    recipe: Mapping[str, Any],
    shards: Sequence[str | Path],
    truths: Sequence[str | Path],
    stamps: str | Path,
    truth: str | Path,
) -> None:
    """Tie the shards of a population together.

    Parameters
    ----------
    recipe : mapping
        Of the population, as given to :func:`skymill.simulate.shard.simulate_shard`.
    shards, truths : sequence of path
        What the shards' jobs wrote, in any order.
    stamps, truth : path
        The set and its catalogue to write; ``provenance.json`` is written beside them.

    Raises
    ------
    DataError
        If shards are missing, or no galaxy at all could be drawn.
    """
    with recording(recipe, Path(stamps).parent) as record:
        catalogue = Catalogue.gather(truths, "galaxies", "galaxy_id", essentials(recipe))
        failed = int(((catalogue["flags"] & Flag.FAILED) > 0).sum())
        if failed == len(catalogue):
            raise DataError(
                f"population {recipe['name']}",
                expected="galaxies that can be drawn",
                found=f"all {failed} failed",
                remedy="The shards' logs say why; raise fft_max_px or draw smaller galaxies.",
            )
        survey = Survey.model_validate(recipe["params"]["survey"])
        record.rows = link_shards(stamps, shards, stamp_attributes(recipe, survey))
        if record.rows != len(catalogue):
            raise DataError(truth, expected=f"{record.rows} rows, one a stamp", found=f"{len(catalogue)}")
        catalogue.write(truth)
        record.extra["failed_galaxies"] = failed
    if failed:
        log.warning("%d of %d galaxies could not be drawn", failed, len(catalogue))
