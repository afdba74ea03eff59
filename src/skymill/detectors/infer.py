"""Stage infer: a trained network on a tile."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skymill.catalog.catalogue import essentials
from skymill.config.detect import CandidateConfig
from skymill.data.tile import Tile
from skymill.detectors.neural import NeuralDetector
from skymill.models.device import choose_device, describe_device
from skymill.provenance.record import recording
from skymill.training.card import CARD, WEIGHTS, load_model

log = logging.getLogger(__name__)


def infer_tile(recipe: Mapping[str, Any], tile: str | Path, model: str | Path, output: str | Path) -> None:
    """Find and measure the sources of a tile with a network.

    Parameters
    ----------
    recipe : mapping
        Recipe of the artifact; ``params`` holds ``candidates`` (:class:`~skymill.config.detect.CandidateConfig`).
    tile : str or Path
        The ingested tile.
    model : str or Path
        The model's folder.
    output : str or Path
        The catalogue (schema ``measurement``), Parquet; valid and empty if nothing is found.

    Raises
    ------
    DataError
        If a file cannot be read or written, or the tile does not fit the model's survey.
    VersionError
        If the weights do not fit.
    """
    folder = Path(model)
    parents = {"tile": tile, "card": folder / CARD, "weights": folder / WEIGHTS}
    with recording(recipe, Path(output).parent, parents=parents) as record:
        config = CandidateConfig.model_validate(recipe["params"]["candidates"])
        detector = NeuralDetector(config, load_model(folder))
        found = detector.detect(Tile.read(tile), {**essentials(recipe), **detector.tools()})
        found.write(output)
        log.info("%s: %d sources", recipe["name"], len(found))
        record.rows = len(found)
        record.extra |= {"tools": detector.tools(), "device": describe_device(choose_device())}
