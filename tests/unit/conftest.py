"""A results folder with small artifacts in it, as stages leave them, and FITS files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from skymill.catalog.catalogue import Catalogue, essentials
from skymill.provenance.artifacts import Artifact, read_artifact
from skymill.provenance.recipe import Recipe
from skymill.provenance.record import recording


def make_catalogue(recipe: Mapping, mag_shift: float = 0.0, count: int = 5) -> Catalogue:
    """A catalogue of `count` sources in a row, 10 px apart."""
    line = np.arange(count, dtype=float)
    positions = {"x": 10 * line, "y": line, "ra": 100 + line / 360, "dec": line / 3600}
    return Catalogue.from_columns(
        "sources",
        essentials(recipe),
        source_id=np.arange(count),
        **positions,
        mag=20 + line + mag_shift,
        flux=10 ** (0.4 * (11.4 - line - mag_shift)),
        re=np.full(count, np.nan),
        kind=["galaxy"] * count,
        is_isolated=line > 0,
        flags=np.zeros(count),
    )


def leave_artifact(
    results: Path,
    stage: str,
    name: str,
    params: Mapping | None = None,
    parents: Mapping[str, Artifact] | None = None,
    file: str = "catalogue.parquet",
    **catalogue: float,
) -> Artifact:
    """Make an artifact as a stage does: a catalogue, a shard and the record."""
    versions = {role: parent.version for role, parent in (parents or {}).items()}
    recipe = Recipe(stage, name, {"seed": 1, **(params or {})}, versions)
    folder = recipe.folder(results / "artifacts")
    inputs = {role: next(parent.folder.glob("*.parquet")) for role, parent in (parents or {}).items()}
    with recording(recipe.to_dict(), folder, parents=inputs) as record:
        made = make_catalogue(recipe.to_dict(), **catalogue)
        made.write(folder / file)
        made.write(folder / "shards" / "0-5.parquet")
        record.rows = len(made)
    return read_artifact(folder)


@pytest.fixture
def make_artifact(tmp_path: Path) -> Callable[..., Artifact]:
    """Make an artifact below ``tmp_path/results``."""
    return partial(leave_artifact, tmp_path / "results")


@pytest.fixture
def write_manifest(tmp_path: Path) -> Callable[..., None]:
    """Write the manifest of a run, as the report does."""

    def write(run: str, *artifacts: Artifact) -> None:
        rows = []
        for artifact in artifacts:
            (name,) = (path.name for path in artifact.folder.glob("*.parquet"))
            rows.append(
                {
                    "stage": artifact.stage,
                    "name": artifact.name,
                    "version": artifact.version,
                    "path": f"results/artifacts/{artifact.label}/{name}",
                    "sha256": artifact.record["outputs"][name],
                    "rows": artifact.record["rows"],
                }
            )
        (tmp_path / "results" / run).mkdir(exist_ok=True)
        (tmp_path / "results" / run / "manifest.json").write_text(json.dumps(rows))

    return write


@pytest.fixture(scope="session")
def two_runs_elsewhere(tmp_path_factory) -> list[Artifact]:
    """Two versions of a short chain: simulate, then infer; only a parameter of simulate differs."""
    make = partial(leave_artifact, tmp_path_factory.mktemp("runs") / "results")
    made = []
    for mag_high, shift in ((24.0, 0.0), (25.0, 0.5)):
        simulated = make(
            "simulate", "parametric", {"population": {"mag_high": mag_high}}, file="truth.parquet"
        )
        made += [simulated, make("infer", "field.unet", None, {"model": simulated}, mag_shift=shift)]
    return made


@pytest.fixture
def two_runs(tmp_path, two_runs_elsewhere) -> list[Artifact]:
    """The four artifacts of two runs, oldest first, below ``tmp_path/results``."""
    artifacts = tmp_path / "results" / "artifacts"
    shutil.copytree(two_runs_elsewhere[0].folder.parents[2], artifacts)
    return [read_artifact(artifacts / artifact.label) for artifact in two_runs_elsewhere]


@pytest.fixture
def write(tmp_path: Path):
    """Write HDUs (arrays, (array, header) pairs or HDUs) into one FITS file."""

    def write_file(*images: Any, name: str = "image.fits") -> Path:
        hdus: list = []
        for number, image in enumerate(images):
            if isinstance(image, fits.hdu.base._BaseHDU):
                hdus.append(image)
                continue
            data, header = image if isinstance(image, tuple) else (image, None)
            hdus.append((fits.ImageHDU if number else fits.PrimaryHDU)(data, header))
        path = tmp_path / name
        fits.HDUList(hdus).writeto(path)
        return path

    return write_file
