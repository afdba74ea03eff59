"""Which Slurm jobs a dead run has left, and which commands cancel them. Slurm is played by three small programs."""

import json
import os
import sys

import pytest

from skymill import slurm
from skymill.cli import main
from skymill.errors import DataError, ExternalToolError

RUN = "skymill_0e2ad9ea-3f6f-4a60-9d63-7f6c2b1a1f10"
OTHER = "skymill_ffffffff-3f6f-4a60-9d63-7f6c2b1a1f10"
QUEUE = f"12|{RUN}|RUNNING\n13|{RUN}|PENDING\n14|{OTHER}|RUNNING\n15|evening backup|RUNNING\n"

# Keeps what it was called with; the queue is a file; scancel takes the jobs of its --name out of it.
PLAYED = """#!{python}
import json, pathlib, sys
here = pathlib.Path(__file__).parent
name, words = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
with open(here / "calls", "a") as calls:
    calls.write(json.dumps([name, *words]) + "\\n")
queue = here / "queue"
if name == "squeue":
    sys.stdout.write(queue.read_text())
elif not (here / "stubborn").exists():
    run = words[-1].removeprefix("--name=")
    queue.write_text("".join(line for line in queue.open() if line.split("|")[1] != run))
"""


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Folder of the programs that play Slurm, first on the path; it holds the queue and the calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("squeue", "scancel"):
        (folder / name).write_text(PLAYED.format(python=sys.executable))
        (folder / name).chmod(0o755)
    (folder / "queue").write_text(QUEUE)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


@pytest.fixture
def folder(tmp_path):
    """Working directory with the log of one run."""
    logs = tmp_path / "run" / ".snakemake" / "log"
    logs.mkdir(parents=True)
    (logs / "2026-11-20T164003.548494.snakemake.log").write_text(f"Building DAG\nSLURM run ID: {RUN}\nmore\n")
    return tmp_path / "run"


def calls(cluster, program):
    lines = (cluster / "calls").read_text().splitlines() if (cluster / "calls").exists() else []
    return [line for line in map(json.loads, lines) if line[0] == program]


def test_only_jobs_of_the_folders_runs_are_found(cluster, folder):
    found = [(job.number, job.state) for job in slurm.dead_jobs(folder)]

    assert found == [("12", "RUNNING"), ("13", "PENDING")]
    assert f"--user={os.getuid()}" in calls(cluster, "squeue")[0]


def test_jobs_are_cancelled_by_owner_and_name(cluster, folder):
    slurm.cancel(slurm.dead_jobs(folder))

    assert calls(cluster, "scancel") == [["scancel", f"--user={os.getuid()}", f"--name={RUN}"]]
    assert (cluster / "queue").read_text() == f"14|{OTHER}|RUNNING\n15|evening backup|RUNNING\n"


def test_without_jobs_nothing_is_cancelled(cluster, folder):
    (cluster / "queue").write_text("")
    slurm.cancel(slurm.dead_jobs(folder))

    assert calls(cluster, "scancel") == []


@pytest.mark.parametrize(
    "line",
    [
        f"SLURM run ID: {OTHER}; rm -rf /",
        f"SLURM run ID: $(touch x)_{OTHER}",
        f"said: SLURM run ID: {OTHER}",
        "SLURM run ID: --name=*",
        "SLURM run ID: evening backup",
    ],
)
def test_what_is_no_run_id_is_none(cluster, folder, line):
    (log,) = (folder / slurm.LOGS).iterdir()
    log.write_text(f"{line}\n")

    assert slurm.dead_jobs(folder) == []
    assert not (cluster / "calls").exists()


def test_what_jobs_say_later_in_the_log_is_no_run_id(cluster, folder):
    (log,) = (folder / slurm.LOGS).iterdir()
    log.write_text(f"SLURM run ID: {RUN}\nSLURM run ID: {OTHER}\n")

    assert {job.run for job in slurm.dead_jobs(folder)} == {RUN}


def test_a_run_without_slurm_needs_none(folder, monkeypatch):
    (log,) = (folder / slurm.LOGS).iterdir()
    log.write_text("Building DAG\n")
    monkeypatch.setenv("PATH", "/nowhere")

    assert slurm.dead_jobs(folder) == []


def test_a_live_run_is_left_alone(cluster, folder):
    (log,) = (folder / slurm.LOGS).iterdir()
    with log.open("a"), pytest.raises(DataError, match=f"goes on as process {os.getpid()}"):
        slurm.dead_jobs(folder)

    assert slurm.dead_jobs(folder)


def test_a_folder_without_runs_is_refused(cluster, tmp_path):
    with pytest.raises(DataError, match="expected the working directory of a run"):
        slurm.dead_jobs(tmp_path)


def test_a_machine_without_slurm_says_so(folder, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(ExternalToolError, match=r"squeue: expected an answer.*login node"):
        slurm.dead_jobs(folder)


def test_jobs_that_do_not_end_are_named(cluster, folder):
    (cluster / "stubborn").touch()

    with pytest.raises(ExternalToolError, match=r"expected all jobs to end.*12 running, 13 pending"):
        slurm.cancel(slurm.dead_jobs(folder), patience_s=0)


def test_slurms_own_complaint_is_shown(cluster, folder):
    (cluster / "squeue").write_text(
        "#!/bin/sh\necho 'slurm_load_jobs error: Unable to contact' >&2\nexit 1\n"
    )

    with pytest.raises(ExternalToolError, match="found 1: slurm_load_jobs error: Unable to contact"):
        slurm.dead_jobs(folder)


@pytest.mark.slow
def test_the_command_cancels_and_unlocks(cluster, folder, capsys):
    locks = folder / ".snakemake" / "locks"
    locks.mkdir()
    (locks / "0.output.lock").write_text("report.html\n")

    assert main(["cancel", str(folder), "--dry-run"]) == 0
    assert capsys.readouterr().out == f"12  running  {RUN}\n13  pending  {RUN}\n"
    assert (locks / "0.output.lock").exists() and not calls(cluster, "scancel")

    assert main(["cancel", str(folder)]) == 0
    assert f"2 jobs cancelled, {folder} unlocked" in capsys.readouterr().out
    assert not (locks / "0.output.lock").exists()


def test_a_folder_that_cannot_be_unlocked_says_why(monkeypatch, folder):
    monkeypatch.setattr(slurm.sys, "executable", "/bin/false")

    with pytest.raises(ExternalToolError, match="expected exit status 0, found 1"):
        slurm.unlock(folder)
