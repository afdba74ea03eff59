"""The identity of an artifact: what it was made with, as a hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VERSION_DIGITS = 10
KNOWN = "known version"
"""Where a recipe keeps a version that was worked out when it was made."""
REVISIONS: dict[str, int] = {"compare": 2, "generator": 2, "scene": 2}
"""Revision of each stage's meaning; raise one when a stage's output changes although no parameter did. Absent: 1."""


def canonical_json(value: Any) -> str:
    """Return `value` as JSON with sorted keys and no spaces: equal values give equal text."""
    return _ENCODER.encode(value)


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def version_of(stage: str, revision: int, params: Mapping[str, Any], parents: Mapping[str, str]) -> str:
    """Return the Merkle hash: ten hexadecimal digits over stage, revision, parameters and the parents' versions."""
    return _hashed(canonical_json([stage, revision, dict(params), dict(parents)]))


def _hashed(identity: str) -> str:
    return hashlib.sha256(identity.encode()).hexdigest()[:VERSION_DIGITS]


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
        return vars(self).get(KNOWN) or version_of(self.stage, self.revision, self.params, self.parents)

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


class Family:
    """Recipes of one stage that share parameters: these are written as JSON once, not for each of a million tiles.

    Parameters
    ----------
    stage : str
        The stage.
    shared : mapping
        Parameters that all have.
    """

    def __init__(self, stage: str, shared: Mapping[str, Any]) -> None:
        self.stage, self.shared = stage, dict(shared)
        self._pieces = _pieces(self.shared)

    def recipe(self, name: str, parents: Mapping[str, str], own: Mapping[str, Any] | None = None) -> Recipe:
        """Return one of them, with parameters of its `own`; equal to a :class:`Recipe` made by itself."""
        own = own or {}
        recipe = Recipe(self.stage, name, {**self.shared, **own}, parents)
        pieces = {**self._pieces, **_pieces(own)}
        params = ",".join([pieces[key] for key in sorted(pieces)])
        head = canonical_json([self.stage, recipe.revision])[:-1]
        vars(recipe)[KNOWN] = _hashed(f"{head},{{{params}}},{canonical_json(dict(parents))}]")
        return recipe


def _pieces(params: Mapping[str, Any]) -> dict[str, str]:
    return {key: f"{canonical_json(key)}:{canonical_json(value)}" for key, value in params.items()}
