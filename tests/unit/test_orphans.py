"""skymill.orphans: jobs that a killed run has left on this machine."""

import subprocess
import sys
import time

import pytest

from skymill.errors import ExternalToolError
from skymill.orphans import end, orphans

WILLING = "import time; print('ready', flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WILLING}"


@pytest.fixture
def start(tmp_path):
    """A function that starts a job's script in a run's folder."""
    started = []

    def starting(text, folder="run"):
        script = tmp_path / folder / ".snakemake/scripts/tmpabc.ingest_tile.py"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(text)
        process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield starting
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_only_the_jobs_of_that_folder_are_found(start, tmp_path):
    mine, _ = start(WILLING), start(WILLING, "run2")
    assert orphans(tmp_path / "run") == [mine.pid]
    assert orphans(tmp_path / "nowhere") == []


@pytest.mark.parametrize("text", [WILLING, STUBBORN])
def test_they_are_ended_the_stubborn_ones_too(start, tmp_path, text):
    process = start(text)
    end(orphans(tmp_path / "run"), patience_s=0.5)
    assert process.wait(timeout=5) < 0
    assert orphans(tmp_path / "run") == []


def test_what_has_ended_is_no_error(start):
    process = start(WILLING)
    process.kill()
    process.wait()
    end([process.pid], patience_s=0.1)


def test_one_that_does_not_end_is_named(start, monkeypatch):
    process = start(WILLING)
    monkeypatch.setattr("skymill.orphans.os.kill", lambda *arguments: None)
    before = time.monotonic()
    with pytest.raises(ExternalToolError, match=rf"these go on: {process.pid}"):
        end([process.pid], patience_s=0.2)
    assert time.monotonic() - before < 5
