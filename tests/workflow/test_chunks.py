"""Tiles in chunks: the same bits as one by one, and a tile that fails or is missing is the only one concerned."""

import json
import os
import shutil

import numpy as np
import pytest
import yaml
from astropy.io import fits

from skymill.provenance.record import sha256

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

TILES = [f"t{number}" for number in range(5)]
TILED = ("ingest", "inject", "infer", "baseline")
LONG_AGO = 10**9


def draw(path, seed):
    """A tile of noise with a few round sources; all copies have one time, which is their identity."""
    image = np.random.default_rng(seed).normal(scale=0.003, size=(200, 220)).astype(np.float32)
    y, x = np.mgrid[:200, :220]
    for number in range(4):
        px, py = 30 + 45 * number + seed, 40 + 35 * number
        image += np.exp(-((x - px) ** 2 + (y - py) ** 2) / 8).astype(np.float32)
    fits.writeto(path, image, overwrite=True)
    os.utime(path, (LONG_AGO, LONG_AGO))


def configure(workflow, per_job):
    """The tiny run with one network, one detector, no field, and a tile table."""
    workflow.configure(tiles="tiles.tsv", tiles_per_job=per_job)
    path = workflow.folder / "config.yaml"
    values = yaml.safe_load(path.read_text())
    values |= {"fields": {}, "models": {"cnn": values["models"]["cnn"]}}
    values |= {"detectors": {"sep": {"kind": "sep", "setting": "plain"}}}
    path.write_text(yaml.safe_dump(values))
    rows = [f"{tile}\thst_f160w\t{tile}.fits" for tile in TILES]
    (workflow.folder / "tiles.tsv").write_text("\n".join(["tile_id\tsurvey\timage", *rows]) + "\n")
    for number, tile in enumerate(TILES):
        draw(workflow.folder / f"{tile}.fits", number)


@pytest.fixture(scope="module")
def in_pairs(make_workflow):
    """A finished run of five tiles, two per job."""
    workflow = make_workflow("pairs", shard_size=1000)
    configure(workflow, 2)
    done = workflow.run()
    assert done.returncode == 0, done.stdout
    return workflow


@pytest.fixture
def again(in_pairs, make_workflow):
    """A function that copies the finished run, with another number of tiles per job."""

    def copy(name, per_job=2):
        workflow = make_workflow(name, shard_size=1000)
        for part in ("results", ".snakemake"):
            shutil.copytree(in_pairs.folder / part, workflow.folder / part, symlinks=True)
        configure(workflow, per_job)
        return workflow

    return copy


def products(workflow):
    """Checksum of every file that is made tile by tile, records left out."""
    artifacts = workflow.folder / "results/artifacts"
    files = (path for stage in TILED for path in artifacts.glob(f"{stage}/t[0-9]*/*/*"))
    return {
        str(path.relative_to(artifacts)): sha256(path) for path in files if path.name != "provenance.json"
    }


def written(workflow):
    """Every record of the stages that work tile by tile: one that is written anew has another time and duration."""
    artifacts = workflow.folder / "results/artifacts"
    records = (path for stage in TILED for path in artifacts.glob(f"{stage}/t[0-9]*/*/provenance.json"))
    return {path.parts[-3]: path.read_text() for path in records}


def test_the_jobs_are_few_and_the_catalogues_all_there(in_pairs):
    chunks = in_pairs.folder / "results/chunks"
    assert len(list((chunks / "infer").iterdir())) == 2 * 3
    assert len(products(in_pairs)) == 5 * (1 + 2 + 2 + 2)
    done = in_pairs.run("--dry-run")
    assert "Nothing to be done" in done.stdout, done.stdout
    (tally,) = (chunks / "tally").glob("infer.tiles.*")
    for name, made in json.loads(tally.read_text()).items():
        file = in_pairs.folder / f"results/artifacts/infer/{name}/{made['version']}/catalogue.parquet"
        assert sha256(file) == made["files"]["catalogue.parquet"]


@pytest.mark.parametrize("per_job", [1, 3])
def test_the_size_of_chunks_changes_no_bit(in_pairs, again, per_job):
    workflow = again(f"by-{per_job}", per_job)
    for stage in (*TILED, "compare"):
        shutil.rmtree(workflow.folder / "results/artifacts" / stage)
    shutil.rmtree(workflow.folder / "results/chunks")
    shutil.rmtree(workflow.face)
    done = workflow.run()
    assert done.returncode == 0, done.stdout
    assert products(workflow) == products(in_pairs)
    assert (workflow.face / "metrics.json").read_bytes() == (in_pairs.face / "metrics.json").read_bytes()


def test_a_missing_tile_is_made_again_alone(in_pairs, again):
    workflow = again("missing")
    before = written(workflow)
    shutil.rmtree(workflow.folder / "results/artifacts/infer/t1.cnn")
    assert workflow.planned("catalog") == {"infer_chunk": 1, "tally_tiles": 1, "catalog": 1}
    done = workflow.run("catalog")
    assert done.returncode == 0, done.stdout
    after = written(workflow)
    assert {name for name in after if after[name] != before.get(name)} == {"t1.cnn"}
    assert products(workflow) == products(in_pairs)


def test_other_chunks_find_everything_there(in_pairs, again):
    workflow = again("other", 4)
    before = written(workflow)
    done = workflow.run("catalog", "baseline")
    assert done.returncode == 0, done.stdout
    assert written(workflow) == before


def test_one_file_can_be_asked_for(in_pairs, again):
    workflow = again("one")
    (file,) = (workflow.folder / "results/artifacts/infer/t1.cnn").glob("*/catalogue.parquet")
    path, bits = str(file.relative_to(workflow.folder)), file.read_bytes()
    file.unlink()
    done = workflow.run(path)
    assert done.returncode == 0, done.stdout
    assert file.read_bytes() == bits


def test_a_bad_tile_is_the_only_one_concerned(in_pairs, again):
    workflow = again("bad")
    bad = workflow.folder / "t3.fits"
    bad.write_bytes(bad.read_bytes()[:20_000])
    for name in ("infer/t2.cnn", "baseline/t2.injected.sep"):
        shutil.rmtree(workflow.folder / "results/artifacts" / name)
    before = written(workflow)

    done = workflow.run()
    assert done.returncode != 0
    assert (
        "1 of 5 tiles: expected all to be made, found the failures above; the others are kept" in done.stdout
    )
    assert "t3.fits: expected a whole FITS file" in done.stdout
    after = written(workflow)
    assert {name for name in after if after[name] != before.get(name)} == {"t2.cnn", "t2.injected.sep"}
    assert products(workflow) == products(in_pairs)
    (reason,) = (workflow.folder / "results/failures/ingest").iterdir()
    assert reason.name.startswith("t3.")

    # Tried again, and only what failed: nothing has changed, so it fails again.
    again_planned = workflow.planned("ingest")
    assert again_planned == {"ingest_chunk": 1, "tally_tiles": 1, "ingest": 1}

    done = workflow.run("--config", "leave_out_failed=true")
    assert done.returncode == 0, done.stdout
    assert written(workflow) == after
    page = (workflow.face / "report.html").read_text()
    assert "tile t3" in page
    assert "t3.fits" in page
