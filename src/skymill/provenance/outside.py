"""Files that skymill did not make: which ones they are, without reading them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skymill.errors import DataError

MISSING = "missing"
OF_STATUS = "size:"
"""Begins identities that are worked out from a file's status; others are checksums and addresses."""


def identity(path: str | Path) -> str:
    """Identify a file by its size and time of change; ``missing`` if it is not there."""
    try:
        status = Path(path).stat()
    except OSError:
        return MISSING
    return f"{OF_STATUS}{status.st_size} mtime_ns:{status.st_mtime_ns}"


def check_identities(recipe: Mapping[str, Any], files: Mapping[str, str | Path]) -> None:
    """Refuse files that are not those that a recipe was made for.

    Parameters
    ----------
    recipe : mapping
        :meth:`skymill.provenance.recipe.Recipe.to_dict`; its ``parents`` say what files are meant, by role.
    files : mapping of str to path
        The files that are about to be read, by role; those of roles that the recipe does not name, and those that it
        names by a checksum or an artifact's version, are not looked at.

    Raises
    ------
    DataError
        If a file has changed, come or gone since.
    """
    for role, path in files.items():
        meant = recipe["parents"].get(role, "")
        if not (meant == MISSING or meant.startswith(OF_STATUS)) or (found := identity(path)) == meant:
            continue
        raise DataError(
            path,
            expected=f"the file as it was when the run began ({meant})",
            found=found,
            remedy="Start the run again: it looks at all files anew.",
        )
