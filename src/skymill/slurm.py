"""Slurm jobs that a dead run has left behind: cancel them and unlock the run's folder.

A Snakemake that is killed cannot cancel its jobs. They go on, and would write the same files as those of a new run.
Each run gives all its jobs one name, its run id, and writes that id into its log; jobs are found by it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from skymill.errors import DataError, ExternalToolError

# As snakemake-executor-plugin-slurm writes it: a prefix of the user's choice and a UUID, nothing else on the line.
RUN_ID = re.compile(
    r"^SLURM run ID: ((?:[A-Za-z0-9_-]{1,50}_)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$", re.MULTILINE
)
LOGS = ".snakemake/log"
LAST_WORDS_S = 120.0
"""How long a cancelled job may take to end: Slurm kills what does not end by itself after KillWait, often 30 s."""


@dataclass(frozen=True)
class Job:
    """A job in Slurm's queue."""

    number: str
    run: str
    """Run id, which is the job's name."""
    state: str


def dead_jobs(folder: str | Path) -> list[Job]:
    """Return the jobs of a folder's runs that are in Slurm's queue, after checking that all these runs are dead.

    Parameters
    ----------
    folder : path
        Working directory of the runs, the one that holds ``.snakemake``.

    Returns
    -------
    list of Job
        Jobs of this user, waiting or running, that are named after a run in the folder's logs.

    Raises
    ------
    DataError
        If Snakemake has never run there, or still does. Only processes of this machine are seen.
    ExternalToolError
        If runs have used Slurm and it does not answer here.
    """
    logs = sorted((Path(folder) / LOGS).glob("*.log"))
    if not logs:
        raise DataError(
            folder,
            expected="the working directory of a run",
            found=f"no logs in {LOGS}",
            remedy="Name the folder that Snakemake was started in, or its --directory.",
        )
    if process := _holder(logs):
        raise DataError(
            folder,
            expected="runs that are dead",
            found=f"one that goes on as process {process}",
            remedy=f"End it with Ctrl-C or `kill -INT {process}`: it cancels its jobs itself.",
        )
    # The first one only: Snakemake writes it before any job runs, and what jobs say may follow.
    found = (RUN_ID.search(log.read_text(errors="replace")) for log in logs)
    runs = {match[1] for match in found if match}
    return _queued(runs) if runs else []


def cancel(jobs: Sequence[Job], *, patience_s: float = LAST_WORDS_S) -> None:
    """Cancel jobs and wait until they have ended, so that none of them writes any more.

    Parameters
    ----------
    jobs : sequence of Job
        As :func:`dead_jobs` returns them.
    patience_s : float
        How long to wait for their end, in seconds.

    Raises
    ------
    ExternalToolError
        If Slurm does not cancel them, or they do not end in time.
    """
    runs = {job.run for job in jobs}
    for run in sorted(runs):
        # By owner and name, not by number: Slurm itself sees to it that nothing else is hit.
        _slurm(["scancel", f"--user={os.getuid()}", f"--name={run}"])
    deadline = time.monotonic() + patience_s
    while runs and (left := _queued(runs)):
        if time.monotonic() > deadline:
            raise ExternalToolError(
                "scancel",
                expected=f"all jobs to end within {patience_s:.0f} s",
                found=", ".join(f"{job.number} {job.state.lower()}" for job in left),
                remedy="Look at them with squeue, and run this command again when they have ended.",
            )
        time.sleep(0.5)


def unlock(folder: str | Path) -> None:
    """Remove the lock that a dead run has left on its working directory; Snakemake does it.

    Parameters
    ----------
    folder : path
        Working directory of the run.

    Raises
    ------
    ExternalToolError
        If Snakemake is missing or refuses.
    """
    # Locks belong to a folder, not to a workflow: an empty one serves, and no configuration has to be right.
    nothing_else = ["--snakefile", os.devnull, "--profile", "none", "--workflow-profile", "none"]
    _output([sys.executable, "-m", "snakemake", "--unlock", "--directory", str(folder), *nothing_else])


def _holder(logs: Sequence[Path]) -> str | None:
    """Return the process on this machine that has one of these logs open, as a live Snakemake has."""
    wanted = {log.resolve() for log in logs}
    for process in _entries(Path("/proc")):
        if process.name.isdigit() and wanted.intersection(map(_target, _entries(process / "fd"))):
            return process.name
    return None


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder; nothing if it has just gone, or is another user's."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _target(link: Path) -> Path | None:
    """Return what a link points to; None if it has just gone."""
    try:
        return link.readlink()
    except OSError:
        return None


def _queued(runs: set[str]) -> list[Job]:
    """Return this user's jobs in the queue that are named after one of the runs."""
    lines = _slurm(["squeue", "--noheader", f"--user={os.getuid()}", "--format=%i|%j|%T"]).splitlines()
    jobs = [Job(*line.split("|")) for line in lines if line.count("|") == 2]
    return [job for job in jobs if job.run in runs]


def _slurm(command: list[str]) -> str:
    return _output(command, "Run it where Slurm's commands are, on a login node of the cluster.")


def _output(command: list[str], remedy: str = "") -> str:
    """Return what a program printed."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=300
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ExternalToolError(command[0], expected="an answer", found=str(error), remedy=remedy) from error
    if done.returncode:
        said = " ".join(done.stderr.split()) or " ".join(done.stdout.split())
        raise ExternalToolError(
            " ".join(command[:4]), expected="exit status 0", found=f"{done.returncode}: {said}", remedy=remedy
        )
    return done.stdout
