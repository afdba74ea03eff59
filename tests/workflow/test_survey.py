"""The target survey: overlapping tiles become one catalogue, the same whether tiles are in chunks or not."""

import json
import os
import shutil

import numpy as np
import pytest
import yaml
from astropy.io import fits
from astropy.wcs import WCS

from skymill.catalog.catalogue import Catalogue

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

LONG_AGO = 10**9
SCALE_DEG = 0.06 / 3600
STARS = [(30, 40), (75, 150), (110, 60), (149, 30), (150, 100), (151, 170), (215, 80), (260, 160), (280, 40)]
CUTS = {"west": slice(0, 200), "east": slice(100, 300)}


def write_tiles(folder):
    """Two cuts of one image, 100 px of which they share; all copies have one time, which is their identity."""
    image = np.random.default_rng(8).normal(scale=0.003, size=(200, 300)).astype(np.float32)
    y, x = np.mgrid[:200, :300]
    # As wide as the survey's PSF, which ingest checks.
    for px, py in STARS:
        image += np.exp(-((x - px) ** 2 + (y - py) ** 2) / 3.25).astype(np.float32)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [53.0, -27.0], [150.5, 100.5]
    wcs.wcs.cdelt = [-SCALE_DEG, SCALE_DEG]
    rows = ["tile_id\tsurvey\timage"]
    for name, columns in CUTS.items():
        path = folder / f"{name}.fits"
        header = wcs[:, columns].to_header()
        fits.writeto(path, image[:, columns], header, overwrite=True)
        os.utime(path, (LONG_AGO, LONG_AGO))
        rows.append(f"{name}\thst_f160w\t{name}.fits")
    (folder / "tiles.tsv").write_text("\n".join(rows) + "\n")


def configure(workflow, per_job):
    """The tiny run with one network, one detector, no field, and a tile table."""
    workflow.configure(tiles="tiles.tsv", tiles_per_job=per_job)
    path = workflow.folder / "config.yaml"
    values = yaml.safe_load(path.read_text())
    values |= {"fields": {}, "inject": None, "models": {"cnn": values["models"]["cnn"]}}
    values |= {"detectors": {"sep": {"kind": "sep", "setting": "plain"}}}
    path.write_text(yaml.safe_dump(values))
    write_tiles(workflow.folder)


@pytest.fixture(scope="module")
def surveyed(make_workflow):
    """Two tiles in one chunk and their survey catalogues."""
    workflow = make_workflow("survey", shard_size=1000)
    configure(workflow, 2)
    done = workflow.run("survey")
    assert done.returncode == 0, done.stdout
    return workflow


def folder_of(workflow, detector):
    (folder,) = (workflow.folder / "results/artifacts/survey" / detector).iterdir()
    return folder


def test_each_star_is_there_once(surveyed):
    folder = folder_of(surveyed, "sep")
    index = json.loads((folder / "index.json").read_text())
    (part,) = index["parts"]
    found = Catalogue.read(folder / part["file"], "survey")
    left = np.array([CUTS[tile_id].start for tile_id in found["tile_id"]])
    places = sorted(zip(np.rint(found["x"] + left), np.rint(found["y"]), strict=True))
    assert places == sorted(STARS)
    assert index["rows"] == len(STARS)
    # Both tiles have seen what lies where they overlap.
    measured = (surveyed.folder / "results/artifacts/baseline").glob("*.sep/*/catalogue.parquet")
    catalogues = [Catalogue.read(path) for path in measured if "blends" not in str(path)]
    assert [len(catalogues), sum(map(len, catalogues))] == [2, len(STARS) + 4]


def test_nothing_is_compared_or_reported_for_it(surveyed):
    made = {path.name for path in (surveyed.folder / "results/artifacts").iterdir()}
    assert "survey" in made
    assert not made & {"compare", "evaluate", "inject", "bound"}
    done = surveyed.run("survey", "--dry-run")
    assert "Nothing to be done" in done.stdout, done.stdout
    planned = surveyed.planned()
    assert "report" in planned
    assert "survey_catalogue" not in planned


def test_without_chunks_it_is_the_same_file_by_file(surveyed, make_workflow):
    workflow = make_workflow("alone", shard_size=1000)
    leave = shutil.ignore_patterns("survey", "chunks")
    shutil.copytree(surveyed.folder / "results", workflow.folder / "results", ignore=leave)
    configure(workflow, 1)
    done = workflow.run("survey")
    assert done.returncode == 0, done.stdout
    for detector in ("cnn", "sep"):
        one, other = folder_of(surveyed, detector), folder_of(workflow, detector)
        assert one.name == other.name
        for name in ("index.json", "parts/part-00000.parquet"):
            assert (one / name).read_bytes() == (other / name).read_bytes()


def test_without_a_tile_table_it_says_so(make_workflow):
    done = make_workflow("fields").run("survey", "--dry-run")
    assert done.returncode != 0
    assert "expected a tile table" in done.stdout
