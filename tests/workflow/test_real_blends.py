"""Test blends of galaxies from images beside the simulated ones, in a run of the workflow."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from astropy.io import fits

from skymill.catalog.catalogue import Catalogue

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

DETECTORS = {"cnn", "sep"}


def write_galaxies(folder: Path) -> None:
    """Leave a table of two observed galaxies, each with a neighbour, in `folder`."""
    rows, columns = np.indices((81, 81))
    psf = np.exp(-((rows - 40) ** 2 + (columns - 40) ** 2) / 6.0)[20:61, 20:61]
    fits.writeto(folder / "psf.fits", psf.astype(np.float32))
    lines = ["id\timage\tsegmentation\tpsf\tpixel_scale_arcsec\tzero_point_mag"]
    for number, ratio in enumerate((0.5, 0.9)):
        radius = np.hypot(columns - 41, (rows - 39) / ratio)
        neighbour = np.hypot(columns - 55, rows - 30) < 4
        noise = np.random.default_rng(number).normal(0, 1e-3, radius.shape)
        image = np.exp(-radius / 4) + neighbour + noise
        segments = np.where(neighbour, 2, radius < 25)
        for name, values in (("image", image), ("segments", segments)):
            fits.writeto(folder / f"{name}{number}.fits", values.astype(np.float32))
        lines.append(f"g{number}\timage{number}.fits\tsegments{number}.fits\tpsf.fits\t0.2\t20")
    (folder / "galaxies.tsv").write_text("\n".join(lines) + "\n")


def small(path: Path, changes: dict) -> None:
    """Leave out all that this test is not about: tiles, other detectors, cutting into shards."""
    values = yaml.safe_load(path.read_text())
    values |= {
        "fields": {},
        "inject": None,
        "bound": None,
        "models": {"cnn": values["models"]["cnn"]},
        **changes,
    }
    values["detectors"] = {"sep": {"kind": "sep"}}
    values["populations"]["galaxies"]["shard_size"] = values["blend"]["shard_size"] = 100
    path.write_text(yaml.safe_dump(values))


def test_a_run_with_real_galaxies_compares_everybody_on_them(make_workflow, tmp_path: Path):
    write_galaxies(tmp_path)
    table = tmp_path / "galaxies.tsv"
    cutouts = {"kind": "cutouts", "catalogue": "galaxies.tsv", "mag": [19.0, 23.0], "shrink": [0.05, 0.07]}
    observed = {**cutouts, "n_galaxies": 12, "stamp_px": 64}
    workflow = make_workflow("real", populations={"observed": observed})
    table.rename(workflow.folder / table.name)
    real_blends = {"population": "observed", "n": 10}
    small(workflow.folder / "config.yaml", {"real_blends": real_blends, "data_dir": str(tmp_path)})
    done = workflow.run("compare")
    assert done.returncode == 0, done.stdout
    (path,) = (workflow.folder / "results/artifacts/compare").glob("*/*/metrics.json")
    records = json.loads(path.read_text())
    found = {(record["dataset"], record["detector"]) for record in records}
    assert found >= {(dataset, name) for dataset in ("test_blends", "real_blends") for name in DETECTORS}
    (truth,) = (workflow.folder / "results/artifacts/blend/real").glob("*/truth.parquet")
    galaxies = Catalogue.read(truth, "blends")
    assert len(np.unique(galaxies["stamp_id"])) == 10
    assert set(galaxies["kind"]) == {"real"}
    (card,) = (workflow.folder / "results/artifacts/train/cnn").glob("*/model.yaml")
    assert yaml.safe_load(card.read_text())["population"]["kind"] == "parametric"
    assert "Nothing to be done" in workflow.run("compare", "--dry-run").stdout
