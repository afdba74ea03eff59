"""Stage evaluate: a network measures test blends at the galaxies' true positions.

That is what the published comparison did (Boucaud et al. 2020, MNRAS 491, 2481): the networks are told where the
galaxies are, SExtractor has to find them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

import numpy as np

from skymill.catalog.catalogue import Catalogue, essentials
from skymill.data.mosaic import GAP_PX, mosaic
from skymill.data.stamps import StampSet
from skymill.data.survey import Survey
from skymill.data.tile import Tile
from skymill.detectors.flags import source_flags
from skymill.detectors.measurement import QUANTILES, photometry
from skymill.errors import DataError
from skymill.inference.measure import measure
from skymill.models.device import choose_device, describe_device, peak_memory_mb
from skymill.provenance.record import recording
from skymill.training.card import CARD, WEIGHTS, Model, load_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

BLENDS_AT_ONCE = 500
FLUXES = ("flux", "flux_err", *QUANTILES)


def evaluate_model(
    recipe: Mapping[str, Any], model: str | Path, stamps: str | Path, truth: str | Path, output: str | Path
) -> None:
    """Measure every galaxy of a set of blends.

    A network that gives the companion's flux too measures both from the central galaxy's stamp; any other is given a
    stamp around each galaxy.

    Parameters
    ----------
    recipe : mapping
        Recipe of the artifact; ``params`` holds ``survey``.
    model : str or Path
        The model's folder.
    stamps, truth : str or Path
        The set and its catalogue (schema ``blends``).
    output : str or Path
        The catalogue (schema ``measurement``), one row for each row of `truth`, with its ``galaxy_id``.

    Raises
    ------
    DataError, VersionError
        If a file cannot be read or written, the weights do not fit, or the model measures pairs and the set holds
        larger groups.
    """
    folder = Path(model)
    began_s = process_time()
    parents = {"stamps": stamps, "truth": truth, "card": folder / CARD, "weights": folder / WEIGHTS}
    with recording(recipe, Path(output).parent, parents=parents) as record, StampSet.open(stamps) as blends:
        survey = Survey.model_validate(recipe["params"]["survey"])
        galaxies = Catalogue.read(truth, "blends")
        trained = load_model(folder)
        _check_groups(galaxies, trained, truth)
        measured = _measure_set(blends, galaxies, trained, survey)
        found = _catalogue(galaxies, measured, survey, essentials(recipe), blends.shape("image")[-1])
        found.write(output)
        log.info("%s: %d galaxies on %d blends", recipe["name"], len(found), len(blends))
        record.rows = len(found)
        record.extra.update(
            device=describe_device(choose_device()),
            cpu_s=process_time() - began_s,
            peak_memory_mb=peak_memory_mb(),
        )


def _measure_set(blends: StampSet, galaxies: Catalogue, model: Model, survey: Survey) -> dict[str, NDArray]:
    """Measure all galaxies of the set, some blends at a time; columns in the order of `galaxies`."""
    columns = {name: np.zeros(len(galaxies)) for name in FLUXES}
    columns["flags"] = np.zeros(len(galaxies), dtype=np.int64)
    for rows in chunks(galaxies["stamp_id"]):
        gap_px = max(GAP_PX, model.card.input_px // 2)
        part = measure(*mosaic_at(blends, galaxies, rows, survey, gap_px), model)
        if model.task.galaxies == 2:
            part = _with_companions(part, galaxies["stamp_id"][rows], galaxies["role"][rows] == "central")
        for name, values in columns.items():
            values[rows] = part[name]
    return columns


def _check_groups(galaxies: Catalogue, model: Model, truth: str | Path) -> None:
    """Refuse to give two companions of one blend the same flux."""
    largest = int(galaxies["n_galaxies"].max(initial=1))
    if model.task.galaxies == 2 and largest > 2:
        raise DataError(
            truth,
            expected="pairs, which is what a model of central_and_companion measures",
            found=f"blends of up to {largest} galaxies",
            remedy="Take outputs: central, or blend.group_sizes: {2: 1}.",
        )


def mosaic_at(
    blends: StampSet,
    galaxies: Catalogue,
    rows: NDArray,
    survey: Survey,
    gap_px: int,
    layer: str = "image",
) -> tuple[Tile, NDArray, NDArray]:
    """Return the mosaic of a layer of the blends that `rows` lie in, and the rows' positions on it.

    The gap is as wide as half a stamp: a stamp that reaches over its canvas sees blank sky and no other blend.
    """
    numbers = np.unique(galaxies["stamp_id"][rows])
    tile, layout = mosaic(blends.read(layer, numbers), numbers, survey, gap_px)
    x, y = layout.to_mosaic(galaxies["stamp_id"][rows], galaxies["x"][rows], galaxies["y"][rows])
    return tile, x, y


def chunks(stamp_id: NDArray) -> Iterator[NDArray]:
    """Give the rows of some blends at a time; a blend is never torn apart."""
    numbers, inverse = np.unique(stamp_id, return_inverse=True)
    for start in range(0, len(numbers), BLENDS_AT_ONCE):
        yield np.flatnonzero((inverse >= start) & (inverse < start + BLENDS_AT_ONCE))


def _with_companions(part: dict[str, NDArray], stamp_id: NDArray, is_central: NDArray) -> dict[str, NDArray]:
    """Give each companion the second result of its central galaxy's stamp."""
    central = np.flatnonzero(is_central)
    order = central[np.argsort(stamp_id[central])]
    of_blend = order[np.searchsorted(stamp_id[order], stamp_id)]
    columns = {name: np.where(is_central, part[name], part[f"companion_{name}"][of_blend]) for name in FLUXES}
    return {**columns, "flags": part["flags"][of_blend]}


def _catalogue(
    galaxies: Catalogue, measured: Mapping[str, NDArray], survey: Survey, meta: Mapping, canvas_px: int
) -> Catalogue:
    rows = len(galaxies)
    quantiles = {name: measured[name] for name in QUANTILES}
    columns = {
        **{name: np.array(galaxies[name]) for name in ("stamp_id", "x", "y")},
        "is_primary": np.ones(rows, dtype=bool),
    }
    # The flags' radii are what is seen: the galaxy's own, widened by the PSF.
    half = np.hypot(galaxies["re"] / survey.pixel_scale_arcsec, survey.psf_fwhm_px / 2)
    known = {**columns, **{name: measured[name] for name in ("flux", "flux_err", "flags")}}
    flags = source_flags({**known, "flux_radius": half}, survey.psf_fwhm_px, (canvas_px, canvas_px))
    return Catalogue.from_columns(
        "measurement",
        meta,
        object_id=np.arange(rows),
        galaxy_id=galaxies["galaxy_id"],
        ra=np.full(rows, np.nan),
        dec=np.full(rows, np.nan),
        **columns,
        **photometry(measured["flux"], measured["flux_err"], survey.zero_point_mag, quantiles),
        flags=flags,
    )
