"""The record that stands beside every product: ``provenance.json``."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from skymill import __version__
from skymill.errors import DataError
from skymill.provenance.atomic import write_text
from skymill.provenance.checksum import read_sealed, seal, sha256
from skymill.provenance.code import PACKAGE, SOURCE, package_stamp
from skymill.provenance.outside import check_identities
from skymill.provenance.recipe import VERSION_DIGITS

FILENAME = "provenance.json"
PACKAGES = (
    *("numpy", "scipy", "astropy", "photutils", "sep", "galsim", "h5py", "pyarrow"),
    *("torch", "lightning", "kornia", "torchmetrics", "safetensors", "snakemake"),
)
ITEMS = {
    **dict.fromkeys(("stage", "name", "version"), str),
    **dict.fromkeys(("params", "parents", "outputs", "inputs"), dict),
    **dict.fromkeys(("revision", "rows"), int),
}
"""What a record must have to be of use, and of which kind."""


@dataclass
class Record:
    """What a stage adds to its provenance while it runs.

    Parameters
    ----------
    rows : int or None
        Rows of the catalogue or stamps of the set; a stage must set it.
    extra : dict
        Facts of this stage only: device, failures, the version of a program that was called.
    """

    rows: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@contextmanager
def recording(
    recipe: Mapping[str, Any], folder: str | Path, *, parents: Mapping[str, str | Path] | None = None
) -> Iterator[Record]:
    """Write ``provenance.json`` into `folder` once the block has ended well.

    Parameters
    ----------
    recipe : mapping
        :meth:`skymill.provenance.recipe.Recipe.to_dict` of the artifact.
    folder : str or Path
        The artifact's folder. The checksums of all files in it are recorded, hidden ones left out.
    parents : mapping of str to path, optional
        The files that are read, by role; their checksums are recorded. Of an artifact name one file: all of it is
        checked (:func:`check_inputs`).

    Yields
    ------
    Record
        Set its ``rows``; add to its ``extra``.

    Raises
    ------
    DataError
        If a file is not the one that the recipe was made for, or not what its own artifact's record says; if an item
        of the record is missing at the end.
    """
    check_identities(recipe, parents or {})
    record, started = Record(), time.perf_counter()
    inputs = check_inputs(parents or {})
    # Taken now: who edits the library while a stage runs changes neither what ran nor what is recorded.
    source = {"git": git_state(), "code": package_stamp()}
    yield record
    if record.rows is None:
        raise DataError(
            Path(folder) / FILENAME, expected="a number of rows", found="none: the stage did not set it"
        )
    content = {
        **recipe,
        "seed": recipe["params"].get("seed"),
        "rows": record.rows,
        "inputs": {
            role: {"path": str(path), "sha256": inputs[role]} for role, path in (parents or {}).items()
        },
        "outputs": {name: sha256(Path(folder) / name) for name in product_files(folder)},
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "wall_time_s": round(time.perf_counter() - started, 3),
        "host": host(),
        **source,
        "packages": package_versions(),
        "extra": record.extra,
    }
    write_text(Path(folder) / FILENAME, seal(json.dumps(content, indent=1, sort_keys=True)))


def read_record(folder: str | Path) -> dict[str, Any]:
    """Read the provenance of the artifact in `folder`.

    Raises
    ------
    DataError
        If there is none, it is not a record, or it is damaged.
    """
    path = Path(folder) / FILENAME
    remedy = "Run the stage again; its product cannot be traced."
    record = read_sealed(path, "a provenance record", remedy)
    wrong = [item for item, kind in ITEMS.items() if not isinstance(record.get(item), kind)]
    if wrong:
        found = f"a record in which {', '.join(wrong)} {'is' if len(wrong) == 1 else 'are'} missing or of another kind"
        raise DataError(path, expected="a provenance record", found=found, remedy=remedy)
    return record


_CHECKED: ContextVar[dict[tuple, str] | None] = ContextVar("checked", default=None)


@contextmanager
def checked_once() -> Iterator[None]:
    """Compute each file's checksum once within the block: a job that makes many artifacts from one network.

    The next job computes it again, so that a bit that flips without a new time of change is seen there.
    """
    token = _CHECKED.set({})
    try:
        yield
    finally:
        _CHECKED.reset(token)


def check_inputs(files: Mapping[str, str | Path]) -> dict[str, str]:
    """Compare artifacts with their records before they are read.

    Parameters
    ----------
    files : mapping of str to path
        Files that are about to be read, by role. Where one belongs to an artifact, all files of the artifact are
        compared: stamps lie in shards beside the file that ties them, weights beside their card.

    Returns
    -------
    dict of str to str
        SHA-256 of each, by role.

    Raises
    ------
    DataError
        If a file is missing, or is not what its artifact's record says.
    """
    known = _CHECKED.get()
    known = {} if known is None else known
    for folder in dict.fromkeys(_artifact_of(path) for path in files.values()):
        if folder is not None:
            _check_artifact(folder, known)
    return {role: _checksum(Path(path), known) for role, path in files.items()}


def _artifact_of(path: str | Path) -> Path | None:
    """Return the folder of the artifact that a file belongs to, None for files that are no artifact's."""
    folders = list(Path(path).parents)[:2]
    return next(
        (folder for folder in folders if (folder / FILENAME).is_file() and _is_artifact(folder)), None
    )


def _is_artifact(folder: Path) -> bool:
    """Whether a record is one of ours: other programs write files of that name, too."""
    if re.fullmatch(rf"[0-9a-f]{{{VERSION_DIGITS}}}", folder.name):
        return True
    try:
        read_record(folder)
    except DataError:
        return False
    return True


def _check_artifact(folder: Path, known: dict[tuple, str]) -> None:
    record = read_record(folder)
    for name, written in record["outputs"].items():
        if (found := _checksum(folder / name, known)) != written:
            raise DataError(
                folder / name,
                expected=f"the file that {record['stage']} wrote ({record.get('finished')}), sha256 {written[:12]}…",
                found=f"sha256 {found[:12]}…: it was changed or damaged since",
                remedy=f"Delete {folder} and start again: it is made anew.",
            )


def _checksum(path: Path, known: dict[tuple, str]) -> str:
    try:
        status = path.stat()
        key = (str(path), status.st_size, status.st_mtime_ns, status.st_ino)
        if key not in known:
            known[key] = sha256(path)
    except OSError as error:
        raise DataError(
            path,
            expected="a file to read",
            found=error.strerror or str(error),
            remedy="Put it there, or run the stage that makes it again.",
        ) from error
    return known[key]


def package_versions() -> dict[str, str]:
    """Return the versions of Python, skymill and the packages that results depend on (those installed here)."""
    versions = {"python": platform.python_version(), "skymill": __version__}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def git_state() -> dict[str, Any]:
    """Return commit and dirty flag of the checkout that the library is run from; installed copies say so instead."""
    try:
        # An installed copy may lie inside another project's checkout (a .venv there), whose commit says nothing.
        _git("ls-files", "--error-unmatch", f"{PACKAGE}/__init__.py")
        commit = _git("rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.CalledProcessError):
        return {
            "commit": None,
            "reason": "skymill is not run from a git checkout; 'code' identifies its source",
        }


def _git(*arguments: str) -> str:
    command: Sequence[str] = ("git", "-C", str(SOURCE), *arguments)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def host() -> dict[str, str]:
    """Return name, operating system and processor of this machine."""
    return {"name": platform.node(), "system": platform.platform(), "machine": platform.machine()}


def product_files(folder: str | Path) -> list[str]:
    """Return the names of an artifact's files relative to its `folder`: all but the record and hidden ones."""
    found = (path for path in sorted(Path(folder).rglob("*")) if path.is_file())
    names = (path.relative_to(folder).as_posix() for path in found)
    return [
        name
        for name in names
        if name != FILENAME and not any(part.startswith(".") for part in name.split("/"))
    ]
