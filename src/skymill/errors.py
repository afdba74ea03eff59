"""Errors that say what was expected, what was found and what to do."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

LINE_ENDS = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")
LONGEST = 1500
"""Characters of what a library says that are shown; :attr:`SkymillError.found` holds all of it."""


def one_line(text: str) -> str:
    """Return a text as one line that any terminal shows: lines are joined, control characters are escaped."""
    joined = LINE_ENDS.sub(" ", text.strip())
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in joined
    )


def _shortened(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    part = LONGEST // 2
    return f"{text[:part]} … ({len(text) - 2 * part} characters left out) … {text[-part:]}"


class SkymillError(Exception):
    """An error that a user can act on.

    Parameters
    ----------
    where : str or Path
        The file, HDU, key or column that is wrong.
    expected, found : str
        What skymill needs there and what it met.
    remedy : str, optional
        What the user can do about it.
    """

    def __init__(self, where: str | Path, *, expected: str, found: str, remedy: str = "") -> None:
        self.where, self.expected, self.found, self.remedy = str(where), expected, found, remedy
        super().__init__(str(where), expected, found, remedy)

    def __reduce__(self) -> tuple:
        """Let the error travel back from a worker process."""
        facts = {"expected": self.expected, "found": self.found, "remedy": self.remedy}
        return partial(type(self), self.where, **facts), ()

    def __str__(self) -> str:
        """One line: the place, what was expected, what was found, what to do."""
        line = f"{self.where}: expected {self.expected}, found {_shortened(one_line(self.found))}."
        return one_line(f"{line} {self.remedy}")


class ConfigError(SkymillError):
    """A key of the configuration, or a name that it uses, is wrong."""


class DataError(SkymillError):
    """A file cannot be read, cannot be written or holds something unusable."""


class VersionError(SkymillError):
    """An artifact does not fit the code or the artifact it is used with."""


class TrainingError(SkymillError):
    """A training cannot start or has lost its way (for example a loss that is not finite)."""


class ExternalToolError(SkymillError):
    """A program that skymill calls is missing or has failed."""
