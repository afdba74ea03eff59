"""Stage deblend: a network takes the central galaxies of a set of blends out of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from skymill.catalog.catalogue import Catalogue, essentials
from skymill.data.stamps import StampSet, write_shard
from skymill.data.survey import Survey
from skymill.detectors.evaluate import chunks, mosaic_at
from skymill.inference.deblend import deblend
from skymill.provenance.record import recording
from skymill.training.card import CARD, WEIGHTS, load_model

log = logging.getLogger(__name__)


def deblend_blends(
    recipe: Mapping[str, Any], model: str | Path, stamps: str | Path, truth: str | Path, output: str | Path
) -> None:
    """Deblend the central galaxy of each blend.

    Parameters
    ----------
    recipe : mapping
        Recipe of the artifact; ``params`` holds ``survey``.
    model : str or Path
        The model's folder; its network has learned to give images.
    stamps, truth : str or Path
        The set of blends and its catalogue.
    output : str or Path
        HDF5 with the layers ``image`` (float32, image units, the galaxy alone) and ``masks`` (uint8; not
        from a network that has not learned masks), one stamp for each blend in the order of the set, the middle at the
        central galaxy's pixel.

    Raises
    ------
    ConfigError
        If the network has not learned to give images.
    DataError, VersionError
        If a file cannot be read or written, or the weights do not fit.
    """
    folder = Path(model)
    parents = {"stamps": stamps, "truth": truth, "card": folder / CARD, "weights": folder / WEIGHTS}
    with recording(recipe, Path(output).parent, parents=parents) as record, StampSet.open(stamps) as blends:
        survey, trained = Survey.model_validate(recipe["params"]["survey"]), load_model(folder)
        catalogue = Catalogue.read(truth, "blends")
        central = catalogue.select(catalogue["role"] == "central")
        central = central.select(np.argsort(central["stamp_id"], kind="stable"))
        gap_px = trained.card.input_px // 2
        parts = [
            deblend(*mosaic_at(blends, central, rows, survey, gap_px), trained)
            for rows in chunks(central["stamp_id"])
        ]
        layers = {"image": np.concatenate([part.images for part in parts])[:, None]}
        if trained.task.learns_masks:
            layers["masks"] = np.concatenate([part.masks for part in parts])[:, None]
        write_shard(output, layers, 0, essentials(recipe))
        record.rows = len(central)
        log.info("%s: %d galaxies", recipe["name"], len(central))
