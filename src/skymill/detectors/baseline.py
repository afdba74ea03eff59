"""Stage baseline: SExtractor, sep or photutils on a tile or on test blends."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skymill.catalog.catalogue import Catalogue, essentials
from skymill.data.mosaic import GAP_PX, mosaic
from skymill.data.stamps import StampSet
from skymill.data.survey import Survey
from skymill.data.tile import Tile
from skymill.detectors.build import ThresholdDetector, build_detector
from skymill.errors import DataError
from skymill.provenance.chunk import Member, make_chunk
from skymill.provenance.record import recording

log = logging.getLogger(__name__)

MOSAIC_PIXELS = 2**24
"""Blends are laid out on mosaics of about this many pixels, so that memory does not grow with their number."""


def baseline_tile(recipe: Mapping[str, Any], tile: str | Path, output: str | Path) -> None:
    """Run a baseline on a tile.

    Parameters
    ----------
    recipe : mapping
        Recipe of the artifact; ``params`` holds ``detector`` (:data:`~skymill.config.detect.DetectorConfig`).
    tile : str or Path
        The ingested tile.
    output : str or Path
        The catalogue (schema ``measurement``), Parquet; valid and empty if nothing is found.

    Raises
    ------
    DataError
        If the tile cannot be read or the catalogue not be written.
    ExternalToolError
        If the program is missing or fails.
    """
    with recording(recipe, Path(output).parent, parents={"tile": tile}) as record:
        detector = build_detector(recipe["params"]["detector"])
        found = detector.detect(Tile.read(tile), {**essentials(recipe), **detector.tools()})
        found.write(output)
        log.info("%s: %d sources", recipe["name"], len(found))
        record.rows = len(found)
        record.extra["tools"] = detector.tools()


def baseline_chunk(
    members: Iterable[Mapping[str, Any]], manifests: Sequence[str | Path], code: str, output: str | Path
) -> None:
    """Run a baseline on a chunk of tiles.

    Parameters and errors are those of :func:`skymill.provenance.chunk.make_chunk`.
    """

    def make(member: Member) -> None:
        baseline_tile(member.recipe, member.inputs["tile"], member.outputs["catalogue"])

    make_chunk(members, make, manifests=manifests, code=code, output=output)


def baseline_blends(
    recipe: Mapping[str, Any], stamps: str | Path, truth: str | Path, output: str | Path
) -> None:
    """Run a baseline on a set of blends.

    Parameters
    ----------
    recipe : mapping
        Recipe of the artifact; ``params`` holds ``detector`` and ``survey``.
    stamps, truth : str or Path
        The set and its catalogue (schema ``blends``).
    output : str or Path
        The catalogue (schema ``measurement``), Parquet.

    Raises
    ------
    DataError
        If the stamps and their truth do not belong together, or a file cannot be read or written.
    ExternalToolError
        If the program is missing or fails.
    """
    parents = {"stamps": stamps, "truth": truth}
    with recording(recipe, Path(output).parent, parents=parents) as record, StampSet.open(stamps) as blends:
        numbers = np.unique(Catalogue.read(truth, "blends")["stamp_id"])
        if len(numbers) and numbers[-1] >= len(blends):
            raise DataError(
                truth, expected=f"stamps 0 to {len(blends) - 1} of {stamps}", found=f"{numbers[-1]}"
            )
        detector = build_detector(recipe["params"]["detector"])
        meta = {**essentials(recipe), **detector.tools()}
        survey = Survey.model_validate(recipe["params"]["survey"])
        parts = [
            _blends_part(detector, blends, part, survey)
            for part in _chunks(numbers, blends.shape("image")[-1])
        ]
        found = _numbered(parts, meta)
        found.write(output)
        log.info("%s: %d sources on %d blends", recipe["name"], len(found), len(numbers))
        record.rows = len(found)
        record.extra["tools"] = detector.tools()


def _chunks(numbers: np.ndarray, stamp_px: int) -> Iterator[np.ndarray]:
    size = max(1, MOSAIC_PIXELS // (stamp_px + GAP_PX) ** 2)
    return (numbers[start : start + size] for start in range(0, len(numbers), size))


def _blends_part(
    detector: ThresholdDetector, blends: StampSet, numbers: np.ndarray, survey: Survey
) -> Catalogue:
    tile, layout = mosaic(blends.read("image", numbers), numbers, survey)
    return detector.detect_blends(tile, layout, {})


def _numbered(parts: list[Catalogue], meta: Mapping[str, Any]) -> Catalogue:
    """Put the catalogues of the mosaics below each other and number their rows through."""
    if not parts:
        return Catalogue.empty("measurement", meta)
    whole = Catalogue.concatenate(parts, meta)
    whole.table["object_id"] = np.arange(len(whole))
    return Catalogue(whole.table, "measurement", meta)
