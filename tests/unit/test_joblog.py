"""skymill.joblog: the log of one job, and how a job ends."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from skymill.errors import DataError
from skymill.joblog import job_log, times_begun


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """job_log sets up the whole process's logging; give pytest its own back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def test_messages_go_to_the_file_and_to_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "logs" / "job.log"
    with job_log(path):
        logging.getLogger("skymill.blend").info("drew %d blends", 3)

    assert path.read_text().rstrip().endswith("INFO skymill.blend: drew 3 blends")
    assert "drew 3 blends" in capsys.readouterr().err


def test_a_log_is_written_anew(tmp_path: Path):
    path = tmp_path / "job.log"
    path.write_text("of the last run\n")
    with job_log(path):
        pass

    assert path.read_text() == ""


def test_skymill_error_is_one_line_and_status_1(tmp_path: Path):
    path = tmp_path / "job.log"
    with pytest.raises(SystemExit) as stop, job_log(path):
        raise DataError("tile.fits", expected="two axes", found="three")

    assert stop.value.code == 1
    (line,) = path.read_text().splitlines()
    assert line.endswith("ERROR skymill: tile.fits: expected two axes, found three.")


def test_other_errors_are_one_line_and_keep_their_traceback(tmp_path: Path):
    path = tmp_path / "job.log"
    with pytest.raises(SystemExit) as stop, job_log(path, tmp_path / "failures/tile.txt"):
        1 / 0  # noqa: B018

    assert stop.value.code == 1
    (line,) = path.read_text().splitlines()
    assert "ZeroDivisionError: expected no such error, found division by zero." in line
    assert str(tmp_path / "job.traceback.txt") in line
    assert "Traceback" in (tmp_path / "job.traceback.txt").read_text()
    assert (tmp_path / "failures/tile.txt").read_text().strip() in line


def test_a_job_that_is_killed_leaves_a_note(tmp_path: Path):
    script = (
        "import os, signal, sys\n"
        "from skymill.joblog import job_log\n"
        "with job_log('job.log', 'failures/tile.txt'):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    for times in (1, 2):
        subprocess.run([sys.executable, "-c", script], cwd=tmp_path)
        assert times_begun(tmp_path / "failures/tile.txt") == times
    with job_log(tmp_path / "job.log", tmp_path / "failures/tile.txt"):
        assert times_begun(tmp_path / "failures/tile.txt") == 3
    assert times_begun(tmp_path / "failures/tile.txt") == 0
    assert not list((tmp_path / "failures").iterdir())


def test_an_interrupt_is_not_swallowed(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt), job_log(tmp_path / "job.log"):
        raise KeyboardInterrupt


def test_warnings_go_to_the_log(tmp_path: Path):
    path = tmp_path / "job.log"
    with warnings.catch_warnings(), job_log(path):
        warnings.simplefilter("always")
        warnings.warn("half of the tile has no data", stacklevel=1)

    assert "half of the tile has no data" in path.read_text()


def test_a_failing_job_ends_its_process_with_status_1(tmp_path: Path):
    code = (
        "import sys\n"
        "from skymill.errors import ConfigError\n"
        "from skymill.joblog import job_log\n"
        "with job_log(sys.argv[1]):\n"
        "    raise ConfigError('seed', expected='an integer', found='nothing')\n"
    )
    path = tmp_path / "job.log"
    environment = {"PYTHONPATH": ":".join(sys.path)}
    job = subprocess.run(
        [sys.executable, "-c", code, path], env=environment, capture_output=True, text=True, check=False
    )

    assert job.returncode == 1
    assert "Traceback" not in job.stderr
    assert job.stderr == path.read_text()
