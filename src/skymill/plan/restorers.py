"""What is planned for networks that restore degraded images: the networks, and what compares them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from skymill.config.run import RunConfig
from skymill.plan.artifact import Artifact
from skymill.plan.shipped import add_shipped


def add_restorers(
    config: RunConfig,
    survey: Mapping[str, Any],
    artifacts: Mapping[tuple[str, str], Artifact],
    models_dir: str | Path,
    add: Callable[..., Artifact],
) -> list[dict[str, str]]:
    """Add the restorers, and the comparison of each with deconvolutions; shipped ones are compared as well.

    Parameters
    ----------
    config : RunConfig
        The run.
    survey : mapping
        Physics of the survey that is simulated.
    artifacts : mapping
        What is planned already, by stage and name, and what `add` adds: the populations are among it.
    models_dir : str or Path
        Folder of the shipped networks.
    add : callable
        Adds an artifact: stage, name, params, parents, and its inputs by keyword.

    Returns
    -------
    list of dict
        Notes on restorers that are left out, as :func:`skymill.plan.shipped.add_shipped` gives them.

    Raises
    ------
    ConfigError
        If a shipped network is missing that has to be there.
    """
    for name, restorer in config.trained_restorers().items():
        galaxies = artifacts["simulate", restorer.population]
        params = {"survey": survey, "restorer": restorer.recipe_params()}
        add("restorer", name, params, {"galaxies": galaxies}, inputs=_of(galaxies))
    notes = add_shipped("restorer", config, survey, models_dir, add)
    if config.restoration is None:
        return notes
    galaxies = artifacts["simulate", config.restoration.population]
    params = {"survey": survey, "restoration": config.restoration.recipe_params()}
    for restorer in [made for (stage, _), made in artifacts.items() if stage == "restorer"]:
        parents = {"restorer": restorer, "galaxies": galaxies}
        inputs = {role: restorer.file(role) for role in ("weights", "card")} | _of(galaxies)
        add("restore", restorer.recipe.name, params, parents, inputs=inputs)
    return notes


def _of(galaxies: Artifact) -> dict[str, str]:
    return {role: galaxies.file(role) for role in ("stamps", "truth")}
