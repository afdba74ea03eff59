"""What is planned for networks that find sources: patches of sky, and the networks that learn on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from skymill.config.finder import FinderConfig
from skymill.config.scene import SceneConfig
from skymill.config.simulate import SIDES
from skymill.plan.artifact import Artifact, cut_into_shards

LEARNED = ("train", "validation")


def add_finders(
    scene: SceneConfig,
    finders: Mapping[str, FinderConfig],
    survey: Mapping[str, Any],
    ingredients: tuple[dict[str, Artifact], dict[str, str]],
    add: Callable[..., Artifact],
) -> None:
    """Add the sets of patches of all sides, and the finders.

    Parameters
    ----------
    scene : SceneConfig
        How the patches are composed.
    finders : mapping of str to FinderConfig
        Networks by name.
    survey : mapping
        Physics of the survey that is simulated.
    ingredients : (dict, dict)
        Parents and files that the patches are made of, by role.
    add : callable
        Adds an artifact: stage, name, params, parents, and its inputs and shards by keyword.
    """
    parents, files = ingredients
    sides = {}
    for side in SIDES:
        count = getattr(scene, f"n_{side}")
        params = {"survey": survey, "scene": scene.composition(), "side": side, "n": count}
        shards = cut_into_shards(count, scene.shard_size)
        sides[side] = add("scene", side, params, parents, inputs=files, shards=shards)
    learned = {side: sides[side] for side in LEARNED}
    inputs = {
        f"{side}_{role}": made.file(role) for side, made in learned.items() for role in ("stamps", "truth")
    }
    for name, finder in finders.items():
        params = {"survey": survey, "finder": finder.recipe_params()}
        add("finder", name, params, learned, inputs=inputs)
