"""The job of a chunk: many tiles' artifacts, one after the other, each as if it were alone.

A tile that fails leaves its reason and the others go on; one whose artifact is as it would be made again is left alone.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skymill.errors import DataError, SkymillError
from skymill.joblog import leave_reason
from skymill.provenance.atomic import write_text
from skymill.provenance.checksum import read_sealed, seal, sha256
from skymill.provenance.record import FILENAME, checked_once, read_record

log = logging.getLogger(__name__)

STAGE_CODE = "stage_code"
"""Item of a record: stamp of the code that its stage runs through, where one job makes many artifacts."""
FAILURES_SHOWN = 10
REMEDY = "Delete it and start again: what is there already is kept."


@dataclass(frozen=True)
class Member:
    """One artifact of a chunk.

    Parameters
    ----------
    recipe : mapping
        :meth:`skymill.provenance.recipe.Recipe.to_dict` of the artifact.
    inputs, outputs : mapping of str to str
        Files that it is made from and consists of, by role.
    failure : str
        Where the reason is left if it cannot be made.
    """

    recipe: Mapping[str, Any]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    failure: str

    @property
    def name(self) -> str:
        """The artifact's name."""
        return self.recipe["name"]

    @property
    def folder(self) -> Path:
        """The artifact's folder."""
        return Path(next(iter(self.outputs.values()))).parent

    def is_current(self) -> bool:
        """Whether the artifact is there, made by this code from these inputs.

        An input that is older than the record is the one that was read; of a newer one the checksum decides.
        """
        if not all(Path(path).is_file() for path in self.outputs.values()):
            return False
        try:
            record = read_record(self.folder)
        except DataError:
            return False
        if record.get(STAGE_CODE) != self.recipe[STAGE_CODE]:
            return False
        written = (self.folder / FILENAME).stat().st_mtime_ns
        newer = {
            role: path
            for role, path in self.inputs.items()
            if Path(path).is_file() and Path(path).stat().st_mtime_ns > written
        }
        read = record["inputs"]
        return all(role in read and read[role]["sha256"] == sha256(path) for role, path in newer.items())

    def described(self) -> dict[str, Any]:
        """Return version, rows and checksums, as the artifact's record has them."""
        record = read_record(self.folder)
        return {"version": record["version"], "rows": record["rows"], "files": record["outputs"]}


@checked_once()
def make_chunk(
    members: Iterable[Mapping[str, Any]],
    make: Callable[[Member], None],
    *,
    manifests: Sequence[str | Path],
    code: str,
    output: str | Path,
) -> None:
    """Make what is missing of a chunk, and write its manifest.

    Parameters
    ----------
    members : iterable of mapping
        Fields of :class:`Member`.
    make : callable
        Makes one of them; what it raises is that member's failure alone.
    manifests : sequence of path
        Manifests of the chunks that this one is made from: what failed there cannot be made here.
    code : str
        Stamp of the code that the stage runs through; kept in each record.
    output : path
        The manifest, JSON: ``made`` (version, rows and files' SHA-256 by artifact's name) and ``failed`` (``folder``,
        ``reason`` and ``is_own``: whether it failed here, by name).

    Raises
    ------
    DataError
        If a manifest cannot be read or written.
    """
    failed_before = _failed_folders(manifests)
    made, failed = {}, {}
    for values in members:
        member = Member(**{**values, "recipe": {**values["recipe"], STAGE_CODE: code}})
        reason = next((failed_before[folder] for folder in _folders(member) if folder in failed_before), None)
        is_own = reason is None
        if is_own:
            reason = _make(member, make)
        if reason is None:
            made[member.name] = member.described()
        else:
            failed[member.name] = {"folder": str(member.folder), "reason": reason, "is_own": is_own}
    log.info("%d of %d there", len(made), len(made) + len(failed))
    write_text(output, seal(json.dumps({"made": made, "failed": failed}, indent=1)))


def _folders(member: Member) -> list[str]:
    return [str(Path(path).parent) for path in member.inputs.values()]


def _failed_folders(manifests: Sequence[str | Path]) -> dict[str, str]:
    """Return the reasons by the folder of the artifact that could not be made."""
    return {
        entry["folder"]: entry["reason"]
        for path in manifests
        for entry in read_manifest(path)["failed"].values()
    }


def _make(member: Member, make: Callable[[Member], None]) -> str | None:
    """Make a member unless it is as it should be; returns why it could not be made."""
    if member.is_current():
        reason = None
    else:
        try:
            make(member)
            reason = None
        except SkymillError as error:
            log.error("%s: %s", member.name, error)
            reason = str(error)
        except Exception as error:
            log.exception("%s: unexpected error", member.name)
            reason = f"{member.name}: unexpected error: {type(error).__name__}: {error}"
    leave_reason(member.failure, reason)
    return reason


def tally_tiles(manifests: Sequence[str | Path], output: str | Path) -> None:
    """Tie the manifests of a stage's chunks together: every tile's artifact with its checksums, if all are there.

    Parameters
    ----------
    manifests : sequence of path
        What :func:`make_chunk` wrote.
    output : path
        JSON: version, rows and files' SHA-256 by artifact's name.

    Raises
    ------
    DataError
        If a tile failed; says which and why.
    """
    made, failed = {}, {}
    for path in manifests:
        found = read_manifest(path)
        made |= found["made"]
        failed |= found["failed"]
    if failed:
        reasons = list(dict.fromkeys(entry["reason"] for entry in failed.values()))
        more = "" if len(reasons) <= FAILURES_SHOWN else f"\n  and {len(reasons) - FAILURES_SHOWN} more"
        raise DataError(
            f"{len(failed)} of {len(made) + len(failed)} tiles",
            expected="all to be made",
            found="failures; the others are kept:\n  "
            + "\n  ".join(reasons[:FAILURES_SHOWN]).rstrip(". ")
            + more,
            remedy="Mend them and start again: only these are made. Or go on without: --config leave_out_failed=true",
        )
    write_text(output, json.dumps(made, indent=1) + "\n")


def read_manifest(path: str | Path) -> dict[str, Any]:
    """Read the manifest of a chunk, as :func:`make_chunk` writes it.

    Raises
    ------
    DataError
        If it cannot be read, is none, or is damaged.
    """
    manifest = read_sealed(path, "a chunk's manifest", REMEDY)
    if not all(isinstance(manifest.get(part), dict) for part in ("made", "failed")):
        raise DataError(
            path, expected="a chunk's manifest", found="JSON without made and failed", remedy=REMEDY
        )
    return manifest
