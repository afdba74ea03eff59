"""Stage simulate, one shard: isolated galaxies on stamps, and what is true of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter

from skymill.catalog.catalogue import Catalogue, essentials
from skymill.catalog.flags import Flag
from skymill.config.simulate import PopulationConfig, SplitConfig
from skymill.data.stamps import Attributes, write_shard
from skymill.data.survey import Survey, mag_to_image_flux, mag_to_njy
from skymill.simulate.build import build_population
from skymill.simulate.draw import FAILURES
from skymill.simulate.population import Population
from skymill.simulate.priors import sides

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

TRUNCATED_FRACTION = 0.1
"""A galaxy is flagged TRUNCATED when more of its light than this lies outside its stamp."""


def simulate_shard(
    recipe: Mapping[str, Any],
    start: int,
    stop: int,
    stamps: str | Path,
    truth: str | Path,
    catalogue: str | Path | None = None,
    data_dir: str | Path | None = None,
) -> None:
    """Draw galaxies `start` … `stop` - 1 of a population.

    Parameters
    ----------
    recipe : mapping
        :meth:`skymill.provenance.recipe.Recipe.to_dict`; params: seed, survey, population, split.
    start, stop : int
        First and one-past-last galaxy. They change nothing but where the shard is cut.
    stamps : path
        HDF5 to write: layer ``image`` (n, 1, y, x), float32, noise-free, image units. The galaxy's centre is pixel
        ``stamp_px // 2`` plus (dx, dy).
    truth : path
        Catalogue to write, schema ``galaxies``.
    catalogue : path, optional
        Where the catalogue of a population of real galaxies lies, if not where the recipe says.
    data_dir : path, optional
        Folder with the files that a table of cutouts names, if they do not lie where it says.

    Raises
    ------
    ConfigError, DataError
        If the population cannot be made or a file cannot be written. A single galaxy that cannot be drawn is named in
        the log, flagged FAILED, and has a zero stamp.
    """
    params = recipe["params"]
    config = TypeAdapter(PopulationConfig).validate_python(params["population"])
    survey = Survey.model_validate(params["survey"])
    if catalogue is not None:
        config = config.model_copy(update={"catalogue": str(catalogue)})
    population = build_population(config, survey, params["seed"], "simulate", recipe["name"], data_dir)
    write_galaxies(recipe, population, config.stamp_px, (start, stop), stamps, truth)


def write_galaxies(
    recipe: Mapping[str, Any],
    population: Population,
    stamp_px: int,
    numbers: tuple[int, int],
    stamps: str | Path,
    truth: str | Path,
) -> None:
    """Draw and write a shard of a population, whatever draws it.

    Parameters
    ----------
    recipe, stamps, truth
        As of :func:`simulate_shard`.
    population : Population
        Gives truth and images by number.
    stamp_px : int
        Side of the stamps.
    numbers : (int, int)
        First and one-past-last galaxy.
    """
    params, (start, stop) = recipe["params"], numbers
    survey, split = Survey.model_validate(params["survey"]), SplitConfig.model_validate(params["split"])
    index = np.arange(start, stop, dtype=np.int64)
    galaxies = population.truth(index)
    drawn = Catalogue.from_columns(
        "galaxies",
        essentials(recipe),
        **galaxies,
        galaxy_id=index,
        side=sides(params["seed"], recipe["name"], population.split_keys(index), split),
        flux=mag_to_njy(galaxies["mag"]),
        flags=np.zeros(len(index)),
    )
    images, flags = draw_galaxies(population, drawn, survey, stamp_px)
    drawn.table["flags"] = flags
    write_shard(stamps, {"image": images}, start, stamp_attributes(recipe, survey))
    drawn.write(truth)
    log.info("galaxies %d to %d of population '%s' are drawn", start, stop - 1, recipe["name"])


def draw_galaxies(
    population: Population, catalogue: Catalogue, survey: Survey, stamp_px: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Draw all galaxies of a catalogue.

    Returns
    -------
    images : ndarray (n, 1, y, x), float32
        Image units; zero where the drawing failed.
    flags : ndarray (n,), int32
        FAILED and TRUNCATED.
    """
    images = np.zeros((len(catalogue), 1, stamp_px, stamp_px), dtype=np.float32)
    flags = np.zeros(len(catalogue), dtype=np.int32)
    names = catalogue.table.colnames
    for number, row in enumerate(zip(*(catalogue[name] for name in names), strict=True)):
        galaxy = dict(zip(names, row, strict=True))
        try:
            images[number, 0] = population.draw(galaxy, stamp_px)
        except FAILURES as error:
            flags[number] = Flag.FAILED
            log.warning(
                "galaxy %d could not be drawn (%s); flagged FAILED: %s",
                galaxy["galaxy_id"],
                _described(galaxy),
                " ".join(str(error).split()),
            )
            continue
        inside = images[number].sum(dtype=np.float64)
        total = mag_to_image_flux(float(galaxy["mag"]), survey.zero_point_mag)
        flags[number] = Flag.TRUNCATED if inside < (1 - TRUNCATED_FRACTION) * total else 0
    return images, flags


def _described(galaxy: Mapping[str, Any]) -> str:
    """Say in a few words what galaxy it is."""
    return f"{galaxy['kind']}, mag {galaxy['mag']:.2f}, re {galaxy['re']:.3f} arcsec, bulge n {galaxy['bulge_n']:.2f}"


def stamp_attributes(recipe: Mapping[str, Any], survey: Survey) -> Attributes:
    """Return the facts that stand in the header of a stamp set."""
    return {
        **essentials(recipe),
        "survey": survey.name,
        "band": survey.band,
        "pixel_scale_arcsec": survey.pixel_scale_arcsec,
        "zero_point_mag": survey.zero_point_mag,
    }
