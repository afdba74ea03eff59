"""The configuration of one run: everything that a user can set, in one typed tree."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import yaml
from pydantic import Field, StringConstraints, ValidationError, model_validator

from skymill.config.base import NAME_PATTERN, ConfigModel
from skymill.config.blend import BlendConfig, Composition, RealBlendsConfig, fill_from_blend
from skymill.config.bound import BoundConfig
from skymill.config.compare import CompareConfig, InjectConfig, ReportConfig
from skymill.config.detect import CandidateConfig, DetectorConfig
from skymill.config.finder import FinderConfig
from skymill.config.generator import GeneratorConfig, halves_of
from skymill.config.ingest import IngestConfig
from skymill.config.known_keys import known_keys
from skymill.config.restorer import RestorationConfig, RestorerConfig, check_restorers
from skymill.config.scene import SceneConfig
from skymill.config.simulate import FieldConfig, GeneratedPopulation, PopulationConfig, SplitConfig
from skymill.config.survey import SurveyCatalogueConfig
from skymill.config.train import EnsembleConfig, ModelConfig
from skymill.errors import ConfigError

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]


class RunConfig(ConfigModel):
    """A run of the workflow."""

    execution_keys: ClassVar[frozenset[str]] = frozenset({"tiles_per_job"})

    run: Name = Field(description="Name of the run; its face is in results/<run>/.")
    seed: int = Field(ge=0, description="Root of all randomness.")
    survey: Name = Field(description="Survey that is simulated: a file in surveys_dir.")
    surveys_dir: str = Field("config/surveys", description="Folder of the surveys.")
    data_dir: str | None = Field(
        None,
        description="Folder with files of the same names as in the tile table, as in tables of cutouts and as the "
        "catalogues of real galaxies; replaces paths and URLs.",
    )
    leave_out_failed: bool = Field(
        False,
        description="Leave out tiles whose ingest has failed before, and catalogues that have; the report lists them.",
    )
    split: SplitConfig = Field(SplitConfig(), description="Division of the galaxies before blending.")
    populations: dict[Name, PopulationConfig] = Field(min_length=1, description="Isolated galaxies, by name.")
    generators: dict[Name, GeneratorConfig] = Field(
        {},
        description="Networks to train that draw galaxies, by name; populations of kind generator name one.",
    )
    pretrained_generators: dict[Name, Name] = Field(
        {}, description="Networks that draw galaxies and are shipped for the survey, as in `pretrained`."
    )
    anomaly: Name | None = Field(
        None,
        description="Which of `generators` and `pretrained_generators` says how unlike an isolated galaxy the sources "
        "of tiles are (column anomaly_score); null: none.",
    )
    blend: BlendConfig = Field(description="How blends are composed.")
    real_blends: RealBlendsConfig | None = Field(
        None, description="Test blends of galaxies that no network is trained on; null: none."
    )
    train: Literal["models", "pretrained"] = Field(
        "models",
        description="models: the networks of `models` and `finders` are trained. pretrained: none is; those of the "
        "same names that are shipped for the survey are taken, the others left out with a note.",
    )
    models: dict[Name, ModelConfig] = Field({}, description="Networks to train, by name.")
    ensembles: dict[Name, EnsembleConfig] = Field({}, description="Averages of networks, by name.")
    pretrained: dict[Name, Name] = Field(
        {},
        description="Networks that measure and are shipped for the survey: name in this run, folder in "
        "<models_dir>/<survey>.",
    )
    pretrained_finders: dict[Name, Name] = Field(
        {}, description="The same for networks that find sources; `candidates` may name one of them."
    )
    models_dir: str = Field("models", description="Folder of the shipped networks.")
    scene: SceneConfig | None = Field(
        None, description="Patches of sky that finders are trained on; null: none."
    )
    finders: dict[Name, FinderConfig] = Field(
        {}, description="Networks to train that find sources, by name; `candidates` may name one of them."
    )
    restorers: dict[Name, RestorerConfig] = Field(
        {}, description="Networks to train that restore images of a worse PSF and more noise, by name."
    )
    pretrained_restorers: dict[Name, Name] = Field({}, description="Shipped ones, as in `pretrained`.")
    restoration: RestorationConfig | None = Field(
        None, description="What restorers are compared with deconvolutions on; null: no comparison."
    )
    tiles: str | None = Field(None, description="Tile table (TSV); null: no tiles but the simulated fields.")
    tiles_per_job: int | None = Field(
        None,
        ge=1,
        description="Rows of the tile table that one job works through; changes no result. 1: each tile is a job; "
        "null: 1 up to 20 tiles, 10 up to 100, 50 up to 1,000, else 100.",
    )
    fields: dict[Name, FieldConfig] = Field({}, description="Simulated tiles, by tile id.")
    ingest: IngestConfig = Field(IngestConfig(), description="How tiles are read and checked.")
    candidates: CandidateConfig = Field(
        CandidateConfig(), description="Where on a tile the networks measure."
    )
    detectors: dict[Name, DetectorConfig] = Field(description="Detectors to compare with, by name.")
    inject: InjectConfig | None = Field(
        None, description="Galaxies of known flux added to tiles; null: none."
    )
    bound: BoundConfig | None = Field(
        BoundConfig(), description="The least error that the noise of the test blends allows; null: none."
    )
    compare: CompareConfig = Field(CompareConfig(), description="Matching and metrics.")
    survey_catalogue: SurveyCatalogueConfig = Field(
        SurveyCatalogueConfig(), description="The catalogue of all tiles of the tile table (target `survey`)."
    )
    report: ReportConfig = Field(ReportConfig(), description="The report page.")

    @model_validator(mode="before")
    @classmethod
    def _fill_from_blend(cls, values: Any) -> Any:
        """Let the blends of real galaxies be composed as the others are, where nothing else is said."""
        if not isinstance(values, Mapping) or values.get("real_blends") is None:
            return values
        return {**values, "real_blends": fill_from_blend(values["real_blends"], values.get("blend"))}

    @model_validator(mode="after")
    def _names_fit(self) -> RunConfig:
        """Check what one piece says about another."""
        for key, blends in self._compositions().items():
            if blends.population not in self.populations:
                known = ", ".join(self.populations)
                raise ValueError(f"{key}.population: expected one of {known}, found '{blends.population}'")
            self._stamps_fit(key, blends)
        self._real_galaxies_are_unseen()
        if not self.models and not self.pretrained:
            raise ValueError("models: expected at least one network, in models or in pretrained, found none")
        self._networks_fit()
        self._finders_fit()
        self._generators_fit()
        check_restorers(self)
        if both := {*self.models, *self.ensembles, *self.pretrained} & set(self.detectors):
            raise ValueError(f"detectors: expected names that no model has, found {', '.join(sorted(both))}")
        return self

    def _networks_fit(self) -> None:
        """Check that each network has a name of its own, and that ensembles are made of what is trained."""
        names = [*self.models, *self.ensembles, *self.pretrained]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(
                f"models, ensembles, pretrained: expected each name once, found {', '.join(twice)} twice"
            )
        for name, ensemble in self.ensembles.items():
            asked = [ensemble.first] if ensemble.model else ensemble.models
            known = [] if self.train == "pretrained" else list(self.models)
            if unknown := [one for one in asked if one not in known]:
                trained = ", ".join(known) or "none, as train is pretrained"
                raise ValueError(
                    f"ensembles.{name}: expected networks that are trained ({trained}), found '{unknown[0]}'"
                )
            first, *others = (self.models[one] for one in asked)
            if not all(self.models[one].task.measures for one in asked):
                raise ValueError(
                    f"ensembles.{name}: expected networks that measure, found one that draws pictures"
                )
            if any(one.network.gives_masks for one in others) and not first.network.gives_masks:
                raise ValueError(
                    f"ensembles.{name}.models: expected a network with masks first, found {ensemble.first}"
                )

    def _finders_fit(self) -> None:
        """Check that finders have patches and names of their own, and that the finder of candidates is one of them."""
        known = [*self.finders, *self.pretrained_finders]
        if twice := sorted({name for name in known if known.count(name) > 1}):
            raise ValueError(
                f"finders, pretrained_finders: expected each name once, found {', '.join(twice)} twice"
            )
        if self.finders and self.scene is None:
            raise ValueError(
                f"scene: expected patches for finders.{next(iter(self.finders))} to train on, found none"
            )
        if self.scene is not None and self.scene.population not in self.populations:
            populations = ", ".join(self.populations)
            raise ValueError(
                f"scene.population: expected one of {populations}, found '{self.scene.population}'"
            )
        if both := {*self.models, *self.ensembles, *self.pretrained} & set(known):
            raise ValueError(f"finders: expected names that no model has, found {', '.join(sorted(both))}")
        for name, finder in self.finders.items():
            if finder.input_px > self.scene.side_px:
                raise ValueError(
                    f"finders.{name}.input_px: expected at most scene.side_px = {self.scene.side_px}, "
                    f"found {finder.input_px}"
                )
        wanted = getattr(self.candidates.detector, "model", None)
        if wanted is not None and wanted not in known:
            raise ValueError(
                "candidates.detector.model: expected one of finders and pretrained_finders "
                f"({', '.join(known) or 'none'}), found '{wanted}'"
            )

    def _generators_fit(self) -> None:
        """Check that generators learn from galaxies that no generator has drawn, and are there where they are named."""
        learnable = [name for name in self.populations if name not in self.generated()]
        for name, generator in self.generators.items():
            where = f"generators.{name}.population"
            if generator.population not in learnable:
                raise ValueError(
                    f"{where}: expected one of {', '.join(learnable) or 'none'}, found '{generator.population}'"
                )
            if generator.halves and (kind := self.populations[generator.population].kind) != "parametric":
                raise ValueError(
                    f"generators.{name}.halves: expected a population whose galaxies are each drawn once "
                    f"(parametric), found {kind}"
                )
            if (stamp_px := self.populations[generator.population].stamp_px) <= generator.input_px:
                raise ValueError(
                    f"generators.{name}.input_px: expected less than the {stamp_px} px of populations."
                    f"{generator.population}, found {generator.input_px}"
                )
        named = {f"populations.{name}.model": one.model for name, one in self.generated().items()}
        named |= {} if self.anomaly is None else {"anomaly": self.anomaly}
        known = [*self.generators, *self.pretrained_generators]
        for where, wanted in named.items():
            if wanted not in known:
                raise ValueError(
                    f"{where}: expected one of generators and pretrained_generators ({', '.join(known) or 'none'}), "
                    f"found '{wanted}'"
                )
        if twice := sorted(set(self.generators) & set(self.pretrained_generators)):
            raise ValueError(
                f"generators, pretrained_generators: expected each name once, found {', '.join(twice)} twice"
            )

    def trained_generators(self) -> dict[str, GeneratorConfig]:
        """Return the networks that draw galaxies and that this run trains."""
        return self.generators if self.train == "models" else {}

    def half_generators(self) -> dict[str, GeneratorConfig]:
        """Return the networks that are trained on halves of a generator's galaxies, to find out what it remembers."""
        split = {name: one for name, one in self.trained_generators().items() if one.halves}
        return {half: one for name, one in split.items() for half in halves_of(name)}

    def shipped_generators(self) -> dict[str, str]:
        """Return the shipped networks that draw galaxies and that this run takes: folder by name."""
        named = {} if self.train == "models" else {name: name for name in self.generators}
        return {**named, **self.pretrained_generators}

    def trained_restorers(self) -> dict[str, RestorerConfig]:
        """Return the networks that restore images and that this run trains."""
        return self.restorers if self.train == "models" else {}

    def shipped_restorers(self) -> dict[str, str]:
        """Return the shipped networks that restore images and that this run takes: folder by name."""
        return {
            **({} if self.train == "models" else {one: one for one in self.restorers}),
            **self.pretrained_restorers,
        }

    def generated(self) -> dict[str, GeneratedPopulation]:
        """Return the populations that generators draw."""
        return {name: one for name, one in self.populations.items() if isinstance(one, GeneratedPopulation)}

    def members(self) -> dict[str, ModelConfig]:
        """Return the networks that are trained for an ensemble alone."""
        return {
            name: self.models[ensemble.first].model_copy(update={"member": number})
            for ensemble in self.ensembles.values()
            for number, name in enumerate(ensemble.own(), start=1)
        }

    def trained(self) -> dict[str, ModelConfig]:
        """Return the networks that this run trains."""
        return {**self.models, **self.members()} if self.train == "models" else {}

    def shipped(self) -> dict[str, str]:
        """Return the shipped networks that this run takes: folder by name."""
        named = {} if self.train == "models" else {name: name for name in self.models}
        return {**named, **self.pretrained}

    def trained_finders(self) -> dict[str, FinderConfig]:
        """Return the networks that find sources and that this run trains."""
        return self.finders if self.train == "models" else {}

    def shipped_finders(self) -> dict[str, str]:
        """Return the shipped networks that find sources and that this run takes: folder by name."""
        named = {} if self.train == "models" else {name: name for name in self.finders}
        return {**named, **self.pretrained_finders}

    def noise_tiles(self) -> set[str]:
        """Return the tiles that noise is cut from."""
        pieces = [*self._compositions().values(), *([] if self.scene is None else [self.scene])]
        return {tile for piece in pieces if (tile := getattr(piece.noise, "tile", None)) is not None}

    def _compositions(self) -> dict[str, Composition]:
        pieces = {"blend": self.blend, "real_blends": self.real_blends}
        return {key: piece for key, piece in pieces.items() if piece is not None}

    def _real_galaxies_are_unseen(self) -> None:
        """Check that no galaxy of the second test set can be among those that networks are trained on."""
        if self.real_blends is None:
            return
        tested, trained = self.real_blends.population, self.blend.population
        catalogues = [getattr(self.populations[name], "catalogue", None) for name in (tested, trained)]
        if tested == trained or (catalogues[0] is not None and catalogues[0] == catalogues[1]):
            why = f"whose galaxies are not those of '{trained}' (blend.population), which networks are trained on"
            raise ValueError(f"real_blends.population: expected a population {why}, found '{tested}'")

    def _stamps_fit(self, key: str, blends: Composition) -> None:
        """Check that stamps cover the blends' canvas, and that the canvas covers the networks' input."""
        stamp_px, needed_px = self.populations[blends.population].stamp_px, blends.required_stamp_px()
        if stamp_px < needed_px:
            where = f"populations.{blends.population}.stamp_px"
            why = f"so that a galaxy beside the central one still covers {key}.canvas_px"
            raise ValueError(f"{where}: expected at least {needed_px}, {why}, found {stamp_px}")
        largest_px = blends.largest_input_px()
        for name, model in self.models.items():
            if model.input_px > largest_px:
                why = f"so that a stamp around each galaxy lies within {key}.canvas_px"
                raise ValueError(
                    f"models.{name}.input_px: expected at most {largest_px}, {why}, found {model.input_px}"
                )


def load_config(source: str | Path | Mapping[str, Any]) -> RunConfig:
    """Check a configuration.

    Parameters
    ----------
    source : path or mapping
        A YAML file, or its content.

    Raises
    ------
    ConfigError
        Naming each wrong key: where it is, what was expected, what was found and, for unknown keys, which there are.
    """
    name, values = ("config", source) if isinstance(source, Mapping) else (str(source), _read(Path(source)))
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(
            name,
            expected="a valid configuration (config/README.md describes every key)",
            found="; ".join(_explain(item) for item in error.errors(include_url=False)),
        ) from None


def _read(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(path, expected="a YAML file", found=str(error)) from error


def _explain(item: Mapping[str, Any]) -> str:
    """Say in one line what is wrong with one key."""
    where = ".".join(str(part) for part in item["loc"]) or "the whole"
    if item["type"] == "extra_forbidden":
        known = known_keys(RunConfig.model_json_schema(), item["loc"][:-1])
        return f"{where:.200}: unknown key; known here: {', '.join(known)}"
    found = "" if item["type"] == "missing" else f", found {item['input']!r:.80}"
    return f"{where:.200}: {item['msg']:.300}{found}"
