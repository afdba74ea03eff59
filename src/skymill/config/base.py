"""What every typed piece of configuration shares."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
"""Names become folder names, so they hold letters, digits, ``_`` and ``-`` only (never a path)."""


class ConfigModel(BaseModel):
    """A piece of configuration: immutable, with unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    low, high = pair
    if not low <= high:
        raise ValueError(f"expected [low, high] with low <= high, found [{low}, {high}]")
    return pair


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
"""Two numbers, ``[low, high]``, with ``low <= high``."""
