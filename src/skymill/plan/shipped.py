"""Networks that are shipped with the project."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from skymill.config.run import RunConfig
from skymill.config.train import AnyNetwork, TaskConfig
from skymill.errors import ConfigError
from skymill.provenance.record import sha256

SHIPPED = {"weights": "weights.safetensors", "card": "model.yaml", "history": "history.csv"}
"""Files of a shipped network by role."""


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
            remedy="Name one of those, or train one: config models.",
        )
    return files


def find_shipped(
    config: RunConfig, models_dir: str | Path
) -> tuple[dict[str, dict[str, str]], list[dict[str, str]]]:
    """Return the files of the shipped networks that a run takes, and notes on those that it has to do without.

    With ``train: pretrained`` a network of `models` that is not shipped is left out; one that `pretrained` names has
    to be there, and one at least altogether.

    Parameters
    ----------
    config : RunConfig
        The run.
    models_dir : str or Path
        Folder of the shipped networks.

    Returns
    -------
    files : dict of str to dict
        By name in the run.
    notes : list of dict
        ``{"what": …, "reason": …}``.

    Raises
    ------
    ConfigError
        If a network is missing that has to be there.
    """
    found, notes = {}, []
    for name, folder in config.shipped().items():
        key = f"pretrained.{name}" if name in config.pretrained else f"models.{name} with train: pretrained"
        try:
            found[name] = shipped_files(models_dir, config.survey, folder, key)
        except ConfigError as error:
            if name in config.pretrained:
                raise
            notes.append({"what": f"model {name}", "reason": str(error)})
    if notes and not found:
        raise ConfigError(
            "train", expected="models, or shipped networks for pretrained", found=notes[0]["reason"]
        )
    return found, notes


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
    try:
        values = yaml.safe_load(Path(card).read_text(encoding="utf-8"))
        network = TypeAdapter(AnyNetwork).validate_python(values["network"])
        task = TypeAdapter(TaskConfig).validate_python(values["task"])
        return network.gives_masks and task.learns_images
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValidationError) as error:
        raise ConfigError(
            card, expected="a model card with a network and a task", found=str(error)
        ) from error
