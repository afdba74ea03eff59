"""Stage survey: the catalogues of overlapping tiles become one, each source once."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skymill.catalog.catalogue import Catalogue, essentials
from skymill.catalog.schema import load_schema
from skymill.config.survey import SurveyCatalogueConfig
from skymill.data.tile import Tile
from skymill.errors import DataError
from skymill.provenance.atomic import write_text
from skymill.provenance.record import recording
from skymill.survey.footprint import Footprint, Footprints
from skymill.survey.parts import Parts, joint_bounds

log = logging.getLogger(__name__)

SCHEMA = "survey"


def survey_catalogue(
    recipe: Mapping[str, Any],
    tiles: Sequence[Mapping[str, str]],
    parts: str | Path,
    output: str | Path,
) -> None:
    """Put the catalogues of a detector on all tiles together.

    A source stays if its position belongs to its tile (:class:`~skymill.survey.footprint.Footprints`) and it is the
    primary entry there. Tiles follow each other by name, so their order here changes nothing.

    Parameters
    ----------
    recipe : mapping
        Recipe of the artifact; ``params`` holds ``survey_catalogue``
        (:class:`~skymill.config.survey.SurveyCatalogueConfig`).
    tiles : sequence of mapping
        For each tile ``tile_id``, ``tile`` (the ingested tile, of which the header alone is read) and ``catalogue``
        (schema ``measurement``).
    parts : path
        Folder of the files of the catalogue (schema ``survey``), within the artifact's.
    output : path
        The index, JSON: files with rows, sky bounds and SHA-256.

    Raises
    ------
    DataError
        If two tiles have one name, a tile has no WCS, or a file cannot be read or written.
    """
    config = SurveyCatalogueConfig.model_validate(recipe["params"]["survey_catalogue"])
    tiles = sorted(tiles, key=lambda entry: entry["tile_id"])
    read = {entry["tile_id"]: entry["catalogue"] for entry in tiles}
    with recording(recipe, Path(output).parent, parents=read) as record:
        footprints = Footprints(Footprint.of(_tile(entry)) for entry in tiles)
        # The header names no parents: there can be thousands, and each file would list them.
        meta = {**essentials({**recipe, "parents": {}}), "tiles": len(tiles)}
        writer = Parts(parts, SCHEMA, config.rows_per_file, meta)
        found = 0
        for tile_id, path in read.items():
            catalogue = Catalogue.read(path, "measurement")
            found += int(catalogue["is_primary"].sum())
            writer.add(**_primary(footprints, tile_id, catalogue))
        files = writer.finish()
        index = {
            "schema": f"{SCHEMA} {load_schema(SCHEMA).version}",
            **meta,
            "rows": writer.rows,
            **joint_bounds(files),
            "parts": files,
        }
        write_text(output, json.dumps(index, indent=1) + "\n")
        log.info("%s: %d of %d sources on %d tiles", recipe["name"], writer.rows, found, len(tiles))
        record.rows = writer.rows
        record.extra["left_to_neighbours"] = found - writer.rows


def _tile(entry: Mapping[str, str]) -> Tile:
    tile = Tile.read(entry["tile"], header_only=True)
    if tile.meta.tile_id != entry["tile_id"]:
        raise DataError(
            entry["tile"], expected=f"the tile {entry['tile_id']}", found=f"the tile {tile.meta.tile_id}"
        )
    return tile


def _primary(footprints: Footprints, tile_id: str, catalogue: Catalogue) -> dict[str, np.ndarray]:
    """Return the columns of the sources that the tile answers for; those without a position are left out."""
    is_kept = catalogue["is_primary"].copy()
    is_kept[is_kept] = footprints.is_primary(tile_id, catalogue["ra"][is_kept], catalogue["dec"][is_kept])
    rows = np.flatnonzero(is_kept)
    shared = [name for name in load_schema(SCHEMA).columns if name in catalogue.schema.columns]
    columns = {name: catalogue[name][rows] for name in shared}
    return {
        **columns,
        "tile_id": np.full(len(rows), tile_id),
        "tile_object_id": catalogue["object_id"][rows],
    }
