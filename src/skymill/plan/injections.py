"""What is planned for injected galaxies: each tile as often as there are draws, with other galaxies each time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from skymill.config.compare import InjectConfig
from skymill.plan.artifact import Artifact


def add_injections(
    config: InjectConfig | None,
    survey: Mapping[str, Any],
    tile_id: str,
    tile: Artifact,
    galaxies: Artifact,
    add: Callable[..., Artifact],
) -> dict[str, Artifact]:
    """Add a tile with injected galaxies for each draw.

    Parameters
    ----------
    config : InjectConfig or None
        How galaxies are injected; None: none are.
    survey : mapping
        Physics of the survey that is simulated.
    tile_id : str
        The tile.
    tile, galaxies : Artifact
        The ingested tile, and the population that galaxies are drawn from.
    add : callable
        Adds an artifact: stage, name, params, parents, and its inputs by keyword.

    Returns
    -------
    dict of str to Artifact
        By dataset: ``<tile>.injected``, ``<tile>.injected2`` and so on.
    """
    if config is None:
        return {}
    # How many other draws there are changes nothing for one of them.
    settings = {key: value for key, value in config.recipe_params().items() if key != "draws"}
    inputs = {"tile": tile.file("tile"), "stamps": galaxies.file("stamps"), "truth": galaxies.file("truth")}
    made = []
    for draw in range(config.draws):
        params = {"survey": survey, "inject": settings, "tile_id": tile_id, "draw": draw}
        name = f"{tile_id}.{draw + 1}" if draw else tile_id
        made.append(add("inject", name, params, {"tile": tile, "galaxies": galaxies}, inputs=inputs))
    return by_dataset(made)


def by_dataset(injections: Iterable[Artifact]) -> dict[str, Artifact]:
    """Return artifacts of the stage inject by the dataset that catalogues of them are named after."""
    return {
        f"{made.recipe.params['tile_id']}.injected{draw + 1 if (draw := draw_of(made)) else ''}": made
        for made in injections
    }


def draw_of(injection: Artifact) -> int:
    """Return which draw of galaxies an artifact of the stage inject holds, from 0."""
    return int(injection.recipe.params["draw"])
