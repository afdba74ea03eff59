"""Schemas: which columns a catalogue has, with dtype, unit, UCD, description and range."""

from __future__ import annotations

from functools import cache
from importlib import resources

import yaml
from pydantic import Field

from skymill.config.base import ConfigModel
from skymill.errors import ConfigError

DTYPES = ("int32", "int64", "float32", "float64", "bool", "str")


class Column(ConfigModel):
    """One column."""

    dtype: str = Field(
        pattern="^(" + "|".join(DTYPES) + ")$", description="Type of the values; str is text of any length."
    )
    unit: str = Field("", description="Unit in the VOUnit standard; empty for numbers without one.")
    ucd: str = Field("", description="IVOA Unified Content Descriptor 1+.")
    description: str = Field(min_length=3, description="What the column holds.")
    low: float | None = Field(None, description="Smallest allowed value; NaN is always allowed for floats.")
    high: float | None = Field(None, description="Largest allowed value.")
    allowed: tuple[str, ...] = Field((), description="The allowed values of a text column; empty: any.")
    optional: bool = Field(
        False, description="Whether a maker may leave the column out; it is then NaN, 0 or empty."
    )


class Schema(ConfigModel):
    """The columns of one kind of catalogue."""

    name: str = Field(description="Name of the schema.")
    version: int = Field(ge=1, description="Raised when a column is added, removed or changes its meaning.")
    description: str = Field(description="What one row is.")
    columns: dict[str, Column] = Field(min_length=1, description="Columns in their order.")


def schema_names() -> list[str]:
    """Return the names of all schemas."""
    folder = resources.files("skymill.catalog") / "schemas"
    return sorted(
        entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")
    )


@cache
def load_schema(name: str) -> Schema:
    """Read a schema by name.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if name not in schema_names():
        raise ConfigError(
            "catalogue schema", expected=f"one of: {', '.join(schema_names())}", found=f"'{name}'"
        )
    text = (resources.files("skymill.catalog") / "schemas" / f"{name}.yaml").read_text(encoding="utf-8")
    return Schema.model_validate(yaml.safe_load(text))
