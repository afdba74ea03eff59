"""Stage deblend: a network takes the central galaxies of a set of blends out of them, and how well it does."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skymill.catalog.catalogue import Catalogue, essentials
from skymill.data.stamps import StampSet, write_shard
from skymill.data.survey import Survey
from skymill.data.tile import cutouts
from skymill.detectors.evaluate import chunks, mosaic_at
from skymill.detectors.image_quality import conservation, image_quality
from skymill.inference.deblend import Deblended, deblend
from skymill.provenance.record import recording
from skymill.training.card import CARD, WEIGHTS, Model, load_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)


def deblend_blends(
    recipe: Mapping[str, Any],
    model: str | Path,
    stamps: str | Path,
    truth: str | Path,
    output: str | Path,
    quality: str | Path,
) -> None:
    """Deblend the central galaxy of each blend and compare its image with the true one.

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
    quality : str or Path
        Catalogue (schema ``deblended``) of the images' errors, in the same folder, a row for each blend.

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
        parts, errors = [], []
        for rows in chunks(central["stamp_id"]):
            part, columns = _deblend_some(blends, central, rows, survey, trained)
            parts.append(part)
            errors.append(columns)
        layers = {"image": np.concatenate([part.images for part in parts])[:, None]}
        if trained.task.learns_masks:
            layers["masks"] = np.concatenate([part.masks for part in parts])[:, None]
        write_shard(output, layers, 0, essentials(recipe))
        columns = {name: np.concatenate([part[name] for part in errors]) for name in errors[0]}
        same = {name: central[name] for name in ("stamp_id", "galaxy_id")}
        Catalogue.from_columns("deblended", essentials(recipe), **same, **columns).write(quality)
        record.rows = len(central)
        log.info("%s: %d galaxies", recipe["name"], len(central))


def _deblend_some(
    blends: StampSet, central: Catalogue, rows: NDArray, survey: Survey, model: Model
) -> tuple[Deblended, dict[str, NDArray]]:
    """Return some central galaxies, deblended, and how good their images are."""
    gap_px = model.card.input_px // 2
    tile, x, y = mosaic_at(blends, central, rows, survey, gap_px)
    part = deblend(tile, x, y, model)
    size = part.images.shape[-1]
    alone, others = (
        mosaic_at(blends, central, rows, survey, gap_px, layer=layer)[0]
        for layer in ("central", "neighbours")
    )
    seen, true, rest = (cutouts(image.science, x, y, size) for image in (tile, alone, others))
    on_x, on_y = (size // 2 + axis - np.rint(axis) for axis in (x, y))
    errors = image_quality(part.images, seen, true, on_x, on_y)
    return part, errors | conservation(part.images + part.neighbours, seen, true + rest)
