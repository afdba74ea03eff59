"""Plan: all artifacts of a run, as the rules and the report ask for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from skymill.config.detect import CandidateConfig
from skymill.config.run import RunConfig
from skymill.data.survey import Survey
from skymill.errors import VersionError
from skymill.plan.artifact import BLEND_DATASETS, FILES, RESULTS, Artifact
from skymill.plan.injections import by_dataset, draw_of

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
    """

    def __init__(
        self,
        config: RunConfig,
        survey: Survey,
        artifacts: Sequence[Artifact],
        notes: Sequence[Mapping[str, str]] = (),
    ) -> None:
        self.config, self.survey, self.notes = config, survey, list(notes)
        self._artifacts = {(artifact.recipe.stage, artifact.recipe.name): artifact for artifact in artifacts}

    def artifact(self, stage: str, name: str, version: str | None = None) -> Artifact:
        """Return an artifact; with `version`, insist on it.

        Raises
        ------
        VersionError
            If this run has no such artifact, or has it in another version.
        """
        found = self._artifacts.get((stage, name))
        if found is None:
            names = ", ".join(artifact.recipe.name for artifact in self.of_stage(stage)) or "none"
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
        """Return the artifacts of a stage in the order of the configuration."""
        return [artifact for (kind, _), artifact in self._artifacts.items() if kind == stage]

    def __iter__(self) -> Iterator[Artifact]:
        """Iterate over all artifacts, parents before children."""
        return iter(self._artifacts.values())

    def targets(self, stage: str) -> list[str]:
        """Return the main file of each artifact of a stage."""
        main = next(iter(FILES[stage]))
        return [artifact.file(main) for artifact in self.of_stage(stage)]

    def catalogues(self) -> list[str]:
        """Return the networks' catalogues of the tiles as they are, without injected galaxies."""
        datasets = (
            (artifact, artifact.recipe.name.rpartition(".")[0]) for artifact in self.of_stage("infer")
        )
        return [
            artifact.file("catalogue")
            for artifact, dataset in datasets
            if not dataset_label(dataset).startswith("injected:")
        ]

    def comparisons(self) -> list[dict[str, str | int | bool]]:
        """Return what is compared: dataset, draw, detector, paths of catalogue, truth, bounds and errors of images.

        Catalogues of tiles without a reference catalogue are left out, and so are bounds and errors of images where
        there are none.
        """
        inputs = self.artifact("compare", self.config.run).inputs
        injections = by_dataset(self.of_stage("inject"))
        draws = {dataset: draw_of(made) for dataset, made in injections.items()}
        networks = {artifact.recipe.name for artifact in self.of_stage("train")}
        found = []
        for name, catalogue in inputs.items():
            dataset, _, detector = name.rpartition(".")
            if detector not in BESIDE and f"{dataset}.truth" in inputs:
                entry = {"dataset": dataset_label(dataset), "detector": detector, "catalogue": catalogue}
                entry |= {"draw": draws.get(dataset, 0), "is_network": detector in networks}
                known = {role: path for role in BESIDE if (path := inputs.get(f"{dataset}.{role}"))}
                own = {"images": inputs[key]} if (key := f"{name}.images") in inputs else {}
                found.append({**entry, **known, **own})
        return found

    @property
    def candidates(self) -> CandidateConfig:
        """What finds the candidates, also where the configuration leaves that open."""
        return self.config.candidates.settled([finder.recipe.name for finder in self.of_stage("finder")])

    @property
    def face(self) -> Path:
        """Folder that a person opens first."""
        return RESULTS / self.config.run

    def described(self) -> dict[str, Any]:
        """Return the run as plain values for the report."""
        return {
            "run": self.config.run,
            "seed": self.config.seed,
            "survey": self.survey.model_dump(mode="json"),
            "config": {**self.config.recipe_params(), "candidates": self.candidates.recipe_params()},
            "artifacts": [
                {
                    "stage": artifact.recipe.stage,
                    "name": artifact.recipe.name,
                    "version": artifact.recipe.version,
                    "folder": str(artifact.folder),
                }
                for artifact in self
            ],
            "notes": self.notes,
        }


def dataset_label(dataset: str) -> str:
    """Return how metrics name a dataset: that of a set of blends, ``injected:<tile>`` or ``reference:<tile>``.

    All draws of injected galaxies have one name.
    """
    if dataset in BLEND_DATASETS:
        return dataset
    tile, _, injected = dataset.partition(".")
    return f"{'injected' if injected else 'reference'}:{tile}"
