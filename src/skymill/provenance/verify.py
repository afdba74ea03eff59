"""Check artifacts against their records: files, versions, parents."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from skymill.errors import DataError
from skymill.provenance.artifacts import ARTIFACTS, VERSION, Artifact, list_artifacts
from skymill.provenance.recipe import version_of
from skymill.provenance.record import product_files, read_record, sha256


@dataclass(frozen=True)
class Finding:
    """Something about an artifact that its record does not say.

    Parameters
    ----------
    where : str
        The artifact (``stage/name/version``), with the file or the parent.
    what : str
        What is wrong.
    is_problem : bool
        False for what is worth knowing but leaves the artifact as good as it was: a parent that was removed, an
        outside file that has changed since.
    """

    where: str
    what: str
    is_problem: bool = True


def verify(results: str | Path, artifacts: Iterable[Artifact]) -> Iterator[Finding]:
    """Recompute all checksums of `artifacts` and check their versions and parents.

    Parameters
    ----------
    results : str or Path
        The results folder, in which parents are looked up.
    artifacts : iterable of Artifact
        What to check.

    Yields
    ------
    Finding
        In the order of the artifacts; none when all is well.
    """
    present = {artifact.version for artifact in list_artifacts(results)}
    checksum = cache(sha256)
    for artifact in artifacts:
        try:
            read_record(artifact.folder)
        except DataError as error:
            yield Finding(artifact.label, f"has no usable record: {error}")
            continue
        yield from _check_version(artifact)
        yield from _check_outputs(artifact)
        yield from _check_parents(artifact, present)
        yield from _check_inputs(artifact, Path(results), checksum)


def _check_version(artifact: Artifact) -> Iterator[Finding]:
    record = artifact.record
    recorded = (record["stage"], record["name"], record["version"])
    if recorded != (artifact.stage, artifact.name, artifact.version):
        yield Finding(artifact.label, f"its record is of {'/'.join(recorded)}")
    hashed = version_of(record["stage"], record["revision"], record["params"], record["parents"])
    if hashed != artifact.version:
        yield Finding(artifact.label, f"its recipe has the version {hashed}, not the folder's")


def _check_outputs(artifact: Artifact) -> Iterator[Finding]:
    recorded, present = artifact.record["outputs"], set(product_files(artifact.folder))
    for name in sorted({*recorded, *present}):
        where = f"{artifact.label}/{name}"
        if name not in present:
            yield Finding(where, "is missing")
        elif name not in recorded:
            yield Finding(where, "is not in the record")
        elif (found := sha256(artifact.folder / name)) != recorded[name]:
            yield Finding(where, f"has changed: recorded sha256 {recorded[name]}, found {found}")


def _check_parents(artifact: Artifact, present: set[str]) -> Iterator[Finding]:
    for role, version in artifact.record["parents"].items():
        if VERSION.fullmatch(version) and version not in present:
            yield Finding(
                artifact.label, f"its parent '{role}', version {version}, is gone", is_problem=False
            )


def _check_inputs(artifact: Artifact, results: Path, checksum) -> Iterator[Finding]:
    """Compare the files that were read with what they hold now."""
    for role, described in artifact.record["inputs"].items():
        path, is_artifact = _where(described["path"], results)
        if path.is_file() and checksum(path) != described["sha256"]:
            what = f"was made from another content of its input '{role}' ({path}), which has changed since"
            yield Finding(artifact.label, what, is_problem=is_artifact)


def _where(recorded: str, results: Path) -> tuple[Path, bool]:
    """Return where an input is now, and whether it is an artifact below `results` (which may have been moved)."""
    inside = re.search(rf"(?:^|/){ARTIFACTS}/(.+)", recorded)
    return (results / ARTIFACTS / inside[1], True) if inside else (Path(recorded), False)
