"""What a file is: its place and what it holds. Results are where they are, also when they were brought there."""

import os
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from astropy.io import fits

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


def write_table(workflow, rows):
    lines = [f"{name}\tsdss_r\t{image}" for name, image in rows.items()]
    (workflow.folder / "tiles.tsv").write_text("\n".join(["tile_id\tsurvey\timage", *lines]) + "\n")


def sky_places(workflow, tile):
    """Right ascension of the reference pixel of each version of a tile."""
    tiles = (workflow.folder / "results/artifacts/ingest" / tile).glob("*/tile.fits")
    return sorted(round(fits.getheader(path, 1)["CRVAL1"], 3) for path in tiles)


@pytest.fixture(scope="module")
def address(make_case):
    """Address of a server that gives two images by four addresses, two of which differ in their query alone."""
    folder = make_case("same_name")
    images = [(folder / name / "calexp.fits").read_bytes() for name in ("night1", "night2")]
    served = {"/night1/calexp.fits": 0, "/night2/calexp.fits": 1, "/cutout?ra=1": 0, "/cutout?ra=2": 1}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            content = images[served[self.path]]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def odd(make_workflow, make_case, address):
    """A run of tiles behind odd names, two that are no file's among them, and of images with one last name."""
    workflow, folder = make_workflow("odd", survey="sdss_r", tiles="tiles.tsv"), make_case("odd_names")
    for name in ("good.fits", "field{1}.fits", "a b;$(touch x)*.fits"):
        shutil.copy(folder / "good.fits", workflow.folder / name)
    urls = {
        "one": "/night1/calexp.fits",
        "two": "/night2/calexp.fits",
        "ra1": "/cutout?ra=1",
        "ra2": "/cutout?ra=2",
    }
    names = {"good": "good.fits", "braces": "field{1}.fits", "shell": "a b;$(touch x)*.fits"}
    names |= {"long": f"{'x' * 300}.fits", "nul": "a\0b.fits"}
    write_table(workflow, names | {tile: address + path for tile, path in urls.items()})
    return workflow, workflow.run("ingest", "--keep-going")


def test_odd_names_stop_nobody_else(odd):
    workflow, done = odd
    assert done.returncode != 0
    made = {path.parts[-3] for path in (workflow.folder / "results/artifacts/ingest").rglob("tile.fits")}
    assert made == {"good", "braces", "shell", "one", "two", "ra1", "ra2", "sky"}
    assert not (workflow.folder / "x").exists()
    errors = {line for line in done.stdout.splitlines() if "expected a file, found none" in line}
    assert sum("x" * 300 in line for line in errors) == len(errors) - 1 == 1
    assert "Traceback" not in done.stdout


def test_what_failed_is_left_out(odd):
    workflow, _ = odd
    done = workflow.run("ingest", "--dry-run", "--config", "leave_out_failed=true")
    assert "Nothing to be done" in done.stdout, done.stdout


def test_images_of_one_last_name_are_two_files(odd):
    workflow, _ = odd
    one, two = sky_places(workflow, "one"), sky_places(workflow, "two")
    assert len(one) == len(two) == 1
    assert one != two
    assert (sky_places(workflow, "ra1"), sky_places(workflow, "ra2")) == (one, two)


@pytest.mark.parametrize("per_job", [1, 2])
def test_another_file_of_the_same_size_and_time_is_another_tile(make_workflow, make_case, per_job):
    folder = make_case("swapped_file")
    workflow = make_workflow("swapped", survey="sdss_r", tiles="tiles.tsv", tiles_per_job=per_job)
    for name in ("a.fits", "b.fits", "c.fits"):
        shutil.copy2(folder / name, workflow.folder / name)
    assert (
        len({(path.stat().st_size, path.stat().st_mtime) for path in workflow.folder.glob("[abc].fits")}) == 1
    )
    found = []
    for image in ("a.fits", "c.fits"):
        write_table(workflow, {"t1": image, "t2": "b.fits"})
        done = workflow.run("ingest")
        assert done.returncode == 0, done.stdout
        found.append(sky_places(workflow, "t1"))
    assert len(found[0]) == 1
    assert len(found[1]) == 2
    assert len(sky_places(workflow, "t2")) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tiles": "tiles.tsv"}, "tiles.tsv: expected a tile table with one row at least, found none."),
        ({"data_dir": "nowhere"}, "data_dir: expected a folder"),
    ],
)
def test_what_is_not_there_is_said_before_anything_runs(make_workflow, changes, words):
    workflow = make_workflow("nothing", **changes)
    write_table(workflow, {})
    done = workflow.run("--dry-run")
    assert done.returncode != 0
    assert sum(words in line for line in done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stdout


@pytest.fixture(scope="module")
def brought(finished, make_workflow):
    """The finished run's results in another folder with a checkout of its own: copied without times, links followed."""
    workflow = make_workflow("brought", copy=True)
    for path in workflow.source.rglob("*"):
        os.utime(path)
    shutil.copytree(
        finished.folder / "results", workflow.folder / "results", copy_function=shutil.copy, symlinks=False
    )
    return workflow


def test_results_that_were_brought_here_are_up_to_date(brought):
    for _ in range(2):
        done = brought.run("--dry-run")
        assert "Nothing to be done" in done.stdout, done.stdout


def test_an_output_that_is_gone_is_made_again(brought):
    (record,) = brought.folder.glob("results/artifacts/baseline/sky.sep/*/provenance.json")
    record.unlink()
    assert brought.planned() == {"baseline_tile": 1, "compare_run": 1, "report": 1}
    assert brought.planned("baseline") == {"baseline_tile": 1, "baseline": 1}
    shutil.rmtree(record.parent.parent)
    assert brought.planned() == {"baseline_tile": 1, "compare_run": 1, "report": 1}
    done = brought.run()
    assert done.returncode == 0, done.stdout
    assert record.is_file()
    assert brought.planned() == {}
    # The page's last line, and links where the copy had files.
    assert "results/tiny/report.html" in done.stdout.splitlines()
    assert all(path.is_symlink() for path in (brought.face / "catalogues").iterdir())


def test_catalogues_are_named_at_the_end(brought):
    (catalogue,) = brought.folder.glob("results/artifacts/infer/sky.cnn/*/catalogue.parquet")
    shutil.rmtree(brought.face)
    catalogue.unlink()
    done = brought.run("catalog")
    assert done.returncode == 0, done.stdout
    named = [line for line in done.stdout.splitlines() if line.startswith("results/tiny/catalogues/")]
    assert named == [f"results/tiny/catalogues/sky.{model}.parquet" for model in ("cnn", "unet")]
    assert all((brought.folder / name).resolve().is_file() for name in named)
