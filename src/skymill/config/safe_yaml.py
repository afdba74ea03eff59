"""YAML that somebody else has written: small, shallow, and without references that grow when they are followed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from skymill.errors import DataError

LARGEST_BYTES = 10 * 2**20
DEEPEST = 50


class _Loader(yaml.SafeLoader):
    """Loads plain values; refuses references (``*name``) and what is nested too deeply."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a node unless it is a reference, or too deep."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.YAMLError(f"a reference (*) in line {mark.line + 1}, which is not read here")
        if self.depth >= DEEPEST:
            raise yaml.YAMLError(f"more than {DEEPEST} levels")
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def read_yaml(path: str | Path, what: str) -> Any:
    """Read a YAML file of unknown origin.

    Parameters
    ----------
    path : str or Path
        The file, UTF-8, of at most 10 MiB.
    what : str
        What it should be, for the error.

    Returns
    -------
    object
        Mappings, lists, texts, numbers.

    Raises
    ------
    DataError
        If it cannot be read, is no YAML or too large, is nested in more than 50 levels or holds references.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
        if len(content) > LARGEST_BYTES:
            raise ValueError(f"more than {LARGEST_BYTES / 2**20:.0f} MiB")
        return yaml.load(content.decode("utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise DataError(path, expected=what, found=str(error)) from error
