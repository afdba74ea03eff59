"""Errors that say what was expected, what was found and what to do."""

from __future__ import annotations

from functools import partial
from pathlib import Path


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
        line = f"{self.where}: expected {self.expected}, found {self.found}."
        return f"{line} {self.remedy}".rstrip()


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
