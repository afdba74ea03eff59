"""What a workflow hands to its jobs: which copy of the library they import, and when the run began."""

from __future__ import annotations

import os
import time
from pathlib import Path

BEGAN = "SKYMILL_RUN_BEGAN"
"""Environment variable that jobs inherit."""


def hand_to_jobs(source: str | Path) -> None:
    """Let the processes that this one starts import skymill from `source`, whatever else is installed.

    Parameters
    ----------
    source : str or Path
        Folder that holds the package ``skymill``; put first in ``PYTHONPATH``.
    """
    others = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([str(source), *others]))


def run_began(is_job: bool) -> float:
    """Return when the run began, in seconds since 1970: what fails later must not change the plan of its jobs.

    Parameters
    ----------
    is_job : bool
        False in the process that a person has started, which hands the time to its jobs; in a job that was started
        without it, it is now.
    """
    if not is_job or BEGAN not in os.environ:
        os.environ[BEGAN] = repr(time.time())
    return float(os.environ[BEGAN])
