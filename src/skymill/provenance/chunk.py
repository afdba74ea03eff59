"""The job of a chunk: many tiles' artifacts, one after the other, each as if it were alone.

A tile that fails leaves its reason and the others go on, also where it kills the process that works on it; one whose
artifact is as it would be made again is left alone.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from skymill.errors import DataError
from skymill.joblog import BEGUN, TRACEBACK, begun, leave_reason, reason_of, times_begun
from skymill.provenance.apart import one_by_one
from skymill.provenance.atomic import write_text
from skymill.provenance.checksum import read_sealed, seal, sha256
from skymill.provenance.record import FILENAME, checked_once, read_record

log = logging.getLogger(__name__)

STAGE_CODE = "stage_code"
"""Item of a record: stamp of the code that its stage runs through, where one job makes many artifacts."""
FAILURES_SHOWN = 10
MOST_DEATHS = 2
"""A member that has taken the whole job with it so often in one run is not tried again in it."""
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
    all_of_it = [Member(**{**values, "recipe": {**values["recipe"], STAGE_CODE: code}}) for values in members]
    passed_on = {
        member.name: failed_before[folder]
        for member in all_of_it
        for folder in _folders(member)
        if folder in failed_before
    }
    # Reasons by name; None for what is there.
    outcomes: dict[str, str | None] = dict(passed_on)
    for member, reason in _make_all([member for member in all_of_it if member.name not in passed_on], make):
        outcomes[member.name] = reason
    made, failed = {}, {}
    for member in all_of_it:
        if (reason := outcomes[member.name]) is None:
            made[member.name] = member.described()
        else:
            is_own = member.name not in passed_on
            failed[member.name] = {"folder": str(member.folder), "reason": reason, "is_own": is_own}
    log.info("%d of %d there", len(made), len(made) + len(failed))
    write_text(output, seal(json.dumps({"made": made, "failed": failed}, indent=1)))


def _make_all(
    members: Sequence[Member], make: Callable[[Member], None]
) -> Iterator[tuple[Member, str | None]]:
    """Make members in a process of their own; gives each with the reason why it could not be made, or None."""
    deaths = {member.name: times_begun(member.failure) for member in members}
    tried = [member for member in members if deaths[member.name] < MOST_DEATHS]
    # What has killed the whole job before is tried when all others are there.
    tried.sort(key=lambda member: deaths[member.name])
    for member, reason, death in one_by_one(tried, partial(_make, make)):
        yield member, reason if death is None else _died(member, death)
    for member in members:
        if deaths[member.name] >= MOST_DEATHS:
            yield member, _died(member, "the whole job was killed while it was worked on")


def _died(member: Member, how: str) -> str:
    """Leave the reason of a member that has killed the process."""
    found = DataError(member.name, expected="it to be made", found=how)
    log.error("%s", found)
    leave_reason(member.failure, str(found))
    Path(member.failure).with_suffix(BEGUN).unlink(missing_ok=True)
    return str(found)


def _folders(member: Member) -> list[str]:
    return [str(Path(path).parent) for path in member.inputs.values()]


def _failed_folders(manifests: Sequence[str | Path]) -> dict[str, str]:
    """Return the reasons by the folder of the artifact that could not be made."""
    return {
        entry["folder"]: entry["reason"]
        for path in manifests
        for entry in read_manifest(path)["failed"].values()
    }


def _make(make: Callable[[Member], None], member: Member) -> str | None:
    """Make a member unless it is as it should be; returns why it could not be made."""
    reason = None
    if not member.is_current():
        try:
            with begun(member.failure):
                make(member)
        except Exception as error:  # noqa: BLE001 - whatever it is, its reason is kept
            reason = reason_of(error, Path(member.failure).with_suffix(TRACEBACK))
            log.error("%s: %s", member.name, reason)
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
        for reason in reasons[:FAILURES_SHOWN]:
            log.error("%s", reason)
        if len(reasons) > FAILURES_SHOWN:
            log.error("and %d more: results/failures", len(reasons) - FAILURES_SHOWN)
        raise DataError(
            f"{len(failed)} of {len(made) + len(failed)} tiles",
            expected="all to be made",
            found="the failures above; the others are kept",
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
