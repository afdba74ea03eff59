"""Jobs that a killed run has left on this machine: they go on, and would write the same files as those of a new run."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from skymill.errors import ExternalToolError

SCRIPTS = ".snakemake/scripts"
"""Where Snakemake puts the script of each job, below the run's working directory."""
PROCESSES = Path("/proc")
LAST_WORDS_S = 20.0
"""How long a job may take to end when it is asked to; then it is killed."""


def orphans(folder: str | Path) -> list[int]:
    """Return the processes of this machine that run a job's script of a folder; none where there is no ``/proc``.

    Parameters
    ----------
    folder : path
        Working directory of the run, in which no Snakemake runs any more.
    """
    scripts = f"{Path(folder).resolve() / SCRIPTS}/"
    found = (entry for entry in PROCESSES.glob("[0-9]*") if int(entry.name) != os.getpid())
    return sorted(
        int(entry.name) for entry in found if any(word.startswith(scripts) for word in _command(entry))
    )


def end(processes: Iterable[int], patience_s: float = LAST_WORDS_S) -> None:
    """Ask processes to end, kill those that do not, and wait until all are gone.

    Raises
    ------
    ExternalToolError
        If one cannot be ended.
    """
    left = set(processes)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in left:
            _send(process, number)
        deadline = time.monotonic() + patience_s
        while left and time.monotonic() < deadline:
            left = {process for process in left if _command(PROCESSES / str(process))}
            time.sleep(0.1)
    if left:
        raise ExternalToolError(
            "kill",
            expected="all jobs of the run to end",
            found=f"that these go on: {', '.join(map(str, sorted(left)))}",
            remedy="Look at them with ps, and run this command again when they have ended.",
        )


def _command(process: Path) -> list[str]:
    """Return the words of a process's command line; none of one that has ended, or is another user's."""
    try:
        return [os.fsdecode(word) for word in (process / "cmdline").read_bytes().split(b"\0") if word]
    except OSError:
        return []


def _send(process: int, number: signal.Signals) -> None:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise ExternalToolError(
            f"kill {process}", expected="a process of yours", found=str(error), remedy="Ask its owner."
        ) from error
