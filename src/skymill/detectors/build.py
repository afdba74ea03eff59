"""Make a detector from its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from skymill.catalog.catalogue import Catalogue
from skymill.config.detect import BaselineConfig, ThresholdConfig
from skymill.data.tile import Tile
from skymill.detectors import (  # noqa: F401  (imported for their registration)
    photutils_extractor,
    sep_extractor,
    source_extractor,
)
from skymill.detectors.detector import EXTRACTORS, Columns
from skymill.detectors.measurement import catalogue
from skymill.detectors.passes import find_blends, find_sources

if TYPE_CHECKING:
    from skymill.data.mosaic import Layout


class ThresholdDetector:
    """A baseline in one of its settings.

    Parameters
    ----------
    config : SourceExtractorConfig, SepConfig or PhotutilsConfig
        Which tool, and how.
    """

    def __init__(self, config: ThresholdConfig) -> None:
        self.config = config
        self.extractor = EXTRACTORS[config.kind](config)

    def tools(self) -> dict[str, str]:
        """Return the versions of the programs and libraries that do the work."""
        return self.extractor.tools()

    def find(self, tile: Tile) -> Columns:
        """Return the sources of a tile as columns in image units."""
        return find_sources(self.extractor, self.config, tile)

    def detect(self, tile: Tile, meta: Mapping[str, Any]) -> Catalogue:
        """Return a catalogue of the schema ``measurement`` with `meta` in its header."""
        return catalogue(self.find(tile), tile, meta)

    def detect_blends(self, tile: Tile, layout: Layout, meta: Mapping[str, Any]) -> Catalogue:
        """Return the catalogue of a mosaic of blends: one row a source, on the canvas of its blend."""
        columns = find_blends(self.extractor, self.config, tile, layout)
        return catalogue(columns, tile, meta, canvas_px=layout.stamp_px)


def build_detector(config: ThresholdConfig | Mapping[str, Any]) -> ThresholdDetector:
    """Make the detector that `config` names with its ``kind``.

    Parameters
    ----------
    config : SourceExtractorConfig, SepConfig, PhotutilsConfig or mapping
        The configuration, or its plain values as they stand in a recipe.

    Raises
    ------
    ExternalToolError
        If the program that it needs is not installed.
    """
    if isinstance(config, Mapping):
        config = TypeAdapter(BaselineConfig).validate_python(config)
    return ThresholdDetector(config)
