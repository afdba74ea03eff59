"""Build the plan: a configuration, its surveys and its tile table become recipes that refer to each other.

This runs each time the workflow is parsed, so it must stay quick: nothing here reads an image or imports numpy.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from skymill.config.blend import Composition
from skymill.config.ingest import TileRow, load_tiles
from skymill.config.run import RunConfig
from skymill.config.scene import SceneConfig
from skymill.config.train import ModelConfig
from skymill.data.survey import Survey, load_survey
from skymill.errors import ConfigError
from skymill.plan.artifact import (
    ARTIFACTS,
    BLEND_DATASETS,
    FILES,
    JUDGED,
    JUDGES,
    TABLE,
    Artifact,
    cut_into_shards,
)
from skymill.plan.chunks import Chunks, tiles_per_job
from skymill.plan.failures import Failures
from skymill.plan.finders import add_finders
from skymill.plan.generators import add_generators, add_judgements
from skymill.plan.injections import dataset_of
from skymill.plan.outside import OutsideFiles
from skymill.plan.pictures import add_pictures, measures
from skymill.plan.places import Places
from skymill.plan.plan import Plan
from skymill.plan.populations import add_populations
from skymill.plan.restorers import add_restorers
from skymill.plan.shipped import add_shipped, gives_images, identities, shipped_files
from skymill.plan.tiles import Measuring, TileArtifacts
from skymill.provenance.recipe import Recipe


def build_plan(
    config: RunConfig,
    base: str | Path = ".",
    missing: Mapping[str, str] | None = None,
    began_s: float | None = None,
    outside: OutsideFiles | None = None,
) -> Plan:
    """Work out all artifacts of a run.

    Parameters
    ----------
    config : RunConfig
        The run.
    base : str or Path
        Folder of the workflow; relative paths of the configuration that do not exist in the working directory are
        looked up here.
    missing : mapping of str to str, optional
        Kinds of detectors that cannot run here, with the reason; they are left out, and the plan's notes say so.
    began_s : float, optional
        When the run began (seconds since 1970): what failed later is not left out.
    outside : OutsideFiles, optional
        Files that skymill did not make, as the run saw them.

    Raises
    ------
    ConfigError
        If a survey, the tile table or a tile's name is wrong.
    """
    builder = _Builder(config, Path(base), dict(missing or {}), began_s, outside or OutsideFiles())
    builder.build()
    return Plan(config, builder.survey, builder.artifacts.values(), builder.notes, builder.chunks)


class _Builder:
    """Adds artifacts stage by stage, parents first."""

    def __init__(
        self,
        config: RunConfig,
        base: Path,
        missing: dict[str, str],
        began_s: float | None,
        outside: OutsideFiles,
    ) -> None:
        self.config, self.base, self.missing, self.outside = config, base, missing, outside
        self.notes: list[dict[str, str]] = []
        self.artifacts: dict[tuple[str, str], Artifact] = {}
        self.survey = self._survey(config.survey)
        self.places = Places(config.data_dir, self._locate)
        self.failures = Failures(config.leave_out_failed, began_s)
        self.tile = TileArtifacts(
            config, self.survey, cache(self._survey), self._locate, self.failures, outside, self.places
        )

    def _locate(self, path: str) -> str:
        """Return `path` as it is if it exists, else below the workflow's folder if it exists there."""
        below = os.path.join(self.base, path)  # noqa: PTH118 - asked for each of thousands of tiles
        return below if not os.path.exists(path) and os.path.exists(below) else path  # noqa: PTH110

    def _survey(self, name: str) -> Survey:
        return load_survey(name, self._locate(self.config.surveys_dir))

    def _add(
        self,
        stage: str,
        name: str,
        params: Mapping[str, Any],
        parents: Mapping[str, Artifact] | None = None,
        outside: Mapping[str, str] | None = None,
        **details: Any,
    ) -> Artifact:
        """Add an artifact; `parents` are artifacts by role, `outside` identities of files that skymill did not make."""
        versions = {role: artifact.recipe.version for role, artifact in (parents or {}).items()}
        recipe = Recipe(stage, name, {"seed": self.config.seed, **params}, {**versions, **(outside or {})})
        artifact = Artifact(recipe, **details)
        self.artifacts[stage, name] = artifact
        return artifact

    def build(self) -> None:
        self._note_missing()
        tiles = self._tiles()
        models_dir, physics = self._locate(self.config.models_dir), self.survey.physics()
        add_populations(self.config, physics, self._locate, self.outside, self.places, self._add)
        self.notes += add_generators(self.config, physics, self.artifacts, models_dir, self._add)
        self.notes += add_restorers(self.config, physics, self.artifacts, models_dir, self._add)
        self._blend(tiles)
        add_judgements(self.config, self.survey.physics(), self.artifacts, self._add)
        self._train(tiles)
        self._find(tiles)
        self._evaluate()
        self._bound(tiles)
        self._measure(tiles)
        self._compare()

    def _blend(self, tiles: Mapping[str, Artifact]) -> None:
        blend = self.config.blend
        self._blend_set("blend", blend, "test", "test", blend.n_test, tiles)
        if self.config.real_blends is not None:
            # No network is trained on these galaxies: there is nothing to split.
            real = self.config.real_blends
            self._blend_set("real_blends", real, "real", "all", real.n, tiles)

    def _blend_set(
        self, key: str, blend: Composition, name: str, side: str, count: int, tiles: Mapping[str, Artifact]
    ) -> None:
        """Add one set of blends; `key` is where its composition stands in the configuration."""
        parents, inputs = self._ingredients(key, blend, tiles)
        params = {"survey": self.survey.physics(), "blend": blend.composition(), "side": side, "n": count}
        shards = cut_into_shards(count, blend.shard_size)
        self._add("blend", name, params, parents, inputs=inputs, shards=shards)

    def _ingredients(
        self, key: str, blend: Composition | SceneConfig, tiles: Mapping[str, Artifact]
    ) -> tuple[dict[str, Artifact], dict[str, str]]:
        """Return what blends or patches are made of, and its files: galaxies and, for real noise, a tile."""
        galaxies = self._artifact("simulate", blend.population)
        parents = {"galaxies": galaxies}
        inputs = {"stamps": galaxies.file("stamps"), "truth": galaxies.file("truth")}
        if noise_tile := getattr(blend.noise, "tile", None):
            if noise_tile not in tiles:
                raise ConfigError(
                    f"{key}.noise.tile",
                    expected=f"one of the tiles {', '.join(tiles) or '(none)'}",
                    found=noise_tile,
                )
            parents["noise_tile"] = tiles[noise_tile]
            inputs["noise_tile"] = tiles[noise_tile].file("tile")
        return parents, inputs

    def _train(self, tiles: Mapping[str, Artifact]) -> None:
        blend = self.config.blend
        parents, inputs = self._ingredients("blend", blend, tiles)
        # The number of test blends and the size of shards say nothing about a training.
        composed = {**blend.composition(), "n_train": blend.n_train, "n_validation": blend.n_validation}
        population = parents["galaxies"].recipe.params["population"]
        shared = {"survey": self.survey.physics(), "population": population, "blend": composed}
        for name, model in self.config.trained().items():
            params = {**shared, "model": model.recipe_params()}
            start = self._start(name, model)
            outside = {f"start_{role}": value for role, value in identities(start).items()} if start else {}
            files = {**inputs, "start": start["card"]} if start else inputs
            self._add("train", name, params, parents, outside, inputs=files)
        for name, ensemble in self.config.ensembles.items():
            members = [self._artifact("train", member) for member in ensemble.names()]
            among = {f"member{number}": member for number, member in enumerate(members)}
            params = {**shared, "model": self.config.models[ensemble.first].recipe_params()}
            files = {**inputs, "models": [member.file("card") for member in members]}
            files["weights"] = [member.file("weights") for member in members]
            self._add("train", name, params, {**parents, **among}, inputs=files)
        models_dir = self._locate(self.config.models_dir)
        self.notes += add_shipped("train", self.config, self.survey.physics(), models_dir, self._add)

    def _start(self, name: str, model: ModelConfig) -> dict[str, str]:
        """Return the files of the shipped network that a training starts from; none without one."""
        if model.start is None:
            return {}
        survey, folder = model.start.model.split("/")
        return shipped_files(self._locate(self.config.models_dir), survey, folder, f"models.{name}.start")

    def _find(self, tiles: Mapping[str, Artifact]) -> None:
        """Plan the networks that find sources, and what finds the candidates."""
        scene, models_dir = self.config.scene, self._locate(self.config.models_dir)
        made_of = None if scene is None else self._ingredients("scene", scene, tiles)
        self.notes += add_finders(self.config, self.survey.physics(), made_of, models_dir, self._add)
        finders = [finder.recipe.name for finder in self._of_stage("finder")]
        self.candidates = self.config.candidates.settled(finders)

    def _models(self) -> list[Artifact]:
        """Return the models that measure: all but those that are only members of an ensemble or draw pictures."""
        own = [model for model in self._of_stage("train") if model.recipe.name not in self.config.members()]
        return [model for model in own if measures(model, self.config)]

    def _gives_images(self, model: Artifact) -> bool:
        """Whether a model has learned to take galaxies out of their blends."""
        name = model.recipe.name
        if name in self.config.shipped():
            return gives_images(model.inputs["card"])
        name = self.config.ensembles[name].first if name in self.config.ensembles else name
        model = self.config.models[name]
        return model.network.gives_images and model.task.learns_images

    def _blend_datasets(self) -> dict[str, Artifact]:
        """Return the sets of blends of this run that detectors are compared on."""
        sets = {artifact.recipe.name: artifact for artifact in self._of_stage("blend")}
        return {dataset: sets[name] for dataset, name in BLEND_DATASETS.items() if name in sets}

    def _evaluate(self) -> None:
        survey = {"survey": self.survey.physics()}
        for dataset, blends in self._blend_datasets().items():
            inputs = {"stamps": blends.file("stamps"), "truth": blends.file("truth")}
            add_pictures(self._of_stage("train"), self.config, dataset, blends, self._add)
            for model in self._models():
                name = f"{dataset}.{model.recipe.name}"
                with_model = {**inputs, "weights": model.file("weights"), "card": model.file("card")}
                made_of = {"model": model, "blends": blends}
                self._add("evaluate", name, survey, made_of, inputs=with_model)
                if self._gives_images(model):
                    self._add("deblend", name, survey, made_of, inputs=with_model)
            for name, detector in self._detectors():
                params = {**survey, "detector": detector.recipe_params()}
                self._add("baseline", f"{dataset}.{name}", params, {"blends": blends}, inputs=inputs)

    def _bound(self, tiles: Mapping[str, Artifact]) -> None:
        """Plan the bound where there is a model of the galaxies and noise that limits them."""
        blend, bound = self.config.blend, self.config.bound
        is_modelled = self.config.populations[blend.population].kind == "parametric"
        if bound is None or not is_modelled or blend.noise.kind == "none":
            return
        galaxies, blends = self._artifact("simulate", blend.population), self._artifact("blend", "test")
        parents = {"galaxies": galaxies, "blends": blends}
        inputs = {"galaxies": galaxies.file("truth"), "blends": blends.file("truth")}
        if noise_tile := getattr(blend.noise, "tile", None):
            parents["noise_tile"] = tiles[noise_tile]
            inputs["noise_tile"] = tiles[noise_tile].file("tile")
        count = min(bound.n_blends, blend.n_test)
        params = {
            "survey": self.survey.physics(),
            "noise": blend.noise.recipe_params(),
            "canvas_px": blend.canvas_px,
            "n": count,
        }
        shards = cut_into_shards(count, bound.shard_size)
        self._add("bound", "test", params, parents, inputs=inputs, shards=shards)

    def _detectors(self) -> Iterator[tuple[str, Any]]:
        """Give the detectors that can run here."""
        for name, detector in self.config.detectors.items():
            if detector.kind not in self.missing:
                yield name, detector

    def _note_missing(self) -> None:
        for name, detector in self.config.detectors.items():
            if detector.kind in self.missing:
                self.notes.append({"what": f"detector {name}", "reason": self.missing[detector.kind]})

    def _tiles(self) -> dict[str, Artifact]:
        """Plan what each tile is before anything is measured; returns the ingested ones with jobs of their own."""
        if taken := sorted(set(self.config.fields) & set(BLEND_DATASETS)):
            raise ConfigError(
                "fields", expected="names that no set of blends has", found=f"'{', '.join(taken)}'"
            )
        tiles = {tile_id: self._added(self.tile.of_field(tile_id)) for tile_id in self.config.fields}
        rows = self._rows()
        self.tile_ids = [*self.config.fields, *(row.tile_id for row in rows)]
        for number, row in enumerate(rows):
            made = self.tile.of_row(row)
            if not self._left_out(row.tile_id, made):
                if self.chunks.takes(row.tile_id):
                    self.chunks.add(number, row, made)
                else:
                    tiles[row.tile_id] = self._added(made)
        return tiles

    def _rows(self) -> list[TileRow]:
        """Return the tile table, having said how it is divided into chunks."""
        rows = load_tiles(self._locate(self.config.tiles)) if self.config.tiles else []
        taken = {*self.config.fields, *BLEND_DATASETS}
        for row in rows:
            if row.tile_id in taken:
                raise ConfigError(
                    f"{self.config.tiles}, tile_id",
                    expected="a name that no simulated field or set of blends has",
                    found=f"'{row.tile_id}'",
                )
        size = self.config.tiles_per_job or tiles_per_job(len(rows))
        self.chunks = Chunks(self.tile, size, alone=self.config.noise_tiles())
        self.tile.look_at(rows)
        return rows

    def _added(self, made: Sequence[Artifact]) -> Artifact:
        """Add a tile's artifacts, and return the ingested tile."""
        self.artifacts |= {(artifact.recipe.stage, artifact.recipe.name): artifact for artifact in made}
        return next(artifact for artifact in made if artifact.recipe.stage == "ingest")

    def _left_out(self, tile_id: str, made: Sequence[Artifact]) -> bool:
        """Whether one of a tile's own jobs has failed and the configuration says to leave such tiles out."""
        reasons = [reason for artifact in made if (reason := self.failures.reason(artifact))]
        if reasons:
            self.notes.append({"what": f"tile {tile_id}", "reason": " ".join(reasons)})
        return bool(reasons)

    def _measure(self, tiles: Mapping[str, Artifact]) -> None:
        """Plan injected galaxies and the catalogues of all tiles."""
        finder = getattr(self.candidates.detector, "model", None)
        measuring = Measuring(
            candidates=self.candidates,
            models=self._models(),
            finder=None if finder is None else self._artifact("finder", finder),
            generator=self.artifacts.get(("generator", self.config.anomaly or "")),
            detectors=dict(self._detectors()),
            galaxies=self._artifact("simulate", self.config.blend.population),
        )
        self.tile.measure_with(measuring)
        for tile in tiles.values():
            for artifact in self.tile.measured(tile):
                self.artifacts[artifact.recipe.stage, artifact.recipe.name] = artifact
        self.chunks.measure()
        self.notes += self.failures.notes

    def _compare(self) -> None:
        """Plan the comparison: of thousands of tiles, versions and paths are looked at, not artifacts."""
        versions, files = {}, {}
        named = {"evaluate": "", "infer": "", "baseline": "", "deblend": ".images"}
        named |= {"inject": ".truth", "reference": ".truth"}
        for stage, ending in named.items():
            for name, version in self._versions(stage).items():
                role = f"{dataset_of(name) if stage == 'inject' else name}{ending}"
                versions[role] = version
                files[role] = f"{ARTIFACTS}/{stage}/{name}/{version}/{FILES[stage][TABLE[stage]]}"
        for dataset, blends in self._blend_datasets().items():
            found = {"truth": blends, "bounds": self.artifacts.get(("bound", BLEND_DATASETS[dataset]))}
            known = {f"{dataset}.{role}": made for role, made in found.items() if made is not None}
            versions |= {name: made.recipe.version for name, made in known.items()}
            files |= {name: made.file(TABLE[made.recipe.stage]) for name, made in known.items()}
        judged = {f"{made.recipe.name}.{JUDGED}": made for stage in JUDGES for made in self._of_stage(stage)}
        versions |= {role: made.recipe.version for role, made in judged.items()}
        files |= {role: made.file("metrics") for role, made in judged.items()}
        params = {"survey": self.survey.physics(), "compare": self.config.compare.recipe_params()}
        self._add("compare", self.config.run, params, outside=versions, inputs=files)

    def _versions(self, stage: str) -> dict[str, str]:
        """Return the versions of a stage's artifacts by name, tile by tile whether in chunks or not."""
        own = {artifact.recipe.name: artifact.recipe.version for artifact in self._of_stage(stage)}
        chunked = self.chunks.versions(stage)
        if not chunked:
            return own
        order = {tile_id: place for place, tile_id in enumerate([*BLEND_DATASETS, *self.tile_ids])}
        names = sorted([*own, *chunked], key=lambda name: order[name.partition(".")[0]])
        return {name: own.get(name) or chunked[name] for name in names}

    def _artifact(self, stage: str, name: str) -> Artifact:
        return self.artifacts[stage, name]

    def _of_stage(self, stage: str) -> list[Artifact]:
        return [artifact for (kind, _), artifact in self.artifacts.items() if kind == stage]
