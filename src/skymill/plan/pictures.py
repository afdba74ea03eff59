"""What is planned for networks that draw pictures: no catalogue, but how like the true pictures theirs are."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from skymill.config.run import RunConfig
from skymill.plan.artifact import Artifact
from skymill.plan.shipped import task_of


def measures(model: Artifact, config: RunConfig) -> bool:
    """Whether a model of a run measures; those of ensembles do."""
    name = model.recipe.name
    if name in config.shipped():
        return task_of(model.inputs["card"]).measures
    return name not in config.models or config.models[name].task.measures


def add_pictures(
    models: Iterable[Artifact],
    config: RunConfig,
    dataset: str,
    blends: Artifact,
    add: Callable[..., Artifact],
) -> None:
    """Add what compares the pictures that models draw of a set of blends with the true ones.

    Parameters
    ----------
    models : iterable of Artifact
        All networks of the run; those that measure are passed over.
    config : RunConfig
        The run.
    dataset : str
        Name of the set of blends.
    blends : Artifact
        The set. Its galaxies are taken without noise; noise of the same kind is drawn anew for each of them.
    add : callable
        Adds an artifact: stage, name, params, parents, and its inputs by keyword.
    """
    made = blends.recipe.params
    params = {"survey": made["survey"], "noise": made["blend"]["noise"]}
    inputs = {role: blends.file(role) for role in ("stamps", "truth")}
    inputs |= {role: path for role, path in blends.inputs.items() if role == "noise_tile"}
    for model in models:
        if not measures(model, config):
            files = {**inputs, "weights": model.file("weights"), "card": model.file("card")}
            parents = {"model": model, "blends": blends}
            add("pictures", f"{dataset}.{model.recipe.name}", params, parents, inputs=files)
