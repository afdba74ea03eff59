"""Build the plan: a configuration, its surveys and its tile table become recipes that refer to each other.

This runs each time the workflow is parsed, so it must stay quick: nothing here reads an image or imports numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from skymill.config.blend import Composition
from skymill.config.cutouts import load_cutouts
from skymill.config.ingest import TileRow, is_url, load_tiles, local_location
from skymill.config.run import RunConfig
from skymill.config.scene import SceneConfig
from skymill.config.simulate import CutoutPopulation, PopulationConfig
from skymill.config.train import ModelConfig
from skymill.data.survey import Survey, load_survey
from skymill.errors import ConfigError
from skymill.plan.artifact import BLEND_DATASETS, TABLE, Artifact, cut_into_shards, identity
from skymill.plan.finders import add_finders
from skymill.plan.injections import add_injections, by_dataset
from skymill.plan.plan import Plan
from skymill.plan.shipped import add_shipped, gives_images, identities, shipped_files
from skymill.provenance.recipe import Recipe

PLACES = {"image", "rms", "mask", "reference", "reference_format", "reference_sha256"}
"""Columns of the tile table that say where a file is or belong to another stage."""


def build_plan(config: RunConfig, base: str | Path = ".", missing: Mapping[str, str] | None = None) -> Plan:
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

    Raises
    ------
    ConfigError
        If a survey, the tile table or a tile's name is wrong.
    """
    builder = _Builder(config, Path(base), dict(missing or {}))
    builder.build()
    return Plan(config, builder.survey, builder.artifacts.values(), builder.notes)


class _Builder:
    """Adds artifacts stage by stage, parents first."""

    def __init__(self, config: RunConfig, base: Path, missing: dict[str, str]) -> None:
        self.config, self.base, self.missing = config, base, missing
        self.notes: list[dict[str, str]] = []
        self.artifacts: dict[tuple[str, str], Artifact] = {}
        self.survey = self._survey(config.survey)

    def _locate(self, path: str) -> str:
        """Return `path` as it is if it exists, else below the workflow's folder if it exists there."""
        below = self.base / path
        return str(below) if not Path(path).exists() and below.exists() else path

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
        self._simulate()
        self._blend(tiles)
        self._train(tiles)
        self._find(tiles)
        self._evaluate()
        self._bound(tiles)
        for tile_id, tile in tiles.items():
            self._detect(tile_id, tile)
            galaxies = self._artifact("simulate", self.config.blend.population)
            made_for = self.survey.physics()
            injected = add_injections(self.config.inject, made_for, tile_id, tile, galaxies, self._add)
            for dataset, with_galaxies in injected.items():
                self._detect(dataset, with_galaxies)
        self._compare(tiles)

    def _simulate(self) -> None:
        for name, population in self.config.populations.items():
            params = {
                "survey": self.survey.physics(),
                "population": population.recipe_params(),
                "split": self.config.split.recipe_params(),
            }
            inputs, outside = self._galaxy_files(population)
            shards = cut_into_shards(population.n_galaxies, population.shard_size)
            self._add("simulate", name, params, outside=outside, inputs=inputs, shards=shards)

    def _galaxy_files(self, population: PopulationConfig) -> tuple[dict[str, str], dict[str, str]]:
        """Return the catalogue that a population of real galaxies is made from, and the identities of its files."""
        if (location := getattr(population, "catalogue", None)) is None:
            return {}, {}
        # A table of cutouts lies where it is said, as a tile table does; data_dir holds the files that it names.
        is_table, data_dir = isinstance(population, CutoutPopulation), self.config.data_dir
        catalogue = self._locate(location if is_table else local_location(location, data_dir))
        outside = {"catalogue": identity(catalogue)}
        if is_table and Path(catalogue).is_file():
            for row in load_cutouts(catalogue):
                files = row.files(catalogue, data_dir)
                outside |= {f"{row.id}.{role}": identity(path) for role, path in files.items()}
        return {"catalogue": catalogue}, outside

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
        """Return the models that measure: all but those that are only members of an ensemble."""
        return [model for model in self._of_stage("train") if model.recipe.name not in self.config.members()]

    def _gives_images(self, model: Artifact) -> bool:
        """Whether a model has learned to take galaxies out of their blends."""
        name = model.recipe.name
        if name in self.config.shipped():
            return gives_images(model.inputs["card"])
        name = self.config.ensembles[name].first if name in self.config.ensembles else name
        model = self.config.models[name]
        return model.network.gives_masks and model.task.learns_images

    def _blend_datasets(self) -> dict[str, Artifact]:
        """Return the sets of blends of this run that detectors are compared on."""
        sets = {artifact.recipe.name: artifact for artifact in self._of_stage("blend")}
        return {dataset: sets[name] for dataset, name in BLEND_DATASETS.items() if name in sets}

    def _evaluate(self) -> None:
        survey = {"survey": self.survey.physics()}
        for dataset, blends in self._blend_datasets().items():
            inputs = {"stamps": blends.file("stamps"), "truth": blends.file("truth")}
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
        """Plan fetch, ingest and reference of every tile, the simulated ones first; returns the ingested tiles."""
        if taken := sorted(set(self.config.fields) & set(BLEND_DATASETS)):
            raise ConfigError(
                "fields", expected="names that no set of blends has", found=f"'{', '.join(taken)}'"
            )
        tiles = {tile_id: self._field(tile_id) for tile_id in self.config.fields}
        for row in load_tiles(self._locate(self.config.tiles)) if self.config.tiles else []:
            if row.tile_id in (*tiles, *BLEND_DATASETS):
                raise ConfigError(
                    f"{self.config.tiles}, tile_id",
                    expected="a name that no simulated field or set of blends has",
                    found=f"'{row.tile_id}'",
                )
            before = len(self.artifacts)
            tile = self._outside_tile(row)
            if not self._left_out(row.tile_id, list(self.artifacts.values())[before:]):
                tiles[row.tile_id] = tile
        return tiles

    def _left_out(self, tile_id: str, made: list[Artifact]) -> bool:
        """Whether one of a tile's own jobs has failed and the configuration says to leave such tiles out."""
        failures = [artifact.failure() for artifact in made if artifact.failure().is_file()]
        if not (self.config.leave_out_failed and failures):
            return False
        for artifact in made:
            del self.artifacts[artifact.recipe.stage, artifact.recipe.name]
        reasons = " ".join(path.read_text(encoding="utf-8").strip() for path in failures)
        self.notes.append({"what": f"tile {tile_id}", "reason": reasons})
        return True

    def _field(self, tile_id: str) -> Artifact:
        field_config = self.config.fields[tile_id]
        params = {"survey": self.survey.physics(), "field": field_config.recipe_params(), "tile_id": tile_id}
        made = self._add("field", tile_id, params)
        row = TileRow(tile_id=tile_id, survey=self.survey.name, image=made.file("image"))
        ingested = self._ingest(row, self.survey, {"image": made.file("image")}, {"image": made}, {})
        self._reference(tile_id, "skymill", made.file("truth"), {"source": made}, {}, ingested)
        return ingested

    def _outside_tile(self, row: TileRow) -> Artifact:
        files, outside = {}, {}
        for role in ("image", "rms", "mask"):
            if getattr(row, role):
                checksum = row.sha256 if role == "image" else getattr(row, f"{role}_sha256")
                files[role], outside[role] = self._outside_file(getattr(row, role), checksum)
        ingested = self._ingest(row, self._survey(row.survey), files, {}, outside)
        if row.reference:
            path, known = self._outside_file(row.reference, row.reference_sha256)
            self._reference(row.tile_id, row.reference_format, path, {}, {"source": known}, ingested)
        return ingested

    def _outside_file(self, location: str, sha256: str | None) -> tuple[str, str]:
        """Return where a file is read from and its identity; files behind a URL are fetched by a job of their own."""
        local = local_location(location, self.config.data_dir)
        if not is_url(local):
            local = self._locate(local)
            return local, sha256 or identity(local)
        file = Path(local_location(location, ".")).name
        fetched = self._add("fetch", file, {"url": local, "sha256": sha256})
        return fetched.file("file"), sha256 or f"url:{local}"

    def _ingest(
        self, row: TileRow, survey: Survey, files: Mapping, parents: Mapping[str, Artifact], outside: Mapping
    ) -> Artifact:
        # Where the files lie does not change the tile: they count by content.
        facts = {key: value for key, value in row.model_dump(mode="json").items() if key not in PLACES}
        params = {"survey": survey.physics(), "tile": facts, "ingest": self.config.ingest.recipe_params()}
        return self._add("ingest", row.tile_id, params, parents, outside, inputs=dict(files))

    def _reference(
        self, tile_id: str, fmt: str, source: str, parents: Mapping, outside: Mapping, ingested: Artifact
    ) -> None:
        inputs = {"source": source, "tile": ingested.file("tile")}
        self._add(
            "reference", tile_id, {"format": fmt}, {**parents, "tile": ingested}, outside, inputs=inputs
        )

    def _detect(self, dataset: str, tile: Artifact) -> None:
        params = {"candidates": self.candidates.recipe_params()}
        for model in self._models():
            inputs = {"tile": tile.file("tile"), "weights": model.file("weights"), "card": model.file("card")}
            parents = {"tile": tile, "model": model}
            if found_by := getattr(self.candidates.detector, "model", None):
                finder = parents["finder"] = self._artifact("finder", found_by)
                inputs |= {"finder_weights": finder.file("weights"), "finder_card": finder.file("card")}
            self._add("infer", f"{dataset}.{model.recipe.name}", params, parents, inputs=inputs)
        for name, detector in self._detectors():
            params = {"detector": detector.recipe_params()}
            self._add(
                "baseline", f"{dataset}.{name}", params, {"tile": tile}, inputs={"tile": tile.file("tile")}
            )

    def _compare(self, tiles: Mapping[str, Artifact]) -> None:
        parents: dict[str, Artifact] = {}
        for stage, role in {"evaluate": "", "infer": "", "baseline": "", "deblend": ".images"}.items():
            parents |= {f"{artifact.recipe.name}{role}": artifact for artifact in self._of_stage(stage)}
        parents |= {f"{dataset}.truth": truth for dataset, truth in self._truths(tiles).items()}
        parents |= {
            f"{dataset}.bounds": self._artifact("bound", name)
            for dataset, name in BLEND_DATASETS.items()
            if ("bound", name) in self.artifacts
        }
        inputs = {name: artifact.file(TABLE[artifact.recipe.stage]) for name, artifact in parents.items()}
        params = {"survey": self.survey.physics(), "compare": self.config.compare.recipe_params()}
        self._add("compare", self.config.run, params, parents, inputs=inputs)

    def _truths(self, tiles: Mapping[str, Artifact]) -> dict[str, Artifact]:
        """Return the artifact with the true or the reference sources of each dataset that has one."""
        truths = self._blend_datasets()
        truths |= by_dataset(self._of_stage("inject"))
        return truths | {a.recipe.name: a for a in self._of_stage("reference") if a.recipe.name in tiles}

    def _artifact(self, stage: str, name: str) -> Artifact:
        return self.artifacts[stage, name]

    def _of_stage(self, stage: str) -> list[Artifact]:
        return [artifact for (kind, _), artifact in self.artifacts.items() if kind == stage]
