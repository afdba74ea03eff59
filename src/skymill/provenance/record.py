"""The record that stands beside every product: ``provenance.json``."""

from __future__ import annotations

import json
import platform
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from skymill import __version__
from skymill.errors import DataError
from skymill.provenance.atomic import write_text
from skymill.provenance.checksum import sha256
from skymill.provenance.code import PACKAGE, SOURCE, package_stamp
from skymill.provenance.outside import check_identities

FILENAME = "provenance.json"
PACKAGES = (
    *("numpy", "scipy", "astropy", "photutils", "sep", "galsim", "h5py", "pyarrow"),
    *("torch", "lightning", "kornia", "torchmetrics", "safetensors", "snakemake"),
)


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
        The files that are read, by role; their checksums are recorded.

    Yields
    ------
    Record
        Set its ``rows``; add to its ``extra``.

    Raises
    ------
    DataError
        If a file is not the one that the recipe was made for, or an item of the record is missing at the end.
    """
    check_identities(recipe, parents or {})
    record, started = Record(), time.perf_counter()
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
        "inputs": {role: _described(path) for role, path in (parents or {}).items()},
        "outputs": {name: sha256(Path(folder) / name) for name in product_files(folder)},
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "wall_time_s": round(time.perf_counter() - started, 3),
        "host": host(),
        **source,
        "packages": package_versions(),
        "extra": record.extra,
    }
    write_text(Path(folder) / FILENAME, json.dumps(content, indent=1, sort_keys=True) + "\n")


def read_record(folder: str | Path) -> dict[str, Any]:
    """Read the provenance of the artifact in `folder`.

    Raises
    ------
    DataError
        If there is none, or it is not JSON.
    """
    path = Path(folder) / FILENAME
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            path,
            expected="a provenance record",
            found=str(error),
            remedy="Run the stage again; its product cannot be traced.",
        ) from error


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


def _described(path: str | Path) -> dict[str, str]:
    return {"path": str(path), "sha256": sha256(path)}
