"""The identity of an artifact: what it was made with, as a hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VERSION_DIGITS = 10
REVISIONS: dict[str, int] = {}
"""Revision of each stage's meaning; raise one when a stage's output changes although no parameter did. Absent: 1."""


def canonical_json(value: Any) -> str:
    """Return `value` as JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def version_of(stage: str, revision: int, params: Mapping[str, Any], parents: Mapping[str, str]) -> str:
    """Return the Merkle hash: ten hexadecimal digits over stage, revision, parameters and the parents' versions."""
    identity = [stage, revision, dict(params), dict(parents)]
    return hashlib.sha256(canonical_json(identity).encode()).hexdigest()[:VERSION_DIGITS]


@dataclass(frozen=True)
class Recipe:
    """All that determines an artifact's content.

    Parameters
    ----------
    stage, name : str
        What kind of artifact it is and which of them.
    params : dict
        The parameters that change the output, as plain JSON values. No dates, no temporary paths, no shard sizes.
    parents : mapping of str to str
        Versions of the artifacts (and checksums of the outside files) that it is made from, by role.
    """

    stage: str
    name: str
    params: dict[str, Any]
    parents: Mapping[str, str] = field(default_factory=dict)

    @property
    def revision(self) -> int:
        """Revision of the stage's meaning."""
        return REVISIONS.get(self.stage, 1)

    @property
    def version(self) -> str:
        """Version of the artifact that this recipe makes today; see :func:`version_of`."""
        return version_of(self.stage, self.revision, self.params, self.parents)

    def folder(self, root: str | Path = "results/artifacts") -> Path:
        """Where the artifact lives below `root`."""
        return Path(root) / self.stage / self.name / self.version

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain values, version included."""
        return {
            "stage": self.stage,
            "name": self.name,
            "revision": self.revision,
            "version": self.version,
            "params": self.params,
            "parents": dict(self.parents),
        }
