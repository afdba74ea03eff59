"""The catalogues of the whole survey: planned when somebody asks for them, and no part of the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from skymill.config.run import RunConfig
from skymill.errors import ConfigError
from skymill.plan.artifact import ARTIFACTS, BLEND_DATASETS, FILES, Artifact
from skymill.provenance.recipe import Recipe

MEASURING = ("infer", "baseline")
"""Stages whose catalogues of tiles are put together."""

Versions = Callable[[str], Mapping[str, str]]
"""Gives the versions of a stage's artifacts by name."""


class Surveys:
    """The survey catalogue of each network and detector that has measured tiles of the tile table.

    Parameters
    ----------
    config : RunConfig
        The run.
    versions : callable
        Gives the versions of a stage's artifacts by name, those of tiles in chunks among them.
    """

    def __init__(self, config: RunConfig, versions: Versions) -> None:
        self._tiles = versions("ingest")
        beside = {*config.fields, *BLEND_DATASETS}
        self._measured: dict[str, tuple[str, dict[str, str]]] = {}
        for stage in MEASURING:
            for name, version in versions(stage).items():
                tile_id, _, detector = name.partition(".")
                # Names of catalogues of injected galaxies have one piece more.
                if tile_id not in beside and "." not in detector:
                    self._measured.setdefault(detector, (stage, {}))[1][tile_id] = version
        if not self._measured:
            raise ConfigError(
                "tiles",
                expected="a tile table: a survey catalogue is made of its tiles",
                found=f"{config.tiles or 'none'}, without a tile that can be measured",
            )
        params = {"survey_catalogue": config.survey_catalogue.recipe_params()}
        self.artifacts = {
            detector: Artifact(Recipe("survey", detector, params, parents))
            for detector, (_, parents) in self._measured.items()
        }

    def stage(self, detector: str) -> str:
        """Return the stage that has made a detector's catalogues."""
        return self._measured[detector][0]

    def tiles(self, detector: str) -> list[dict[str, str]]:
        """Return what a detector's survey catalogue is made of: each tile's name, image and catalogue."""
        stage, versions = self._measured[detector]
        return [
            {
                "tile_id": tile_id,
                "tile": _path("ingest", tile_id, self._tiles[tile_id]),
                "catalogue": _path(stage, f"{tile_id}.{detector}", version),
            }
            for tile_id, version in versions.items()
        ]


def _path(stage: str, name: str, version: str) -> str:
    return f"{ARTIFACTS}/{stage}/{name}/{version}/{next(iter(FILES[stage].values()))}"
