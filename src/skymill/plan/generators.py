"""What is planned for networks that draw galaxies: the networks, and the populations that they draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from skymill.config.run import RunConfig
from skymill.plan.artifact import Artifact, cut_into_shards


def add_generators(
    config: RunConfig,
    survey: Mapping[str, Any],
    artifacts: Mapping[tuple[str, str], Artifact],
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
        What is planned already, by stage and name: the populations that generators learn from are among it.
    add : callable
        Adds an artifact: stage, name, params, parents, and its inputs and shards by keyword.

    Returns
    -------
    list of dict
        Notes on generators that are left out: ``{"what": …, "reason": …}``.
    """
    trained = config.trained_generators()
    for name, generator in trained.items():
        galaxies = artifacts["simulate", generator.population]
        inputs = {role: galaxies.file(role) for role in ("stamps", "truth")}
        params = {"survey": survey, "generator": generator.recipe_params()}
        add("generator", name, params, {"galaxies": galaxies}, inputs=inputs)
    for name, population in config.generated().items():
        generator = artifacts["generator", population.model]
        params = {
            "survey": survey,
            "population": population.recipe_params(),
            "split": config.split.recipe_params(),
        }
        inputs = {role: generator.file(role) for role in ("weights", "card")}
        shards = cut_into_shards(population.n_galaxies, population.shard_size)
        add("simulate", name, params, {"generator": generator}, inputs=inputs, shards=shards)
    reason = "train is pretrained, and no network that draws galaxies is shipped"
    return [
        {"what": f"generator {name}", "reason": reason} for name in config.generators if name not in trained
    ]


def add_judgements(
    config: RunConfig,
    survey: Mapping[str, Any],
    artifacts: Mapping[tuple[str, str], Artifact],
    add: Callable[..., Artifact],
) -> None:
    """Add what compares the galaxies of each generator with those that it learned from; parameters as above.

    The test blends must be planned already.
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
        add("judge", name, {"survey": survey}, learned, inputs=inputs)
