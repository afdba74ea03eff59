"""What a workflow hands to its jobs: which copy of the library they import, when the run began, long parameters."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


class Later:
    """A parameter of a job that is worked out when the job starts: what unpickles it gets the value itself.

    Snakemake works out the parameters of all jobs while it plans; lists of tiles would cost more than all else.

    Parameters
    ----------
    value : callable
        Gives a list or a dict.
    """

    def __init__(self, value: Callable[[], list[Any] | dict[str, Any]]) -> None:
        self._value = value

    def __reduce__(self) -> tuple[type, tuple[Any]]:
        """Become the value, as a copy of itself."""
        value = self._value()
        return type(value), (value,)
