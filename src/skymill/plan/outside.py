"""Files that skymill did not make, as a run saw them when it began.

The workflow is planned in every job. A file that changes meanwhile would change the plan of the jobs that start later,
and with it the versions of all that shares a chunk with its tile. So the first look counts for all jobs; what has
become of a file is seen where it is read (:func:`skymill.provenance.outside.check_identities`). What was read of a file
is remembered for the runs that follow (`MEMORY`).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from skymill.plan.artifact import RESULTS
from skymill.provenance.atomic import write_text
from skymill.provenance.outside import VARIABLE, Seen, look_at, place, read_seen, seen_by_run

OUTSIDE = RESULTS / "outside"
MEMORY = OUTSIDE / "checksums.json"
"""Checksums of files that runs in this folder have read, with the status that each file had."""
READERS = 4
"""Files that are read at a time: enough for a fast disk, and no burden for a slow one."""
WORTH_SAYING_BYTES = 10**9

log = logging.getLogger(__name__)


class OutsideFiles:
    """Gives the identities of files, each as it was when it was asked for first.

    Parameters
    ----------
    known : mapping of str to Seen, optional
        What this run has seen, by absolute path.
    remembered : mapping of str to Seen, optional
        What former runs have read; believed of a file whose status is still the same.
    """

    def __init__(
        self, known: Mapping[str, Seen] | None = None, remembered: Mapping[str, Seen] | None = None
    ) -> None:
        self.known, self.remembered = dict(known or {}), dict(remembered or {})

    def __call__(self, path: str) -> str:
        """Return the identity of a file (:func:`skymill.provenance.outside.identity`)."""
        where = place(path)
        if where not in self.known:
            self.known[where] = look_at(path, self.remembered)
        return self.known[where]["identity"]

    def look_at(self, paths: Iterable[str]) -> None:
        """Look at many files at once: those whose content has to be read are read in parallel."""
        new = {place(path): path for path in paths}
        new = {where: path for where, path in new.items() if where not in self.known}
        unread = [path for where, path in new.items() if where not in self.remembered]
        _say(unread)
        with ThreadPoolExecutor(READERS) as readers:
            seen = readers.map(lambda path: look_at(path, self.remembered), new.values())
            self.known |= dict(zip(new, seen, strict=True))

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
        return cls(seen_by_run() if is_job else {}, _remembered())

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
        self._remember()

    def _remember(self) -> None:
        proven = {where: seen for where, seen in self.known.items() if seen["status"]}
        if proven.items() <= self.remembered.items():
            return
        self.remembered |= proven
        write_text(MEMORY, json.dumps(self.remembered, sort_keys=True, indent=0) + "\n")


def _remembered() -> dict[str, Seen]:
    """Return what former runs have read; where that cannot be known, files are read again."""
    try:
        return read_seen(MEMORY)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        log.warning("%s: %s; the files of the tile table are read again", MEMORY, error)
        return {}


def _say(unread: Iterable[str]) -> None:
    """Say that much is to be read: the first planning of a large survey takes as long as its disk does."""
    sizes = [os.path.getsize(path) for path in unread if os.path.isfile(path)]  # noqa: PTH113, PTH202
    if sum(sizes) >= WORTH_SAYING_BYTES:
        log.warning(
            "reading %d files (%.0f GB) once for their checksums; "
            "those with a sha256 in the tile table are not read while a run is planned",
            len(sizes),
            sum(sizes) / 1e9,
        )
