"""Which copy of the library the jobs of a workflow import."""

from __future__ import annotations

import os
from pathlib import Path


def hand_to_jobs(source: str | Path) -> None:
    """Let the processes that this one starts import skymill from `source`, whatever else is installed.

    Parameters
    ----------
    source : str or Path
        Folder that holds the package ``skymill``; put first in ``PYTHONPATH``.
    """
    others = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([str(source), *others]))
