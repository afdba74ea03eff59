"""Networks that are shipped with the project."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import TypeAdapter, ValidationError

from skymill.config.base import explained
from skymill.config.network import AnyNetwork
from skymill.config.run import RunConfig
from skymill.config.safe_yaml import read_yaml
from skymill.config.train import TaskConfig
from skymill.errors import ConfigError, DataError
from skymill.plan.artifact import Artifact
from skymill.provenance.record import sha256

SHIPPED = {"weights": "weights.safetensors", "card": "model.yaml", "history": "history.csv"}
"""Files of a shipped network by role."""


class Kind(NamedTuple):
    """Where the configuration names networks: those that are trained, those that are shipped; and the word for one."""

    trained: str
    named: str
    word: str


KINDS = {
    "train": Kind("models", "pretrained", "model"),
    "finder": Kind("finders", "pretrained_finders", "finder"),
    "generator": Kind("generators", "pretrained_generators", "generator"),
    "restorer": Kind("restorers", "pretrained_restorers", "restorer"),
}
"""By stage."""


def shipped_files(models_dir: str | Path, survey: str, name: str, key: str) -> dict[str, str]:
    """Return the files of a shipped network by role.

    Parameters
    ----------
    models_dir : str or Path
        Folder of the shipped networks.
    survey, name : str
        Which one.
    key : str
        Where the configuration names it.

    Raises
    ------
    ConfigError
        If there is none; the message lists those that there are.
    """
    below = Path(models_dir) / survey
    files = {role: str(below / name / file) for role, file in SHIPPED.items()}
    if not Path(files["card"]).is_file():
        known = ", ".join(sorted(path.parent.name for path in below.glob(f"*/{SHIPPED['card']}")))
        raise ConfigError(
            key,
            expected=f"a network that is shipped for {survey}: {known or 'there is none'}",
            found=f"'{name}' (no {files['card']})",
            remedy="Name one of those, or train one (config: models, finders).",
        )
    return files


def add_shipped(
    stage: Literal["train", "finder", "generator", "restorer"],
    config: RunConfig,
    survey: Mapping[str, Any],
    models_dir: str | Path,
    add: Callable[..., Artifact],
) -> list[dict[str, str]]:
    """Add the shipped networks that a run takes; their files count by content.

    With ``train: pretrained`` a network that would be trained and is not shipped is left out; one that `pretrained`,
    `pretrained_finders`, `pretrained_generators` or `pretrained_restorers` names has to be there, and one at least of
    those that measure.

    Parameters
    ----------
    stage : {'train', 'finder', 'generator', 'restorer'}
        Networks that measure, those that find sources, those that draw galaxies, or those that restore images.
    config : RunConfig
        The run.
    survey : mapping
        Physics of the survey that is simulated.
    models_dir : str or Path
        Folder of the shipped networks.
    add : callable
        Adds an artifact: stage, name, params, and its outside parents and inputs by keyword.

    Returns
    -------
    list of dict
        Notes on what is left out: ``{"what": …, "reason": …}``.

    Raises
    ------
    ConfigError
        If a network is missing that has to be there.
    """
    kind, named = KINDS[stage], getattr(config, KINDS[stage].named)
    taken = {
        "train": config.shipped,
        "finder": config.shipped_finders,
        "generator": config.shipped_generators,
        "restorer": config.shipped_restorers,
    }
    wanted = taken[stage]()
    found, notes = {}, []
    for name, folder in wanted.items():
        key = f"{kind.named}.{name}" if name in named else f"{kind.trained}.{name} with train: pretrained"
        try:
            found[name] = shipped_files(models_dir, config.survey, folder, key)
        except ConfigError as error:
            if name in named:
                raise
            notes.append({"what": f"{kind.word} {name}", "reason": str(error)})
    if stage == "train" and notes and not found:
        raise ConfigError(
            "train", expected="models, or shipped networks for pretrained", found=notes[0]["reason"]
        )
    for name, files in found.items():
        add(
            stage,
            name,
            {"survey": survey, "shipped": wanted[name]},
            outside=identities(files),
            inputs=files,
        )
    return notes


def identities(files: dict[str, str]) -> dict[str, str]:
    """Return the checksums of what a network is: its card and its weights."""
    return {role: sha256(files[role]) for role in ("card", "weights")}


def gives_images(card: str | Path) -> bool:
    """Whether the network of a card has learned to give images.

    Raises
    ------
    ConfigError
        If the file is not a model card.
    """
    return _described(card, "network", AnyNetwork).gives_images and task_of(card).learns_images


def task_of(card: str | Path) -> TaskConfig:
    """Return what the network of a card has learned.

    Raises
    ------
    ConfigError
        If the file is not a model card.
    """
    return _described(card, "task", TaskConfig)


def _described(card: str | Path, part: str, kind: Any) -> Any:
    try:
        values = read_yaml(card, "a model card with a network and a task")
        return TypeAdapter(kind).validate_python(values[part])
    except DataError as error:
        raise ConfigError(card, expected=error.expected, found=error.found) from error
    except ValidationError as error:
        raise ConfigError(card, expected="a model card", found=explained(error)) from error
    except (KeyError, TypeError, IndexError) as error:
        raise ConfigError(
            card, expected="a model card with a network and a task", found=str(error)
        ) from error
