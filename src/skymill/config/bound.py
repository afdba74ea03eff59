"""Configuration of the Cramér–Rao bound."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from skymill.config.base import ConfigModel


class BoundConfig(ConfigModel):
    """The least error that the noise allows, for each galaxy of the test blends with a parametric model."""

    execution_keys: ClassVar[frozenset[str]] = frozenset({"shard_size"})

    n_blends: int = Field(
        1000, gt=0, le=10**8, description="Test blends that the bound is computed for, from the first on."
    )
    shard_size: int = Field(
        500, gt=0, le=10**6, description="Blends that one job computes; does not change them."
    )
