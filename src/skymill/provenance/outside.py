"""Files that skymill did not make: which ones they are.

A file is what it holds: a copy elsewhere, or one whose time has changed, is the same file, and two files of one size
and time are two. So the identity is the content's checksum. A file's content is read once; after that its status
(place on the disk, size, times) says whether it is the one that was read.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from skymill.errors import DataError
from skymill.provenance.checksum import sha256

MISSING = "missing"
UNREADABLE = "unreadable"
OF_CONTENT = "sha256:"
"""Begins identities that skymill worked out; others are declared checksums and addresses."""
VARIABLE = "SKYMILL_OUTSIDE_FILES"
"""Environment variable that jobs inherit: the file that holds what their run saw."""
SETTLED_S = 2.0
"""A file that has changed so shortly before it was read may change again without its times saying so."""

Seen = dict[str, str]
"""What is known of a file: its ``identity``, and the ``status`` that it had, empty where that proves nothing."""


def look_at(path: str | Path, known: Mapping[str, Seen] | None = None) -> Seen:
    """Identify a file, reading it unless its status says that it is the one that was read before.

    Parameters
    ----------
    path : str or Path
        The file; what is not a regular file (a folder, a pipe) counts as missing.
    known : mapping of str to Seen, optional
        What was read before, by absolute path (:func:`place`).

    Returns
    -------
    Seen
        ``identity`` is ``missing``, ``unreadable`` or ``sha256:`` and 64 hexadecimal digits.
    """
    began, status = time.time(), _status(path)
    if status is None:
        return {"identity": MISSING, "status": ""}
    before = (known or {}).get(place(path))
    if before is not None and before["status"] == _written(status):
        return dict(before)
    try:
        found = f"{OF_CONTENT}{sha256(path)}"
    except OSError:
        return {"identity": UNREADABLE, "status": ""}
    after = _status(path)
    is_settled = max(status.st_mtime, status.st_ctime) < began - SETTLED_S
    proves = is_settled and after is not None and _written(after) == _written(status)
    return {"identity": found, "status": _written(status) if proves else ""}


def identity(path: str | Path) -> str:
    """Identify a file by its content: ``sha256:…``, ``missing`` if it is not there, ``unreadable``."""
    return look_at(path, seen_by_run())["identity"]


def place(path: str | Path) -> str:
    """Return the absolute path that a file is remembered by; links are not followed, the status is the target's."""
    return os.path.abspath(path)  # noqa: PTH100 - resolve() would follow links


def _status(path: str | Path) -> os.stat_result | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - Path.stat() of a thousand files is twice as slow
    except (OSError, ValueError):  # ValueError: a NUL byte
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def _written(status: os.stat_result) -> str:
    return f"{status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def seen_by_run() -> dict[str, Seen]:
    """Return the files as the run that this job belongs to saw them, by place; none outside of a run.

    Raises
    ------
    DataError
        If what the run saw cannot be read.
    """
    handed = os.environ.get(VARIABLE)
    return {} if handed is None else _read_seen(handed)


@cache
def _read_seen(path: str) -> dict[str, Seen]:
    """Read what a run saw; such a file is named by its content and never changes."""
    try:
        return read_seen(path)
    except (OSError, ValueError) as error:
        raise DataError(
            path,
            expected="the files that the run saw when it began, written by it",
            found=str(error),
            remedy="Start the run again.",
        ) from error


def read_seen(path: str | Path) -> dict[str, Seen]:
    """Read files by place, as :meth:`skymill.plan.outside.OutsideFiles.hand_to_jobs` writes them.

    Raises
    ------
    OSError, ValueError
        If there is no such file, or it holds something else.
    """
    found = json.loads(Path(path).read_text(encoding="utf-8"))
    if not isinstance(found, dict) or not all(_is_seen(seen) for seen in found.values()):
        raise ValueError("no list of files with identity and status")
    return found


def _is_seen(value: Any) -> bool:
    is_pair = isinstance(value, dict) and value.keys() == {"identity", "status"}
    return is_pair and all(isinstance(text, str) for text in value.values())


def check_identities(recipe: Mapping[str, Any], files: Mapping[str, str | Path]) -> None:
    """Refuse files that are not those that a recipe was made for.

    Parameters
    ----------
    recipe : mapping
        :meth:`skymill.provenance.recipe.Recipe.to_dict`; its ``parents`` say what files are meant, by role.
    files : mapping of str to path
        The files that are about to be read, by role; those of roles that the recipe does not name, and those that it
        names by a declared checksum or an artifact's version, are not looked at. Of a file whose status is as the run
        saw it nothing is read.

    Raises
    ------
    DataError
        If a file has changed, come or gone since.
    """
    for role, path in files.items():
        meant = recipe["parents"].get(role, "")
        is_ours = meant in (MISSING, UNREADABLE) or meant.startswith(OF_CONTENT)
        if not is_ours or (found := identity(path)) == meant:
            continue
        raise DataError(
            path,
            expected=f"the file as it was when the run began ({meant})",
            found=found,
            remedy="Start the run again: it looks at all files anew.",
        )
