"""Where the files of a run are read from, and that two of them never become one."""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections.abc import Callable

from skymill.config.ingest import is_url, last_part, local_location
from skymill.errors import ConfigError
from skymill.provenance.recipe import canonical_json

UNSAFE = re.compile(r"[^A-Za-z0-9_+-]+")
STEM_LENGTH, SUFFIX_LENGTH, DIGEST_LENGTH = 60, 20, 10
UNNAMED = "file"


class Places:
    """Gives the places of files that tables and the configuration name.

    Parameters
    ----------
    data_dir : str or None
        The folder that holds all files by their last names, if the run has one.
    locate : callable
        Gives the place of a path of the configuration.

    Raises
    ------
    ConfigError
        If `data_dir` is not a folder.
    """

    def __init__(self, data_dir: str | None, locate: Callable[[str], str] = str) -> None:
        if data_dir is not None and not os.path.isdir(locate(data_dir)):  # noqa: PTH112 - never raises
            what = "is no folder" if os.path.lexists(data_dir) else "is not there"
            raise ConfigError(
                "data_dir",
                expected="a folder that holds the files by their last names",
                found=f"'{data_dir}', which {what}",
                remedy="Correct it (relative paths begin where the run is started), or leave it out.",
            )
        self.data_dir = data_dir
        self._taken: dict[str, tuple[str, str, str]] = {}

    def local(self, location: str, owner: str) -> str:
        """Return the path, or the URL, that a file is read from.

        Parameters
        ----------
        location : str
            Path or URL as it stands in a table or in the configuration.
        owner : str
            What names it there, for messages: ``tile a, image``.

        Raises
        ------
        ConfigError
            If `data_dir` would make one file of this location and of another one.
        """
        local = local_location(location, self.data_dir)
        if self.data_dir is not None:
            self._take(local, location, owner)
        return local

    def _take(self, local: str, location: str, owner: str) -> None:
        meant = location if is_url(location) else posixpath.normpath(location)
        # On some file systems names that differ by case are one file, on others two.
        other, path, other_owner = self._taken.setdefault(local.casefold(), (meant, local, owner))
        if other == meant or (path != local and not _is_one_file(path, local)):
            return
        raise ConfigError(
            f"data_dir, {local}",
            expected="one file for each location",
            found=f"{other} ({other_owner}) and {location} ({owner})",
            remedy="Give one of the two another name, there and in the table, or leave data_dir out.",
        )


def _is_one_file(first: str, second: str) -> bool:
    try:
        return os.path.samefile(first, second)  # noqa: PTH121
    except (OSError, ValueError):
        return False


def fetched_name(url: str, sha256: str | None) -> str:
    """Return the name of what is fetched: the last part of its address for the reader, and a hash of all of it.

    Parameters
    ----------
    url : str
        The address, query included.
    sha256 : str or None
        Checksum that its file must have.

    Returns
    -------
    str
        Safe as a file's name everywhere: letters, digits and ``_+-.``; never equal for two addresses, also where
        capitals count for nothing.
    """
    stem, _, suffix = last_part(url).partition(".")
    stem = UNSAFE.sub("_", stem)[:STEM_LENGTH].strip("_+-") or UNNAMED
    digest = hashlib.sha256(canonical_json([url, sha256]).encode()).hexdigest()[:DIGEST_LENGTH]
    endings = [ending for part in suffix.split(".") if (ending := UNSAFE.sub("_", part).strip("_+-"))]
    return ".".join([f"{stem}-{digest}", *endings])[: STEM_LENGTH + DIGEST_LENGTH + SUFFIX_LENGTH].rstrip(".")
