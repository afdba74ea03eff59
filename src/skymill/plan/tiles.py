"""The artifacts of one tile: fetched files, the ingested tile, its reference, injected galaxies, catalogues.

A survey has thousands of tiles, and the workflow is planned in every job. So what tiles share is worked out once, and
a tile's artifacts are made when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from skymill.config.detect import CandidateConfig
from skymill.config.ingest import TileRow, is_url
from skymill.config.run import RunConfig
from skymill.data.survey import Survey
from skymill.plan.artifact import Artifact
from skymill.plan.failures import Failures
from skymill.plan.injections import dataset_of, injection_name
from skymill.plan.outside import OutsideFiles
from skymill.plan.places import Places, fetched_name
from skymill.provenance.recipe import Family

CHECKSUMS = {
    "image": "sha256",
    "rms": "rms_sha256",
    "mask": "mask_sha256",
    "reference": "reference_sha256",
}
"""Columns of the tile table that name a file, and those that declare its checksum."""
ELSEWHERE = {*CHECKSUMS, "reference_format", "reference_sha256"}
"""Columns that say where a file is or belong to another stage."""


@dataclass(frozen=True)
class Measuring:
    """What finds and measures sources on tiles.

    Parameters
    ----------
    candidates : CandidateConfig
        What finds the candidates.
    models : sequence of Artifact
        Networks that measure.
    finder : Artifact or None
        The network that finds the candidates, where one does.
    generator : Artifact or None
        The network that anomaly scores are from, where one is named.
    detectors : mapping of str to configuration
        The other detectors, by name.
    galaxies : Artifact
        What is injected.
    """

    candidates: CandidateConfig
    models: Sequence[Artifact]
    finder: Artifact | None
    generator: Artifact | None
    detectors: Mapping[str, Any]
    galaxies: Artifact


class TileArtifacts:
    """Makes the artifacts of tiles, one tile at a time.

    Parameters
    ----------
    config : RunConfig
        The run.
    survey : Survey
        The survey that is simulated.
    survey_of : callable
        Gives a survey by its name.
    locate : callable
        Gives the place of a path of the configuration.
    failures : Failures
        Failed jobs whose products are left out.
    outside : OutsideFiles
        Gives the identity of a file that skymill did not make.
    places : Places
        Says where the files of the tile table are read from.
    """

    def __init__(
        self,
        config: RunConfig,
        survey: Survey,
        survey_of: Callable[[str], Survey],
        locate: Callable[[str], str],
        failures: Failures,
        outside: OutsideFiles,
        places: Places,
    ) -> None:
        self.config, self.survey, self.failures = config, survey, failures
        self.outside, self.places = outside, places
        self._survey_of, self._locate = survey_of, locate
        self._ingesting = cache(self._ingest_family)
        self._fetching, self._referring = self._family("fetch"), self._family("reference")

    def of_field(self, tile_id: str) -> list[Artifact]:
        """Return what a simulated tile is, parents first."""
        params = {
            "survey": self.survey.physics(),
            "field": self.config.fields[tile_id].recipe_params(),
            "tile_id": tile_id,
        }
        made = Artifact(self._family("field", **params).recipe(tile_id, {}))
        row = TileRow(tile_id=tile_id, survey=self.survey.name, image=made.file("image"))
        version = made.recipe.version
        ingested = self._ingest(row, {"image": made.file("image")}, {"image": version})
        reference = self._reference(tile_id, "skymill", made.file("truth"), version, ingested)
        return [made, ingested, reference]

    def of_row(self, row: TileRow) -> list[Artifact]:
        """Return the artifacts of a row of the tile table before anything is measured, parents first."""
        fetched: list[Artifact] = []
        files, known = {}, {}
        for role, location in _named(row):
            files[role], known[role] = self._outside_file(row, role, location, fetched)
        path, source = files.pop("reference", None), known.pop("reference", None)
        found = [self._ingest(row, files, known)]
        if path is not None:
            found.append(self._reference(row.tile_id, row.reference_format, path, source, found[0]))
        return [*fetched, *found]

    def look_at(self, rows: Iterable[TileRow]) -> None:
        """Look at the files of many rows at once; those whose checksum is declared are not read."""
        self.outside.look_at(
            self._locate(local)
            for row in rows
            for role, location in _named(row)
            if not is_url(local := self.places.local(location, _owner(row, role)))
            and not getattr(row, CHECKSUMS[role])
        )

    def measure_with(self, measuring: Measuring) -> None:
        """Say what measures the tiles; from now on :meth:`measured` can be asked."""
        self._measuring = measuring
        physics = self.survey.physics()
        if self.config.inject is not None:
            # How many other draws there are changes nothing for one of them.
            settings = {k: v for k, v in self.config.inject.recipe_params().items() if k != "draws"}
            self._injecting = self._family("inject", survey=physics, inject=settings)
        self._inferring = self._family("infer", candidates=measuring.candidates.recipe_params())
        self._detecting = {
            name: self._family("baseline", detector=detector.recipe_params())
            for name, detector in measuring.detectors.items()
        }
        self._model_files = {model.recipe.name: self._files_of(model) for model in measuring.models}
        self._stamps = {role: measuring.galaxies.file(role) for role in ("stamps", "truth")}

    def measured(self, tile: Artifact) -> Iterator[Artifact]:
        """Give what is made of an ingested tile: galaxies injected into it, and the catalogues of both."""
        tile_id = tile.recipe.name
        injected = self._kept(*self._inject(tile))
        yield from injected
        yield from self._kept(*self._catalogues(tile_id, tile))
        for with_galaxies in injected:
            yield from self._kept(*self._catalogues(dataset_of(with_galaxies.recipe.name), with_galaxies))

    def _kept(self, *made: Artifact) -> list[Artifact]:
        return [artifact for artifact in made if not self.failures.leaves_out(artifact)]

    def _family(self, stage: str, **shared: Any) -> Family:
        return Family(stage, {"seed": self.config.seed, **shared})

    def _ingest_family(self, survey: str) -> Family:
        physics = self.survey.physics() if survey == self.survey.name else self._survey_of(survey).physics()
        return self._family("ingest", survey=physics, ingest=self.config.ingest.recipe_params())

    def _ingest(self, row: TileRow, files: Mapping[str, str], known: Mapping[str, str]) -> Artifact:
        # Where the files lie does not change the tile: they count by content.
        facts = {key: value for key, value in row.model_dump(mode="json").items() if key not in ELSEWHERE}
        recipe = self._ingesting(row.survey).recipe(row.tile_id, known, {"tile": facts})
        return Artifact(recipe, files)

    def _outside_file(
        self, row: TileRow, role: str, location: str, fetched: list[Artifact]
    ) -> tuple[str, str]:
        """Return where a file is read from and its identity; what is behind a URL is `fetched` by a job of its own."""
        local, sha256 = self.places.local(location, _owner(row, role)), getattr(row, CHECKSUMS[role])
        if not is_url(local):
            local = self._locate(local)
            return local, sha256 or self.outside(local)
        name = fetched_name(local, sha256)
        made = Artifact(self._fetching.recipe(name, {}, {"url": local, "sha256": sha256}))
        if name not in [other.recipe.name for other in fetched]:
            fetched.append(made)
        return made.file("file"), sha256 or f"url:{local}"

    def _reference(self, tile_id: str, fmt: str, source: str, known: str, tile: Artifact) -> Artifact:
        parents = {"source": known, "tile": tile.recipe.version}
        recipe = self._referring.recipe(tile_id, parents, {"format": fmt})
        return Artifact(recipe, {"source": source, "tile": tile.file("tile")})

    def _inject(self, tile: Artifact) -> Iterator[Artifact]:
        tile_id = tile.recipe.name
        parents = {"tile": tile.recipe.version, "galaxies": self._measuring.galaxies.recipe.version}
        for draw in range(0 if self.config.inject is None else self.config.inject.draws):
            params = {"tile_id": tile_id, "draw": draw}
            recipe = self._injecting.recipe(injection_name(tile_id, draw), parents, params)
            yield Artifact(recipe, {"tile": tile.file("tile"), **self._stamps})

    def _files_of(self, model: Artifact) -> tuple[dict[str, str], dict[str, str]]:
        """Return versions and files of a network, and of those that find its candidates and score them."""
        versions = {"model": model.recipe.version}
        files = {"weights": model.file("weights"), "card": model.file("card")}
        for role, beside in (("finder", self._measuring.finder), ("anomaly", self._measuring.generator)):
            if beside is not None:
                versions[role] = beside.recipe.version
                files |= {f"{role}_{file}": beside.file(file) for file in ("weights", "card")}
        return versions, files

    def _catalogues(self, dataset: str, tile: Artifact) -> Iterator[Artifact]:
        version, file = tile.recipe.version, tile.file("tile")
        for model, (versions, files) in self._model_files.items():
            recipe = self._inferring.recipe(f"{dataset}.{model}", {"tile": version, **versions})
            yield Artifact(recipe, {"tile": file, **files})
        for name, family in self._detecting.items():
            yield Artifact(family.recipe(f"{dataset}.{name}", {"tile": version}), {"tile": file})


def _named(row: TileRow) -> Iterator[tuple[str, str]]:
    """Give the columns of a row that name a file, with what they name."""
    return ((role, location) for role in CHECKSUMS if (location := getattr(row, role)))


def _owner(row: TileRow, role: str) -> str:
    return f"tile {row.tile_id}, {role}"
