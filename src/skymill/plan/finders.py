"""What is planned for networks that find sources: patches of sky, the networks that learn on them, the shipped ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from skymill.config.run import RunConfig
from skymill.config.simulate import SIDES
from skymill.plan.artifact import Artifact, cut_into_shards
from skymill.plan.shipped import add_shipped

LEARNED = ("train", "validation")
Ingredients = tuple[dict[str, Artifact], dict[str, str]]
"""Parents and files that patches are made of, by role."""


def add_finders(
    config: RunConfig,
    survey: Mapping[str, Any],
    ingredients: Ingredients | None,
    models_dir: str | Path,
    add: Callable[..., Artifact],
) -> list[dict[str, str]]:
    """Add the sets of patches of all sides, and the finders.

    A run that trains nothing makes no patches.

    Parameters
    ----------
    config : RunConfig
        The run.
    survey : mapping
        Physics of the survey that is simulated.
    ingredients : (dict, dict) or None
        What patches are made of, if the run has any.
    models_dir : str or Path
        Folder of the shipped networks.
    add : callable
        Adds an artifact: stage, name, params, parents, and its outside parents, inputs and shards by keyword.

    Returns
    -------
    list of dict
        Notes on finders that are left out, as :func:`skymill.plan.shipped.add_shipped` gives them.

    Raises
    ------
    ConfigError
        If a shipped network is missing that has to be there.
    """
    if ingredients is not None and config.train == "models":
        sides = _add_patches(config, survey, ingredients, add)
        learned = {side: sides[side] for side in LEARNED}
        inputs = {
            f"{side}_{role}": made.file(role)
            for side, made in learned.items()
            for role in ("stamps", "truth")
        }
        for name, finder in config.trained_finders().items():
            params = {"survey": survey, "finder": finder.recipe_params()}
            add("finder", name, params, learned, inputs=inputs)
    return add_shipped("finder", config, survey, models_dir, add)


def _add_patches(
    config: RunConfig, survey: Mapping[str, Any], ingredients: Ingredients, add: Callable[..., Artifact]
) -> dict[str, Artifact]:
    """Add the sets of patches; returns them by side."""
    (parents, files), scene, sides = ingredients, config.scene, {}
    for side in SIDES:
        count = getattr(scene, f"n_{side}")
        params = {"survey": survey, "scene": scene.composition(), "side": side, "n": count}
        shards = cut_into_shards(count, scene.shard_size)
        sides[side] = add("scene", side, params, parents, inputs=files, shards=shards)
    return sides
