"""What every typed piece of configuration shares."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
"""Names become folder names, so they hold letters, digits, ``_`` and ``-`` only (never a path)."""

Width = Annotated[int, Field(ge=1, le=2048)]
"""Channels or units of a layer: no layer takes more than a few hundred megabytes, whatever a stranger's card says."""


class ConfigModel(BaseModel):
    """A piece of configuration: immutable, with unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    execution_keys: ClassVar[frozenset[str]] = frozenset()
    """Keys that say how the work is done and never change what comes out (shard sizes, devices)."""

    def recipe_params(self) -> dict[str, Any]:
        """Return the keys that determine the output as plain JSON values, those of nested pieces included."""
        chosen = (name for name in type(self).model_fields if name not in self.execution_keys)
        return {name: _plain(getattr(self, name)) for name in chosen}


def explained(error: ValidationError) -> str:
    """Say in one line which keys are wrong and why."""
    return "; ".join(
        f"{'.'.join(map(str, item['loc'])) or 'the whole'}: {item['msg']}"
        for item in error.errors(include_url=False, include_context=False, include_input=False)
    )


def fill_from_preset(values: Any, presets: Mapping[str, Mapping[str, Any]], default: str, piece: str) -> Any:
    """Put the values of the preset that `values` names below the given ones.

    Parameters
    ----------
    values : Any
        What a model is validated from; anything but a mapping with a known preset is given back as it is, for the
        validation to refuse.
    presets : mapping
        Values by preset.
    default : str
        Preset where none is named.
    piece : str
        Key of a piece with a ``kind``; it is mixed key by key if the given one is of the preset's kind.
    """
    # What is named may be anything, also a list.
    if not isinstance(values, Mapping) or values.get("preset", default) not in list(presets):
        return values
    preset = presets[values.get("preset", default)]
    below, given = preset[piece], values.get(piece)
    if isinstance(given, Mapping) and given.get("kind", below["kind"]) == below["kind"]:
        return {**preset, **values, piece: {**below, **given}}
    return {**preset, **values}


def _plain(value: Any) -> Any:
    """Turn a field's value into JSON values, leaving out execution keys at every depth."""
    if isinstance(value, ConfigModel):
        return value.recipe_params()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, PurePath) else value


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    low, high = pair
    if not low <= high:
        raise ValueError(f"expected [low, high] with low <= high, found [{low}, {high}]")
    return pair


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
"""Two numbers, ``[low, high]``, with ``low <= high``."""
