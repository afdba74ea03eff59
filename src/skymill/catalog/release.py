"""Release: an immutable, named copy of a run's catalogues."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from skymill.catalog import voparquet
from skymill.catalog.release_page import release_page
from skymill.catalog.schema import schema_names
from skymill.errors import DataError, VersionError
from skymill.provenance.artifacts import ARTIFACTS, Artifact, read_artifact
from skymill.provenance.record import FILENAME, sha256
from skymill.provenance.sums import CHECKSUMS, folder_files, verify_sums, write_sums
from skymill.provenance.verify import Finding, verify

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
RECORD = "release.json"
PAGE = "README.md"
CATALOGUES = "catalogues"
READ_ONLY = 0o444


@dataclass(frozen=True)
class Entry:
    """One catalogue of a release.

    Parameters
    ----------
    stage, name, version, file : str
        The artifact and the file in it.
    schema : str
        Schema with its version.
    rows : int
        Number of rows.
    sha256 : str
        Checksum of the file.
    """

    stage: str
    name: str
    version: str
    file: str
    schema: str
    rows: int
    sha256: str

    @property
    def path(self) -> str:
        """Path of the file within the release."""
        return f"{CATALOGUES}/{self.stage}/{self.name}/{self.version}/{self.file}"


@dataclass(frozen=True)
class Release:
    """What a release holds, as ``release.json`` has it."""

    folder: Path
    name: str
    run: str
    made: str
    entries: tuple[Entry, ...]

    def to_json(self) -> str:
        """Return the record of the release."""
        entries = [vars(entry) for entry in self.entries]
        content = {"name": self.name, "run": self.run, "made": self.made, "catalogues": entries}
        return json.dumps(content, indent=1) + "\n"


def release(
    name: str,
    run: str,
    results: str | Path = "results",
    to: str | Path = "releases",
    stages: Sequence[str] = (),
) -> Path:
    """Copy the catalogues of a run into an immutable folder of their own.

    Parameters
    ----------
    name : str
        Name of the release; letters, digits, ``.``, ``_`` and ``-``.
    run : str
        Name of the run whose ``results/<run>/manifest.json`` lists the artifacts.
    results, to : str or Path
        Folder of the results, and the folder that the release's folder is made in.
    stages : sequence of str
        Take the catalogues of these stages only; empty: of all.

    Returns
    -------
    Path
        The release's folder: catalogues with their provenance records, schemas, ``SHA256SUMS``, ``release.json`` and a
        page (``README.md``) that says what changed since the last release. All files are read-only.

    Raises
    ------
    VersionError
        If a release of that name exists, or the name is not one.
    DataError
        If an artifact is missing, is not what its record says, the run has no catalogues, or its report, figures or
        lists have changed since they were made.
    """
    _check_name(name, Path(to))
    artifacts = _artifacts_of(run, Path(results), stages)
    _check_intact(Path(results), artifacts)
    _check_face(Path(results) / run)
    previous = last_release(to)
    with _built(Path(to) / name) as folder:
        entries = tuple(entry for artifact in artifacts for entry in _copied(artifact, folder))
        if not entries:
            raise DataError(f"run {run}", expected="catalogues to release", found="none")
        made = Release(folder, name, run, datetime.now(UTC).isoformat(timespec="microseconds"), entries)
        (folder / RECORD).write_text(made.to_json(), encoding="utf-8")
        _copy_schemas(entries, folder)
        (folder / PAGE).write_text(release_page(made, previous, results), encoding="utf-8")
        _seal(folder)
    return Path(to) / name


def _check_name(name: str, to: Path) -> None:
    if not NAME.fullmatch(name):
        raise VersionError(
            f"release '{name}'", expected="letters, digits, '.', '_' and '-'", found=f"'{name}'"
        )
    if (to / name).exists():
        raise VersionError(
            to / name,
            expected="a new name",
            found="a release",
            remedy="Releases never change; choose another name.",
        )


def _artifacts_of(run: str, results: Path, stages: Sequence[str]) -> list[Artifact]:
    manifest = results / run / "manifest.json"
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        listed = content["artifacts"] if isinstance(content, dict) else content
        listed = [entry for entry in listed if _place(entry)]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(
            manifest,
            expected="the list of the run's artifacts",
            found=f"{type(error).__name__}: {error}",
            remedy=f"Finish the run '{run}' first.",
        ) from error
    wanted = [entry for entry in listed if not stages or entry["stage"] in stages]
    artifacts = [_listed(entry, results, manifest) for entry in sorted(wanted, key=_place)]
    return [artifact for artifact in artifacts if any(artifact.folder.glob("*.parquet"))]


def _place(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    place = entry["stage"], entry["name"], entry["version"]
    if not all(NAME.fullmatch(part) for part in place):
        raise ValueError(f"an artifact {'/'.join(place)}")
    return place


def _listed(entry: Mapping[str, Any], results: Path, manifest: Path) -> Artifact:
    """Return the artifact that a manifest means, if it is still the one that the run's report was made from."""
    artifact = read_artifact(results.joinpath(ARTIFACTS, *_place(entry)))
    if artifact.record is None:
        raise DataError(
            artifact.folder, expected="an artifact of the run", found="none, or one without a record"
        )
    recorded = artifact.record["outputs"].get(Path(entry.get("path", "")).name)
    if recorded is not None and recorded != entry.get("sha256", recorded):
        raise DataError(
            manifest,
            expected=f"{artifact.label} with sha256 {recorded}, as it is now",
            found=f"sha256 {entry['sha256']}",
            remedy="It was made anew after the report: make the report again.",
        )
    return artifact


def _check_intact(results: Path, artifacts: Sequence[Artifact]) -> None:
    problems = [finding for finding in verify(results, artifacts) if finding.is_problem]
    if problems:
        raise DataError(
            problems[0].where,
            expected="an artifact as its record describes it",
            found=f"it {problems[0].what} ({len(problems)} problems in all)",
            remedy="`skymill verify` lists them; run the stage again.",
        )


def _check_face(face: Path) -> None:
    """Refuse a run whose report was changed; one that is older than its checksums passes."""
    if not (face / CHECKSUMS).is_file():
        return
    problems = [finding for finding in verify_sums(face, is_closed=False) if finding.is_problem]
    if problems:
        raise DataError(
            problems[0].where,
            expected="the run's results as its report left them",
            found=f"it {problems[0].what} ({len(problems)} problems in all)",
            remedy="Delete it and make the report again.",
        )


@contextmanager
def _built(target: Path) -> Iterator[Path]:
    """Give a folder beside `target` that takes its name when all is well and is removed when not."""
    partial = target.with_name(f".partial-{os.getpid()}-{target.name}")
    try:
        partial.mkdir(parents=True)
        yield partial
        partial.rename(target)
    except OSError as error:
        raise DataError(
            target,
            expected="a folder that can be written to",
            found=str(error),
            remedy="Nothing was released.",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _copied(artifact: Artifact, folder: Path) -> Iterator[Entry]:
    """Copy the catalogues of an artifact with its record, and describe each."""
    target = folder / CATALOGUES / artifact.stage / artifact.name / artifact.version
    target.mkdir(parents=True)
    shutil.copyfile(artifact.folder / FILENAME, target / FILENAME)
    for file in sorted(artifact.folder.glob("*.parquet")):
        shutil.copyfile(file, target / file.name)
        table, meta = voparquet.read(target / file.name)
        yield Entry(
            stage=artifact.stage,
            name=artifact.name,
            version=artifact.version,
            file=file.name,
            schema=f"{meta['schema']} {meta['schema_version']}",
            rows=len(table),
            sha256=sha256(target / file.name),
        )


def _copy_schemas(entries: Sequence[Entry], folder: Path) -> None:
    (folder / "schemas").mkdir()
    for name in {entry.schema.split()[0] for entry in entries} & set(schema_names()):
        source = resources.files("skymill.catalog") / "schemas" / f"{name}.yaml"
        (folder / "schemas" / f"{name}.yaml").write_bytes(source.read_bytes())


def _seal(folder: Path) -> None:
    """Write the checksums of all files, then take away the right to write."""
    write_sums(folder)
    for name in (*folder_files(folder), CHECKSUMS):
        (folder / name).chmod(READ_ONLY)


def last_release(to: str | Path) -> Release | None:
    """Return the release in the folder `to` that was made last, None if there is none."""
    releases = [read_release(path.parent) for path in Path(to).glob(f"[!.]*/{RECORD}")]
    return max(releases, key=lambda release: release.made, default=None)


def read_release(folder: str | Path) -> Release:
    """Read the record of a release.

    Raises
    ------
    DataError
        If the folder is not a release.
    """
    path = Path(folder) / RECORD
    try:
        content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        entries = tuple(Entry(**entry) for entry in content["catalogues"])
        return Release(Path(folder), content["name"], content["run"], content["made"], entries)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            path, expected="the record of a release", found=f"{type(error).__name__}: {error}"
        ) from error


def is_release(folder: str | Path) -> bool:
    """Whether the folder holds a release."""
    return (Path(folder) / CHECKSUMS).is_file()


def verify_release(folder: str | Path) -> Iterator[Finding]:
    """Recompute the checksums of a release; yields what differs."""
    return verify_sums(folder)
