"""Compare what two artifacts (or releases, or files) hold, together with the recipes they were made by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from skymill.catalog.diff import CatalogueDiff, diff_files
from skymill.errors import DataError
from skymill.provenance.artifacts import (
    Change,
    Record,
    differences,
    find_artifact,
    list_artifacts,
    read_artifact,
    recipe_changes,
    records_by_version,
)


@dataclass(frozen=True)
class ArtifactDiff:
    """How two artifacts differ.

    Parameters
    ----------
    a, b : Path
        The folders or the files.
    catalogues : mapping of str to CatalogueDiff
        The catalogues that both have, by file name.
    recipe : tuple of Change or None
        Parameters that differ, also those of the artifacts that they were made from; None where one side has no
        provenance record.
    environment : tuple of Change or None
        Code and package versions that differ.
    """

    a: Path
    b: Path
    catalogues: Mapping[str, CatalogueDiff]
    recipe: tuple[Change, ...] | None
    environment: tuple[Change, ...] | None

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain JSON values; numbers that are not finite become None."""
        return _plain(
            {**asdict(self), "catalogues": {name: asdict(diff) for name, diff in self.catalogues.items()}}
        )


def diff_artifacts(a: str, b: str, results: str | Path = "results", **options: Any) -> ArtifactDiff:
    """Compare the catalogues and the recipes of two artifacts.

    Parameters
    ----------
    a, b : str
        Paths of catalogues or of folders that hold some, or names of artifacts as
        :func:`~skymill.provenance.artifacts.find_artifact` takes them.
    results : str or Path
        The results folder, in which names and parents are looked up.
    **options
        Passed to :func:`~skymill.catalog.diff.diff_files`.

    Raises
    ------
    DataError
        If a path holds no catalogue, or the two have none in common.
    VersionError
        If a name fits no artifact, or several.
    """
    place_a, place_b = locate(a, results), locate(b, results)
    files_a, files_b = catalogues_in(place_a), catalogues_in(place_b)
    if len(files_a) == len(files_b) == 1:
        pairs = {next(iter(files_a)): (*files_a.values(), *files_b.values())}
    else:
        pairs = {name: (files_a[name], files_b[name]) for name in files_a if name in files_b}
    if not pairs:
        raise DataError(
            b, expected=f"a catalogue called {' or '.join(files_a)}, as in {a}", found=", ".join(files_b)
        )
    diffs = {name: diff_files(*pair, **options) for name, pair in pairs.items()}
    return ArtifactDiff(place_a, place_b, diffs, *_record_changes(place_a, place_b, results))


def locate(spec: str | Path, results: str | Path) -> Path:
    """Return the path `spec` if it exists, else the folder of the artifact of that name.

    The links to catalogues in a run's folder lead to the artifacts, where the records are.
    """
    return Path(spec).resolve() if Path(spec).exists() else find_artifact(results, str(spec)).folder


def catalogues_in(place: Path) -> dict[str, Path]:
    """Return the catalogues of a folder (or the one file) by file name; shards are not catalogues of their own.

    Raises
    ------
    DataError
        If there is none.
    """
    files = [place] if place.is_file() else sorted(place.glob("*.parquet"))
    if not files:
        raise DataError(
            place, expected="a catalogue (*.parquet)", found="none", remedy="`skymill versions` lists all."
        )
    return {file.name: file for file in files}


def _record_changes(
    a: Path, b: Path, results: str | Path
) -> tuple[tuple[Change, ...] | None, tuple[Change, ...] | None]:
    old, new = (read_artifact(place.parent if place.is_file() else place).record for place in (a, b))
    if old is None or new is None:
        return None, None
    recipe = recipe_changes(old, new, records_by_version(list_artifacts(results)))
    return tuple(recipe), tuple(_environment_changes(old, new))


def _environment_changes(old: Record, new: Record) -> list[Change]:
    label = f"{new['stage']}/{new['name']}"
    sides = [
        {**side["packages"], "commit": side["git"]["commit"], "code": side["code"]} for side in (old, new)
    ]
    return [Change(label, *difference) for difference in differences(*sides)]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and not isfinite(value) else value
