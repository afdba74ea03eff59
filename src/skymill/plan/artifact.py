"""Artifact: one product of one stage, with its recipe, inputs, files and shards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from skymill.provenance.recipe import Recipe
from skymill.provenance.record import FILENAME

RESULTS = Path("results")
ARTIFACTS = RESULTS / "artifacts"
FAILURES = RESULTS / "failures"
BLEND_DATASETS = {"test_blends": "test", "real_blends": "real"}
"""Sets of blends that detectors are compared on, and the artifact of the stage blend that each is."""

NETWORK = {
    "weights": "weights.safetensors",
    "card": "model.yaml",
    "history": "history.csv",
    "curves": "curves.png",
}
FILES: dict[str, dict[str, str]] = {
    "fetch": {"file": "{name}"},
    "simulate": {"stamps": "stamps.h5", "truth": "truth.parquet"},
    "blend": {"stamps": "stamps.h5", "truth": "truth.parquet"},
    "scene": {"stamps": "stamps.h5", "truth": "truth.parquet"},
    "finder": NETWORK,
    "generator": NETWORK,
    "judge": {
        "metrics": "metrics.json",
        "curves": "curves.json",
        **{name: f"{name}.png" for name in ("samples", "interpolations", "traversals", "plane")},
    },
    "restorer": NETWORK,
    "restore": {"metrics": "metrics.json", "tuned": "tuned.json", "picture": "restored.png"},
    "train": NETWORK,
    "evaluate": {"catalogue": "catalogue.parquet"},
    "deblend": {"images": "deblended.h5", "quality": "quality.parquet"},
    "pictures": {"metrics": "metrics.json", "cases": "cases.png"},
    "field": {"image": "image.fits", "truth": "truth.parquet"},
    "ingest": {"tile": "tile.fits"},
    "reference": {"sources": "sources.parquet"},
    "inject": {"tile": "tile.fits", "truth": "truth.parquet"},
    "infer": {"catalogue": "catalogue.parquet"},
    "baseline": {"catalogue": "catalogue.parquet"},
    "bound": {"bounds": "bounds.parquet"},
    "compare": {"metrics": "metrics.json", "matched": "matched.parquet"},
    "survey": {"index": "index.json", "parts": "parts"},
}
"""The files of an artifact by stage and role; the first is the main one. A trained generator has a film, too."""


JUDGED = "judged"
"""Role, after the name of what draws galaxies or pictures or restores images, of its figures as an input of compare."""
JUDGES = ("judge", "pictures", "restore")
"""Stages that make such figures."""

STAGES = tuple(stage for stage in FILES if stage not in ("fetch", "survey"))
"""Stages whose products the report shows."""

TABLE = {
    "evaluate": "catalogue",
    "deblend": "quality",
    "infer": "catalogue",
    "baseline": "catalogue",
    "blend": "truth",
    "inject": "truth",
    "reference": "sources",
    "bound": "bounds",
}
"""Role of the file that takes part in the comparison, by stage."""


@dataclass(frozen=True)
class Artifact:
    """One product of one stage.

    Parameters
    ----------
    recipe : Recipe
        What determines it.
    inputs : mapping of str to str or list of str
        Files that the stage reads, by role.
    shards : tuple of (int, int)
        First and one-past-last number of each piece that is made by a job of its own; empty for whole artifacts.
    """

    recipe: Recipe
    inputs: Mapping[str, str | list[str]] = field(default_factory=dict)
    shards: tuple[tuple[int, int], ...] = ()

    @property
    def folder(self) -> Path:
        """Folder of the artifact."""
        return self.recipe.folder(ARTIFACTS)

    def file(self, role: str) -> str:
        """Path of one of its files."""
        return f"{self.path}/{FILES[self.recipe.stage][role].format(name=self.recipe.name)}"

    @property
    def path(self) -> str:
        """The same as text; thousands of these are made while a run is planned."""
        return f"{ARTIFACTS}/{self.recipe.stage}/{self.recipe.name}/{self.recipe.version}"

    def files(self) -> dict[str, str]:
        """Paths of all its files, by role."""
        return {role: self.file(role) for role in FILES[self.recipe.stage]}

    @property
    def main(self) -> str:
        """Path of its main file."""
        return self.file(next(iter(FILES[self.recipe.stage])))

    def gone(self) -> list[str]:
        """Return the paths of its files that are not there, the record's among them."""
        products = [*self.files().values(), f"{self.path}/{FILENAME}"]
        return [path for path in products if not Path(path).exists()]

    @property
    def is_begun(self) -> bool:
        """Whether its folder is there."""
        return Path(self.path).is_dir()

    def outside(self) -> dict[str, str]:
        """Return the inputs that skymill did not make, by role; they may be missing, and have any name."""
        # Several files in one role are artifacts always.
        single = {role: path for role, path in self.inputs.items() if isinstance(path, str)}
        return {role: path for role, path in single.items() if not Path(path).is_relative_to(ARTIFACTS)}

    def failure(self) -> Path:
        """File that holds the reason, if the artifact's job has failed."""
        return FAILURES / self.recipe.stage / f"{self.recipe.name}.{self.recipe.version}.txt"

    def shard_files(self, suffix: str) -> list[str]:
        """Paths of its shards: ``shards/<start>-<stop><suffix>``."""
        return [str(self.folder / "shards" / f"{start}-{stop}{suffix}") for start, stop in self.shards]


def cut_into_shards(count: int, size: int) -> tuple[tuple[int, int], ...]:
    """Divide the numbers 0 … count - 1 into pieces of `size`."""
    return tuple((start, min(start + size, count)) for start in range(0, count, size))
