"""Networks that are shipped with the project."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from skymill.config.train import AnyNetwork
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


def identities(files: dict[str, str]) -> dict[str, str]:
    """Return the checksums of what a network is: its card and its weights."""
    return {role: sha256(files[role]) for role in ("card", "weights")}


def gives_images(card: str | Path) -> bool:
    """Whether the network of a card gives masks and images.

    Raises
    ------
    ConfigError
        If the file is not a model card.
    """
    try:
        network = yaml.safe_load(Path(card).read_text(encoding="utf-8"))["network"]
        return TypeAdapter(AnyNetwork).validate_python(network).gives_masks
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValidationError) as error:
        raise ConfigError(card, expected="a model card with a network", found=str(error)) from error
