"""Configuration of the catalogue of a whole survey."""

from __future__ import annotations

from pydantic import Field

from skymill.config.base import ConfigModel


class SurveyCatalogueConfig(ConfigModel):
    """How the tiles' catalogues are put together (target `survey`)."""

    rows_per_file: int = Field(
        1_000_000, ge=1, description="Rows of each file of the catalogue but the last."
    )
