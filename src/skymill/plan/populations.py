"""What is planned for galaxies that are simulated or cut out of images; drawn ones are in `generators.py`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from skymill.config.cutouts import load_cutouts
from skymill.config.run import RunConfig
from skymill.config.simulate import CutoutPopulation, PopulationConfig
from skymill.plan.artifact import Artifact, cut_into_shards
from skymill.plan.outside import OutsideFiles
from skymill.plan.places import Places


def add_populations(
    config: RunConfig,
    survey: Mapping[str, Any],
    locate: Callable[[str], str],
    outside: OutsideFiles,
    places: Places,
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
    outside : OutsideFiles
        Gives the identity of a file that skymill did not make.
    places : Places
        Says where the files are read from.
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
        files = _files(name, population, locate, places)
        inputs = {"catalogue": files["catalogue"]} if files else {}
        outside.look_at(files.values())
        known = {role: outside(path) for role, path in files.items()}
        shards = cut_into_shards(population.n_galaxies, population.shard_size)
        add("simulate", name, params, outside=known, inputs=inputs, shards=shards)


def _files(
    name: str, population: PopulationConfig, locate: Callable[[str], str], places: Places
) -> dict[str, str]:
    """Return the files that a population of real galaxies is made from, by role; ``catalogue`` names the others."""
    if (location := getattr(population, "catalogue", None)) is None:
        return {}
    owner = f"population {name}"
    if not isinstance(population, CutoutPopulation):
        return {"catalogue": locate(places.local(location, f"{owner}, catalogue"))}
    # A table of cutouts lies where it is said, as a tile table does; data_dir holds the files that it names.
    found = {"catalogue": (catalogue := locate(location))}
    if os.path.isfile(catalogue):  # noqa: PTH113 - Path.is_file() raises at a name that is too long
        for row in load_cutouts(catalogue):
            for role, path in row.files(catalogue).items():
                found[f"{row.id}.{role}"] = places.local(str(path), f"{owner}, {row.id}, {role}")
    return found
