"""A bad tile fails alone: one clear line, the other tiles finish, the report lists it."""

import numpy as np
import pytest
from astropy.io import fits

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

HEADER = "tile_id\tsurvey\timage\tsha256"


def write_tiles(workflow, *rows):
    (workflow.folder / "tiles.tsv").write_text("\n".join([HEADER, *rows]) + "\n")


@pytest.fixture(scope="module")
def failed(make_workflow):
    """A run with a good tile, a truncated one, one that is not there and one behind an address that nobody answers."""
    workflow = make_workflow("bad", without=("models.unet", "fields.sky"), shard_size=1000)
    good = np.random.default_rng(0).normal(size=(200, 200)).astype(np.float32) * 0.01
    fits.writeto(workflow.folder / "good.fits", good)
    whole = (workflow.folder / "good.fits").read_bytes()
    (workflow.folder / "short.fits").write_bytes(whole[:20_000])
    write_tiles(
        workflow,
        "good\thst_f160w\tgood.fits\t",
        "short\thst_f160w\tshort.fits\t",
        "gone\thst_f160w\tgone.fits\t",
        "far\thst_f160w\thttp://127.0.0.1:9/far.fits\t",
    )
    workflow.configure(tiles="tiles.tsv", inject=None, bound=None)
    return workflow, workflow.run("--keep-going")


def test_the_others_finish(failed):
    workflow, done = failed
    assert done.returncode != 0
    found = {
        path.parts[-3] for path in (workflow.folder / "results/artifacts/baseline").rglob("catalogue.parquet")
    }
    assert {"good.sep", "good.photutils", "good.source_extractor"} <= found
    assert not any(name.startswith(("short.", "gone.", "far.")) for name in found)


@pytest.mark.parametrize("name", ["short.fits", "gone.fits", "http://127.0.0.1:9/far.fits"])
def test_one_clear_line_names_the_file(failed, name):
    _, done = failed
    lines = [
        line for line in done.stdout.splitlines() if "expected" in line and "found" in line and name in line
    ]
    assert lines, done.stdout


def test_the_report_without_them_lists_them(failed):
    workflow, _ = failed
    done = workflow.run("--config", "leave_out_failed=true")
    assert done.returncode == 0, done.stdout
    page = (workflow.face / "report.html").read_text()
    for name in ("tile short", "tile gone", "tile far", "short.fits", "gone.fits"):
        assert name in page


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("../up\thst_f160w\tgood.fits\t", "column tile_id"),
        ("a\thst_f160w\tgood.fits\t\na\thst_f160w\tgood.fits\t", "expected each tile_id once"),
        ("a\thubble\tgood.fits\t", "survey: expected one of"),
        ("a\thst_f160w\tgood.fits\tabc", "column sha256"),
    ],
)
def test_a_wrong_tile_table_stops_the_run_at_once(make_workflow, row, words):
    workflow = make_workflow("table", tiles="tiles.tsv")
    write_tiles(workflow, row)
    done = workflow.run("--dry-run")
    assert done.returncode != 0
    assert words in done.stdout
    assert "Traceback" not in done.stdout
