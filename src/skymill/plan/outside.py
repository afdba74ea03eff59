"""Files that skymill did not make, as a run saw them when it began.

The workflow is planned in every job. A file that changes meanwhile would change the plan of the jobs that start later,
and with it the versions of all that shares a chunk with its tile. So the first look counts for all jobs; what has
become of a file is seen where it is read (:func:`skymill.provenance.outside.check_identities`).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from skymill.errors import DataError
from skymill.plan.artifact import RESULTS
from skymill.provenance.atomic import write_text
from skymill.provenance.outside import identity

OUTSIDE = RESULTS / "outside"
VARIABLE = "SKYMILL_OUTSIDE_FILES"
"""Environment variable that jobs inherit: the file that holds what their run saw."""


class OutsideFiles:
    """Gives the identities of files, each as it was when it was asked for first.

    Parameters
    ----------
    known : mapping of str to str, optional
        Identities by path.
    """

    def __init__(self, known: Mapping[str, str] | None = None) -> None:
        self.known = dict(known or {})

    def __call__(self, path: str) -> str:
        """Return the identity of a file (:func:`skymill.provenance.outside.identity`)."""
        if path not in self.known:
            self.known[path] = identity(path)
        return self.known[path]

    @classmethod
    def of_run(cls, is_job: bool) -> OutsideFiles:
        """Return the files as this run saw them.

        Parameters
        ----------
        is_job : bool
            False in the process that a person has started, which looks for itself; so does a job that was started
            without :meth:`hand_to_jobs`.

        Raises
        ------
        DataError
            If what the run saw cannot be read.
        """
        if not is_job or VARIABLE not in os.environ:
            return cls()
        path = Path(os.environ[VARIABLE])
        try:
            return cls(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise DataError(
                path,
                expected="the files that the run saw when it began, written by it",
                found=str(error),
                remedy="Start the run again.",
            ) from error

    def hand_to_jobs(self) -> None:
        """Let the jobs that this process starts see the files as this one has; nothing is written without any."""
        os.environ.pop(VARIABLE, None)
        if not self.known:
            return
        text = json.dumps(self.known, sort_keys=True, indent=0)
        # Named by what it says: a second run in the folder does not change what the jobs of the first one see.
        path = OUTSIDE / f"{hashlib.sha256(text.encode()).hexdigest()[:10]}.json"
        if not path.is_file():
            write_text(path, text + "\n")
        os.environ[VARIABLE] = str(path)
