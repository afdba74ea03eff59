"""Stage bound, one shard: the Cramér–Rao bound on the flux of each galaxy of some blends."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter

from skymill.blend.noise import Noise, build_noise
from skymill.bound.derivatives import Derivatives, derivatives
from skymill.bound.fisher import fisher_matrix, flux_bounds
from skymill.bound.grid import FourierGrid
from skymill.catalog.catalogue import Catalogue, essentials
from skymill.config.blend import NoiseConfig
from skymill.data.survey import Survey, image_flux_to_njy, njy_to_image_flux
from skymill.data.tile import Tile
from skymill.errors import DataError
from skymill.provenance.record import check_inputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

MODELLED = ("bulge_disc", "point")
"""Kinds of galaxies that have a parametric model."""
COPIED = ("stamp_id", "galaxy_id", "role", "flux")


def bound_shard(
    recipe: Mapping[str, Any],
    blends: str | Path,
    galaxies: str | Path,
    start: int,
    stop: int,
    bounds: str | Path,
    noise_tile: str | Path | None = None,
) -> None:
    """Compute the bounds of blends `start` … `stop` - 1.

    The model is the simulation's own, with every parameter of every galaxy of the blend free. Noise counts as white
    with the variance of the blend's noise; real sky is correlated, which this does not know.

    Parameters
    ----------
    recipe : mapping
        :meth:`skymill.provenance.recipe.Recipe.to_dict`; params: survey, noise, canvas_px.
    blends, galaxies : path
        Truth of the blends and of the population they are made of.
    start, stop : int
        First and one-past-last blend. They change nothing but where the shard is cut.
    bounds : path
        Catalogue to write, schema ``bounds``. Blends with a galaxy that has no parametric model have NaN.
    noise_tile : path, optional
        Ingested tile that blank sky is cut from, for real noise.

    Raises
    ------
    DataError
        If a file cannot be read or written, or a galaxy of a blend is not in the population.
    """
    params, tiles = recipe["params"], {"noise_tile": noise_tile} if noise_tile else {}
    check_inputs({"blends": blends, "galaxies": galaxies, **tiles})
    survey = Survey.model_validate(params["survey"])
    config = TypeAdapter(NoiseConfig).validate_python(params["noise"])
    noise = build_noise(config, survey, Tile.read(noise_tile) if noise_tile else None)
    limits = _Limits(survey, noise, params["canvas_px"])
    truth = Catalogue.read(blends, "blends")
    truth = truth.select((truth["stamp_id"] >= start) & (truth["stamp_id"] < stop))
    profiles = _profiles(truth, Catalogue.read(galaxies, "galaxies"), galaxies)
    columns = {name: np.zeros(len(truth)) for name in Limit}
    for stamp_id in np.unique(truth["stamp_id"]):
        rows = np.flatnonzero(truth["stamp_id"] == stamp_id)
        found = limits.of_blend([profiles[row] for row in rows], truth["x"][rows], truth["y"][rows])
        for name, values in found.items():
            columns[name][rows] = values
    copied = {name: truth[name] for name in COPIED}
    Catalogue.from_columns("bounds", essentials(recipe), **copied, **columns).write(bounds)
    log.info("bounds of blends %d to %d are computed", start, stop - 1)


def _profiles(truth: Catalogue, population: Catalogue, path: str | Path) -> list[dict[str, Any]]:
    """Return the row of the population for each galaxy of the blends."""
    place = {int(number): row for row, number in enumerate(population["galaxy_id"])}
    numbers = truth["galaxy_id"].tolist()
    if unknown := sorted(set(numbers) - set(place)):
        raise DataError(path, expected="every galaxy of the blends", found=f"no galaxy {unknown[0]}")
    names = population.table.colnames
    return [{name: population.table[name][place[number]] for name in names} for number in numbers]


def _is_modelled(galaxy: dict[str, Any]) -> bool:
    """Whether a galaxy has a parametric model; the places of knots are no parameters."""
    return galaxy["kind"] in MODELLED and not galaxy["knots_fraction"] > 0


Limit = ("flux_bound", "flux_bound_alone", "n_parameters", "n_dropped")
"""What is computed for each galaxy: columns of the schema ``bounds``."""


class _Limits:
    """Computes the bounds of one blend after the other."""

    def __init__(self, survey: Survey, noise: Noise, canvas_px: int) -> None:
        self.survey, self.noise = survey, noise
        self.grid = FourierGrid(canvas_px, survey)

    def of_blend(
        self, profiles: list[dict[str, Any]], x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> dict[str, NDArray]:
        """Return the columns :data:`Limit` of the m galaxies of one blend at positions x, y (m,)."""
        if not all(map(_is_modelled, profiles)):
            none = np.zeros(len(profiles))
            return dict(zip(Limit, (none + np.nan, none + np.nan, none, none), strict=True))
        parts = [
            self._differentiated(*galaxy) for galaxy in zip(profiles, x.tolist(), y.tolist(), strict=True)
        ]
        together, n_dropped = self._bounds(parts)
        alone = np.concatenate([self._bounds([part])[0] for part in parts])
        n_parameters = sum(len(part.names) for part in parts)
        return dict(zip(Limit, (together, alone, n_parameters, n_dropped), strict=True))

    def _differentiated(self, profile: Mapping[str, Any], x: float, y: float) -> Derivatives:
        flux = njy_to_image_flux(float(profile["flux"]), self.survey.zero_point_mag)
        return derivatives(profile, flux, x, y, self.grid, self.survey.pixel_scale_arcsec)

    def _bounds(self, parts: list[Derivatives]) -> tuple[NDArray[np.float64], int]:
        """Return the bounds (m,), nJy, of galaxies on one canvas, and how many directions were dropped."""
        variance = self.noise.variance(sum(part.light for part in parts))
        information = fisher_matrix(np.concatenate([part.images for part in parts]), variance)
        total_flux = np.zeros((len(parts), len(information)))
        start = 0
        for row, part in zip(total_flux, parts, strict=True):
            row[start : start + len(part.names)] = part.total_flux
            start += len(part.names)
        sigma, n_dropped = flux_bounds(information, total_flux)
        return image_flux_to_njy(sigma, self.survey.zero_point_mag), n_dropped
