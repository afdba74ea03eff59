"""Inventory: the artifacts of a run as they lie on the disk, the manifest of them and the links to the catalogues."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skymill.errors import DataError
from skymill.provenance.atomic import write_text
from skymill.provenance.record import read_record, sha256

log = logging.getLogger(__name__)

MAIN_FILES = {
    "fetch": "{name}",
    "simulate": "stamps.h5",
    "blend": "stamps.h5",
    "scene": "stamps.h5",
    "finder": "weights.safetensors",
    "generator": "weights.safetensors",
    "judge": "metrics.json",
    "restorer": "weights.safetensors",
    "restore": "metrics.json",
    "train": "weights.safetensors",
    "evaluate": "catalogue.parquet",
    "deblend": "deblended.h5",
    "pictures": "metrics.json",
    "field": "image.fits",
    "ingest": "tile.fits",
    "reference": "sources.parquet",
    "inject": "tile.fits",
    "infer": "catalogue.parquet",
    "baseline": "catalogue.parquet",
    "bound": "bounds.parquet",
    "compare": "metrics.json",
    "survey": "index.json",
}
"""The file of each stage's artifacts that stands for the whole."""
NETWORK_STAGES = ("evaluate", "infer")
CATALOGUE_STAGES = (*NETWORK_STAGES, "baseline")
UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True)
class Entry:
    """One artifact that is there, with its provenance.

    Parameters
    ----------
    stage, name, version : str
        What it is.
    folder : Path
        Where it lies.
    record : mapping
        Content of its ``provenance.json``.
    """

    stage: str
    name: str
    version: str
    folder: Path
    record: Mapping[str, Any]

    @property
    def main(self) -> Path:
        """The file that stands for the whole."""
        return self.folder / MAIN_FILES[self.stage].format(name=self.name)

    @property
    def dataset(self) -> str:
        """What a catalogue was measured on: ``test_blends``, ``<tile>``, ``<tile>.injected``, ``<tile>.injected2``."""
        return self.name.rpartition(".")[0]

    @property
    def detector(self) -> str:
        """Who measured a catalogue."""
        return self.name.rpartition(".")[2]

    @property
    def rows(self) -> int:
        """Rows of the catalogue or stamps of the set."""
        return int(self.record["rows"])

    @property
    def wall_time_s(self) -> float:
        """Seconds that the stage took, without its shards."""
        return float(self.record["wall_time_s"])

    @property
    def sha256(self) -> str:
        """Checksum of the main file, as recorded when it was written."""
        return self.record.get("outputs", {}).get(self.main.name) or sha256(self.main)

    @property
    def link_name(self) -> str:
        """Name of the link to a catalogue: text from outside never becomes a path."""
        return link_name(self.name)


class Inventory:
    """The artifacts of a run.

    Parameters
    ----------
    entries : sequence of Entry
        Those that are there, in the run's order.
    missing : sequence of dict
        Those that are not, as notes: ``{"what": …, "reason": …}``.
    """

    def __init__(self, entries: Sequence[Entry], missing: Sequence[Mapping[str, str]] = ()) -> None:
        self.entries, self.missing = tuple(entries), tuple(missing)

    @classmethod
    def read(cls, artifacts: Iterable[Mapping[str, Any]]) -> Inventory:
        """Look up what the run asked for; an artifact that cannot be read or traced is missing, never an error."""
        entries, missing = [], []
        for artifact in artifacts:
            try:
                entries.append(_entry(artifact))
            except DataError as error:
                log.warning("%s", error)
                missing.append({"what": f"{artifact['stage']} {artifact['name']}", "reason": str(error)})
        return cls(entries, missing)

    def of_stage(self, *stages: str) -> list[Entry]:
        """Return the artifacts of some stages in the run's order."""
        return [entry for entry in self.entries if entry.stage in stages]

    def find(self, stage: str, name: str) -> Entry | None:
        """Return one artifact, or None."""
        return next((entry for entry in self.of_stage(stage) if entry.name == name), None)

    def catalogues(self, dataset: str | None = None) -> list[Entry]:
        """Return the measurement catalogues, of all datasets or of one."""
        return [entry for entry in self.of_stage(*CATALOGUE_STAGES) if dataset in (None, entry.dataset)]

    @property
    def networks(self) -> list[str]:
        """Names of the detectors that are networks."""
        names = [entry.name for entry in self.of_stage("train")]
        names += [entry.detector for entry in self.of_stage(*NETWORK_STAGES)]
        return list(dict.fromkeys(names))

    @property
    def detectors(self) -> list[str]:
        """Names of all detectors: networks first, then the others in the run's order."""
        return list(dict.fromkeys([*self.networks, *(entry.detector for entry in self.of_stage("baseline"))]))

    @property
    def tiles(self) -> list[str]:
        """Names of the ingested tiles."""
        return [entry.name for entry in self.of_stage("ingest")]

    def manifest(self) -> list[dict[str, Any]]:
        """Return stage, name, version, path of the main file, its sha256 and the rows of each artifact."""
        return [
            {
                "stage": entry.stage,
                "name": entry.name,
                "version": entry.version,
                "path": entry.main.as_posix(),
                "sha256": entry.sha256,
                "rows": entry.rows,
            }
            for entry in self.entries
        ]


def _entry(artifact: Mapping[str, Any]) -> Entry:
    folder = Path(artifact["folder"])
    record = read_record(folder)
    entry = Entry(artifact["stage"], artifact["name"], artifact["version"], folder, record)
    if absent := {"rows", "wall_time_s"} - set(record):
        raise DataError(folder, expected="a whole provenance record", found=f"no {', '.join(sorted(absent))}")
    if not entry.main.is_file():
        raise DataError(entry.main, expected="the artifact's main file", found="no such file")
    return entry


def write_manifest(path: str | Path, inventory: Inventory) -> None:
    """Write the manifest as JSON, one artifact a line."""
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in inventory.manifest())
    write_text(path, f"[\n{lines}\n]\n" if lines else "[]\n")


def link_name(catalogue: str) -> str:
    """Return the name of the link to a catalogue: text from outside never becomes a path."""
    return UNSAFE.sub("_", catalogue).lstrip(".") + ".parquet"


def link_catalogues(folder: str | Path, catalogues: Mapping[str, str | Path]) -> dict[str, Path]:
    """Make relative links ``<dataset>.<detector>.parquet`` to catalogues; links of former runs go.

    Parameters
    ----------
    folder : str or Path
        Where the links shall be; made if needed. Only links in it are removed, and files that have a link's name:
        copies that were made of a link (``cp -rL``).
    catalogues : mapping of str to path
        The catalogues by name.

    Returns
    -------
    dict of str to Path
        The link to each catalogue, by the catalogue's name.

    Raises
    ------
    DataError
        If a link cannot be made.
    """
    folder = Path(folder)
    links = {name: folder / link_name(name) for name in catalogues}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for former in folder.iterdir():
            if former.is_symlink():
                former.unlink()
        for name, link in links.items():
            link.unlink(missing_ok=True)
            link.symlink_to(os.path.relpath(Path(catalogues[name]).resolve(), folder.resolve()))
    except OSError as error:
        raise DataError(
            folder,
            expected="a folder for links to the catalogues",
            found=" ".join(str(error).split()),
            remedy="Move away what is in it, and start the run again.",
        ) from error
    return links
