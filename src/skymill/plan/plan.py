"""Plan: all artifacts of a run, as the rules and the report ask for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from skymill.config.detect import CandidateConfig
from skymill.config.run import RunConfig
from skymill.data.survey import Survey
from skymill.errors import VersionError
from skymill.plan.artifact import ARTIFACTS, BLEND_DATASETS, FILES, JUDGED, JUDGES, RESULTS, Artifact
from skymill.plan.chunks import Chunks
from skymill.plan.injections import INJECTED, draw_of
from skymill.plan.surveys import Surveys
from skymill.provenance.recipe import version_of

BESIDE = ("truth", "bounds")
"""What compare reads beside the detectors' catalogues of a dataset, as ``<dataset>.<role>`` among its inputs."""


class Plan:
    """All artifacts of a run.

    Parameters
    ----------
    config : RunConfig
        The run.
    survey : Survey
        The survey that is simulated.
    artifacts : sequence of Artifact
        Parents before children.
    notes : sequence of dict
        What was left out and why: ``{"what": …, "reason": …}``.
    chunks : Chunks
        Tiles that are not among `artifacts`: many of them are one job.
    """

    def __init__(
        self,
        config: RunConfig,
        survey: Survey,
        artifacts: Sequence[Artifact],
        notes: Sequence[Mapping[str, str]],
        chunks: Chunks,
    ) -> None:
        self.chunks = chunks
        self.config, self.survey, self.notes = config, survey, list(notes)
        self._artifacts = {(artifact.recipe.stage, artifact.recipe.name): artifact for artifact in artifacts}

    def artifact(self, stage: str, name: str, version: str | None = None) -> Artifact:
        """Return an artifact; with `version`, insist on it.

        Raises
        ------
        VersionError
            If this run has no such artifact, or has it in another version.
        """
        if stage == "survey":
            found = self.surveys.artifacts.get(name)
        else:
            found = self._artifacts.get((stage, name)) or self.chunks.find(stage, name)
        if found is None:
            known = self.surveys.artifacts.values() if stage == "survey" else self.of_stage(stage)
            names = ", ".join(artifact.recipe.name for artifact in known) or "none"
            raise VersionError(f"stage {stage}", expected=f"one of: {names}", found=f"'{name}'")
        if version not in (None, found.recipe.version):
            raise VersionError(
                f"{stage}/{name}",
                expected=f"version {found.recipe.version}, which this configuration gives",
                found=version,
                remedy="Ask for that version, or go back to the configuration that the other one came from.",
            )
        return found

    def of_stage(self, stage: str) -> list[Artifact]:
        """Return the artifacts of a stage in the order of the configuration, those of tiles in chunks last."""
        return [*self._whole(stage), *self.chunks.artifacts(stage)]

    def _whole(self, stage: str) -> list[Artifact]:
        """Return the artifacts of a stage that have jobs of their own."""
        return [artifact for (kind, _), artifact in self._artifacts.items() if kind == stage]

    def __iter__(self) -> Iterator[Artifact]:
        """Iterate over all artifacts, parents before children."""
        last = [artifact for artifact in self._artifacts.values() if artifact.recipe.stage == "compare"]
        yield from (artifact for artifact in self._artifacts.values() if artifact.recipe.stage != "compare")
        yield from self.chunks.artifacts()
        yield from last

    def targets(self, *stages: str) -> list[str]:
        """Return what a person who asks for some stages waits for: their main files, and what is gone."""
        return [*self.main_files(*stages), *self.gone(*stages)]

    def main_files(self, *stages: str) -> list[str]:
        """Return the main file of each artifact of some stages, and for tiles in chunks what ties these together."""
        found = [artifact.main for stage in stages for artifact in self._whole(stage)]
        return [*found, *self.chunks.tallies(*stages)]

    def gone(self, *stages: str) -> list[str]:
        """Return the files that belong to artifacts that have been made, and are not there any more.

        Of what it is asked for, Snakemake makes again what is missing; it looks for nothing that only finished jobs
        have read. Of an artifact that is gone with its folder, the run's page says that it has been there.
        """
        is_finished = self.page.exists()
        artifacts = [artifact for stage in stages for artifact in self._whole(stage)]
        return [path for made in artifacts if is_finished or made.is_begun for path in made.gone()]

    def catalogues(self) -> list[str]:
        """Return the networks' catalogues of the tiles as they are, without injected galaxies."""
        found = [artifact for artifact in self._whole("infer") if INJECTED not in artifact.recipe.name]
        tally = self.chunks.tally("infer", "tiles")
        return [*(artifact.main for artifact in found), *([] if tally is None else [str(tally)])]

    def measured(self) -> dict[str, str]:
        """Return the paths of all catalogues by name, whether they are there or not, those of networks first."""
        stages = ("infer", "evaluate", "baseline")
        return {
            name: f"{ARTIFACTS}/{stage}/{name}/{version}/{FILES[stage]['catalogue']}"
            for stage in stages
            for name, version in self._versions(stage).items()
        }

    @cached_property
    def surveys(self) -> Surveys:
        """The survey catalogues; worked out when they are asked for, as no other stage needs them.

        Raises
        ------
        ConfigError
            If the run has no tile table.
        """
        return Surveys(self.config, self._versions)

    def _versions(self, stage: str) -> dict[str, str]:
        own = {artifact.recipe.name: artifact.recipe.version for artifact in self._whole(stage)}
        return {**own, **self.chunks.versions(stage)}

    def surveyed(self, detector: str) -> list[str]:
        """Return the files that a survey catalogue waits for: what it reads, but of chunks what ties these together."""
        stage = self.surveys.stage(detector)
        own = [
            path
            for tile in self.surveys.tiles(detector)
            if not self.chunks.owns("ingest", tile["tile_id"])
            for path in (tile["tile"], tile["catalogue"])
        ]
        tally = self.chunks.tally(stage, "tiles")
        return [*own, *([] if tally is None else [str(tally)])]

    def compared(self) -> list[str]:
        """Return the files that compare waits for: all that it reads, but of chunks what ties them together."""
        inputs = self.artifact("compare", self.config.run).inputs.values()
        own = [path for path in inputs if not self.chunks.owns(*path.split("/")[2:4])]
        return [*own, *self.chunks.tallies("reference", "inject", "infer", "baseline")]

    def comparisons(self) -> list[dict[str, str | int | bool]]:
        """Return what is compared: dataset, draw, detector, paths of catalogue, truth, bounds and errors of images.

        Catalogues of tiles without a reference catalogue are left out, and so are bounds and errors of images where
        there are none.
        """
        inputs = self.artifact("compare", self.config.run).inputs
        networks = {artifact.recipe.name for artifact in self.of_stage("train")}
        found = []
        for name, catalogue in inputs.items():
            dataset, _, detector = name.rpartition(".")
            if detector not in (*BESIDE, JUDGED) and f"{dataset}.truth" in inputs:
                entry = {"dataset": dataset_label(dataset), "detector": detector, "catalogue": catalogue}
                entry |= {"draw": draw_of(dataset), "is_network": detector in networks}
                known = {role: path for role in BESIDE if (path := inputs.get(f"{dataset}.{role}"))}
                own = {"images": inputs[key]} if (key := f"{name}.images") in inputs else {}
                found.append({**entry, **known, **own})
        return found

    def judged(self) -> list[str]:
        """Return the figures of what draws or restores images, which compare puts beside those of the detectors."""
        return [artifact.file("metrics") for stage in JUDGES for artifact in self._whole(stage)]

    @property
    def candidates(self) -> CandidateConfig:
        """What finds the candidates, also where the configuration leaves that open."""
        return self.config.candidates.settled([finder.recipe.name for finder in self._whole("finder")])

    @property
    def face(self) -> Path:
        """Folder that a person opens first."""
        return RESULTS / self.config.run

    @property
    def page(self) -> Path:
        """The report."""
        return self.face / "report.html"

    @property
    def identity(self) -> str:
        """Hash of all that the report shows of the run: of thousands of tiles, through the comparison's version."""
        shown = {
            **self._about(),
            "artifacts": [self._listed(artifact) for artifact in self._artifacts.values()],
        }
        return version_of("report", 1, shown, {})

    def described(self) -> dict[str, Any]:
        """Return the run as plain values for the report."""
        return {**self._about(), "artifacts": [self._listed(artifact) for artifact in self]}

    def _about(self) -> dict[str, Any]:
        return {
            "run": self.config.run,
            "seed": self.config.seed,
            "survey": self.survey.model_dump(mode="json"),
            "config": {**self.config.recipe_params(), "candidates": self.candidates.recipe_params()},
            "notes": self.notes,
        }

    @staticmethod
    def _listed(artifact: Artifact) -> dict[str, str]:
        recipe = artifact.recipe
        return {
            "stage": recipe.stage,
            "name": recipe.name,
            "version": recipe.version,
            "folder": artifact.path,
        }


def dataset_label(dataset: str) -> str:
    """Return how metrics name a dataset: that of a set of blends, ``injected:<tile>`` or ``reference:<tile>``.

    All draws of injected galaxies have one name.
    """
    if dataset in BLEND_DATASETS:
        return dataset
    tile, _, injected = dataset.partition(".")
    return f"{'injected' if injected else 'reference'}:{tile}"
