"""Checksums: of files, and of records that carry their own."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from skymill.errors import DataError

SEAL = "~sha256"
"""Last item of a sealed record: the SHA-256 of the text before it."""
LIKE_A_SEAL = re.compile(r',?\n ".{7}": "(.{64})"\n\}\n?\Z')
"""A last item that is a seal, or was one: a damaged seal must not pass for a record of the time before seals."""


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits, read in pieces."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(text: str) -> str:
    """Add to a JSON object its own checksum.

    Parameters
    ----------
    text : str
        The object, as ``json.dumps(…, indent=1)`` gives it.

    Returns
    -------
    str
        The same with the item :data:`SEAL` at its end; for :func:`read_sealed`, and JSON to anyone else.
    """
    body = text.removesuffix("}").removesuffix("\n")
    return f'{body}{"" if body == "{" else ","}\n "{SEAL}": "{_digest(body)}"\n}}\n'


def read_sealed(path: str | Path, what: str, remedy: str) -> dict[str, Any]:
    """Read a record that :func:`seal` has closed, or one of the time before seals.

    Parameters
    ----------
    path : str or Path
        The file.
    what : str
        What it should be, for the error.
    remedy : str
        What to do if it is not.

    Returns
    -------
    dict
        Its content without the seal.

    Raises
    ------
    DataError
        If the file cannot be read, is no JSON object, or is not what its seal says.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8")
        content = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(path, expected=what, found=" ".join(str(error).split()), remedy=remedy) from error
    if not isinstance(content, dict):
        raise DataError(path, expected=what, found=f"JSON of kind {type(content).__name__}", remedy=remedy)
    last = LIKE_A_SEAL.search(text)
    if last is None and not any(key.startswith(SEAL[0]) for key in content):
        return content
    if last is None or content.pop(SEAL, None) != _digest(text[: last.start()]):
        raise DataError(
            path, expected=f"{what} as it was written", found="another content than its seal's", remedy=remedy
        )
    return content


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
