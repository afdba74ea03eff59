"""Artifacts on disk: list them, find one by a short name, say how two recipes differ."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skymill.errors import DataError, VersionError
from skymill.provenance.recipe import VERSION_DIGITS
from skymill.provenance.record import read_record

ARTIFACTS = "artifacts"
"""Folder of all artifacts within the results folder."""
VERSION = re.compile(rf"[0-9a-f]{{{VERSION_DIGITS}}}")
ABSENT = "(absent)"

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Artifact:
    """One artifact on disk.

    Parameters
    ----------
    stage, name, version : str
        Its place below the folder of all artifacts.
    folder : Path
        Where its files are.
    record : mapping or None
        Its ``provenance.json``; None while there is none (the stage is running or was stopped) or it is damaged.
    """

    stage: str
    name: str
    version: str
    folder: Path
    record: Record | None

    @property
    def label(self) -> str:
        """``stage/name/version``."""
        return f"{self.stage}/{self.name}/{self.version}"

    @property
    def finished(self) -> str:
        """When the stage ended (ISO 8601, UTC); empty for an artifact without a record."""
        return str((self.record or {}).get("finished", ""))


@dataclass(frozen=True)
class Change:
    """One difference between two recipes.

    Parameters
    ----------
    artifact : str
        ``stage/name`` of the recipe that differs: the artifact itself or one that it was made from.
    key : str
        Dotted key within the recipe.
    before, after : object
        The two values; ``(absent)`` where a recipe does not have the key.
    """

    artifact: str
    key: str
    before: Any
    after: Any


def list_artifacts(results: str | Path, stage: str | None = None, name: str | None = None) -> list[Artifact]:
    """List the artifacts below a results folder, by stage, name and time.

    Parameters
    ----------
    results : str or Path
        The results folder; its artifacts are in ``artifacts/<stage>/<name>/<version>``.
    stage, name : str, optional
        List only these.
    """
    folders = (Path(results) / ARTIFACTS).glob(f"{stage or '*'}/{name or '*'}/*")
    found = [
        read_artifact(folder) for folder in folders if folder.is_dir() and VERSION.fullmatch(folder.name)
    ]
    return sorted(
        found, key=lambda artifact: (artifact.stage, artifact.name, artifact.finished, artifact.version)
    )


def read_artifact(folder: str | Path) -> Artifact:
    """Describe the artifact in `folder`, with its record if it has a readable one."""
    folder = Path(folder).resolve()
    try:
        record = read_record(folder)
    except DataError:
        record = None
    version, name, stage = folder.name, folder.parent.name, folder.parent.parent.name
    return Artifact(stage, name, version, folder, record)


def find_artifact(results: str | Path, spec: str) -> Artifact:
    """Find one artifact by a name that is as short as it is unambiguous.

    Parameters
    ----------
    results : str or Path
        The results folder.
    spec : str
        ``stage/name/version``, ``stage/name@version``, ``stage/name`` if there is one version, or a version alone;
        of a version, the first digits are enough.

    Raises
    ------
    VersionError
        If none or several artifacts answer to that name.
    """
    stage, name, prefix = _parsed(spec)
    found = [
        artifact
        for artifact in list_artifacts(results)
        if stage in (None, artifact.stage)
        and name in (None, artifact.name)
        and artifact.version.startswith(prefix)
    ]
    if len(found) != 1:
        labels = ", ".join(artifact.label for artifact in found[:10]) or "none"
        raise VersionError(
            f"artifact '{spec}'",
            expected=f"one artifact below {Path(results) / ARTIFACTS}, as stage/name/version or stage/name@version",
            found=f"{len(found)}: {labels}" if found else labels,
            remedy="`skymill versions` lists all.",
        )
    return found[0]


def _parsed(spec: str) -> tuple[str | None, str | None, str]:
    parts = spec.replace("@", "/").strip("/").split("/")
    if len(parts) == 1:
        return None, None, parts[0]
    stage, name, prefix = (*parts, "")[:3] if len(parts) < 4 else ("", "", "")
    return stage, name, prefix


def records_by_version(artifacts: Iterable[Artifact]) -> dict[str, Record]:
    """Return the records of `artifacts` by version, for :func:`recipe_changes`."""
    return {artifact.version: artifact.record for artifact in artifacts if artifact.record is not None}


def recipe_changes(before: Record, after: Record, known: Mapping[str, Record] | None = None) -> list[Change]:
    """Say how two recipes differ, also in what their parents were made with.

    Parameters
    ----------
    before, after : mapping
        Provenance records (or recipes as :meth:`~skymill.provenance.recipe.Recipe.to_dict` gives them).
    known : mapping of str to mapping, optional
        Records of other artifacts by version. A parent that differs is followed there, so that the parameter that
        changed is named rather than the parent's version alone.
    """
    changes = {(change.artifact, change.key): change for change in _changes(before, after, known or {})}
    return list(changes.values())


def _changes(before: Record, after: Record, known: Mapping[str, Record]) -> Iterator[Change]:
    label = f"{after['stage']}/{after['name']}"
    own = [{"revision": side.get("revision", 1), **side["params"]} for side in (before, after)]
    for key, old, new in differences(_flat(own[0]), _flat(own[1])):
        yield Change(label, key, old, new)
    for role, old, new in differences(before["parents"], after["parents"]):
        if old in known and new in known:
            yield from _changes(known[old], known[new], known)
        else:
            yield Change(label, f"parents.{role}", old, new)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Give key and both values of each entry in which two mappings differ, in the order of the keys."""
    for key in sorted({*before, *after}):
        old, new = before.get(key, ABSENT), after.get(key, ABSENT)
        if old != new:
            yield key, old, new


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one with dotted keys; lists stay whole."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
