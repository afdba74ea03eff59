"""What every typed piece of configuration shares."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
"""Names become folder names, so they hold letters, digits, ``_`` and ``-`` only (never a path)."""


class ConfigModel(BaseModel):
    """A piece of configuration: immutable, with unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    execution_keys: ClassVar[frozenset[str]] = frozenset()
    """Keys that say how the work is done and never change what comes out (shard sizes, devices)."""

    def recipe_params(self) -> dict[str, Any]:
        """Return the keys that determine the output as plain JSON values, those of nested pieces included."""
        chosen = (name for name in type(self).model_fields if name not in self.execution_keys)
        return {name: _plain(getattr(self, name)) for name in chosen}


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
