"""What is planned for networks that draw galaxies: the networks, and the populations that they draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from skymill.config.generator import halves_of
from skymill.config.run import RunConfig
from skymill.errors import ConfigError
from skymill.plan.artifact import Artifact, cut_into_shards
from skymill.plan.shipped import add_shipped


def add_generators(
    config: RunConfig,
    survey: Mapping[str, Any],
    artifacts: Mapping[tuple[str, str], Artifact],
    models_dir: str | Path,
    add: Callable[..., Artifact],
) -> list[dict[str, str]]:
    """Add the generators and the populations that they draw.

    Parameters
    ----------
    config : RunConfig
        The run.
    survey : mapping
        Physics of the survey that is simulated.
    artifacts : mapping
        What is planned already, by stage and name, and what `add` adds: the populations that generators learn from are
        among it.
    models_dir : str or Path
        Folder of the shipped networks.
    add : callable
        Adds an artifact: stage, name, params, parents, and its inputs and shards by keyword.

    Returns
    -------
    list of dict
        Notes on generators that are left out, as :func:`skymill.plan.shipped.add_shipped` gives them.

    Raises
    ------
    ConfigError
        If a shipped network is missing that has to be there, or a population's network is left out.
    """
    for name, generator in config.trained_generators().items():
        galaxies = artifacts["simulate", generator.population]
        inputs = {role: galaxies.file(role) for role in ("stamps", "truth")}
        params = {"survey": survey, "generator": generator.recipe_params()}
        add("generator", name, params, {"galaxies": galaxies}, inputs=inputs)
        for number, half in enumerate(halves_of(name) if generator.halves else (), start=1):
            add("generator", half, {**params, "half": number}, {"galaxies": galaxies}, inputs=inputs)
    notes = add_shipped("generator", config, survey, models_dir, add)
    for name, population in config.generated().items():
        if ("generator", population.model) not in artifacts:
            raise ConfigError(
                f"populations.{name}.model",
                expected="a network that is trained or shipped",
                found=f"'{population.model}', which with train: pretrained is neither",
                remedy="Train it (train: models), or ship one under that name (skymill ship).",
            )
        generator = artifacts["generator", population.model]
        params = {
            "survey": survey,
            "population": population.recipe_params(),
            "split": config.split.recipe_params(),
        }
        inputs = {role: generator.file(role) for role in ("weights", "card")}
        shards = cut_into_shards(population.n_galaxies, population.shard_size)
        add("simulate", name, params, {"generator": generator}, inputs=inputs, shards=shards)
    return notes


def add_judgements(
    config: RunConfig,
    survey: Mapping[str, Any],
    artifacts: Mapping[tuple[str, str], Artifact],
    add: Callable[..., Artifact],
) -> None:
    """Add what compares the galaxies of each generator with those that it learned from; parameters as above.

    Those of shipped generators are on their cards. The test blends must be planned already.
    """
    blends = artifacts["blend", "test"]
    for name, generator in config.trained_generators().items():
        learned = {
            "generator": artifacts["generator", name],
            "galaxies": artifacts["simulate", generator.population],
            "blends": blends,
        }
        inputs = {role: learned["generator"].file(role) for role in ("weights", "card")}
        inputs |= {role: learned["galaxies"].file(role) for role in ("stamps", "truth")}
        inputs |= {f"blend_{role}": blends.file(role) for role in ("stamps", "truth")}
        if generator.halves:
            halves = {half: artifacts["generator", half] for half in halves_of(name)}
            learned |= halves
            for role in ("weights", "card"):
                inputs[f"half_{role}"] = [half.file(role) for half in halves.values()]
        add("judge", name, {"survey": survey}, learned, inputs=inputs)
