"""What is planned for galaxies that are simulated or cut out of images; drawn ones are in `generators.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from skymill.config.cutouts import load_cutouts
from skymill.config.ingest import local_location
from skymill.config.run import RunConfig
from skymill.config.simulate import CutoutPopulation, PopulationConfig
from skymill.plan.artifact import Artifact, cut_into_shards


def add_populations(
    config: RunConfig,
    survey: Mapping[str, Any],
    locate: Callable[[str], str],
    identify: Callable[[str], str],
    add: Callable[..., Artifact],
) -> None:
    """Add the populations.

    Parameters
    ----------
    config : RunConfig
        The run.
    survey : mapping
        Physics of the survey that is simulated.
    locate : callable
        Gives the place of a path of the configuration.
    identify : callable
        Gives the identity of a file that skymill did not make.
    add : callable
        Adds an artifact: stage, name, params, and its outside files, inputs and shards by keyword.
    """
    for name, population in config.populations.items():
        if name in config.generated():
            continue
        params = {
            "survey": survey,
            "population": population.recipe_params(),
            "split": config.split.recipe_params(),
        }
        files = _files(population, config.data_dir, locate)
        inputs = {"catalogue": files["catalogue"]} if files else {}
        outside = {role: identify(path) for role, path in files.items()}
        shards = cut_into_shards(population.n_galaxies, population.shard_size)
        add("simulate", name, params, outside=outside, inputs=inputs, shards=shards)


def _files(
    population: PopulationConfig, data_dir: str | None, locate: Callable[[str], str]
) -> dict[str, str]:
    """Return the files that a population of real galaxies is made from, by role; ``catalogue`` names the others."""
    if (location := getattr(population, "catalogue", None)) is None:
        return {}
    # A table of cutouts lies where it is said, as a tile table does; data_dir holds the files that it names.
    is_table = isinstance(population, CutoutPopulation)
    catalogue = locate(location if is_table else local_location(location, data_dir))
    found = {"catalogue": catalogue}
    if is_table and Path(catalogue).is_file():
        for row in load_cutouts(catalogue):
            found |= {f"{row.id}.{role}": str(path) for role, path in row.files(catalogue, data_dir).items()}
    return found
