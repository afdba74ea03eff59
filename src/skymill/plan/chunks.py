"""Chunks of tiles: many tiles are one job, and each tile's artifacts are what they would be without chunks.

The job of a chunk writes a manifest of what it made. The workflow knows manifests alone: its graph grows with the
number of chunks. Which tiles are one chunk follows from the tile table alone, so every job finds the same chunks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from skymill.config.ingest import TileRow
from skymill.errors import DataError, VersionError
from skymill.plan.artifact import ARTIFACTS, RESULTS, Artifact
from skymill.plan.injections import INJECTED, injection_suffix
from skymill.plan.tiles import TileArtifacts
from skymill.provenance.chunk import read_manifest
from skymill.provenance.recipe import version_of
from skymill.provenance.record import FILENAME

CHUNKS = RESULTS / "chunks"
SIZES = {20: 1, 100: 10, 1_000: 50}
"""Tiles per job for tables of up to so many tiles; longer ones have :data:`LARGEST`.

A job's start costs 2 s of a core, an SDSS frame 0.7 s a stage (docs/scaling.md): beside 50 of them the start is a
sixteenth. In short tables, jobs for all cores count for more.
"""
LARGEST = 100


def tiles_per_job(n_tiles: int) -> int:
    """Return how many tiles are one job where the configuration does not say: at most 100 jobs up to 10,000 tiles.

    In large steps, so that a table to which tiles are added seldom gets other chunks.
    """
    return next((size for most, size in SIZES.items() if n_tiles <= most), LARGEST)


@dataclass(frozen=True)
class Chunk:
    """Artifacts of one kind, of neighbours in the tile table.

    Parameters
    ----------
    stage : str
        Their stage.
    suffix : str
        What their names have in common after the tile's: ``.cnn``; empty for tiles themselves.
    number : int
        Which part of the table.
    size : int
        Rows of the table in each part.
    members : dict of str to str
        Versions by artifact's name.
    """

    stage: str
    suffix: str
    number: int
    size: int
    members: dict[str, str]

    @property
    def name(self) -> str:
        """First row and one past the last row of the table, and the suffix."""
        return f"{self.number * self.size}-{(self.number + 1) * self.size}{self.suffix}"

    @cached_property
    def version(self) -> str:
        """Hash of the members' versions: how tiles are divided is no part of any artifact's own version."""
        return version_of("chunk", 1, {"stage": self.stage}, self.members)

    @property
    def manifest(self) -> Path:
        """File that its job writes."""
        return CHUNKS / self.stage / f"{self.name}.{self.version}.json"

    @property
    def group(self) -> str:
        """Whether it is about the tiles as they are or about those with injected galaxies."""
        return "injected" if self.stage == "inject" or self.suffix.startswith(INJECTED) else "tiles"

    def is_to_be_made_again(self) -> bool:
        """Whether there is a manifest that says what is not true: a file that it names is gone, or is damaged."""
        if (found := self.read()) is None:
            return False
        return not found or any(not Path(path).is_file() for path in _files(self.stage, found))

    def read(self) -> dict[str, Any] | None:
        """Return the manifest; None if there is none, empty if it is damaged."""
        if not self.manifest.is_file():
            return None
        try:
            return read_manifest(self.manifest)
        except DataError:
            return {}


def _files(stage: str, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Give the files that a manifest names."""
    for name, made in manifest["made"].items():
        folder = f"{ARTIFACTS}/{stage}/{name}/{made['version']}"
        yield from (f"{folder}/{file}" for file in [*made["files"], FILENAME])


class Chunks:
    """All chunks of a run.

    Parameters
    ----------
    tile : TileArtifacts
        Makes the artifacts of one tile.
    size : int
        Tiles per chunk; with 1, no tile is in a chunk: each is a job of its own.
    alone : iterable of str
        Tiles that other jobs read, and that therefore are jobs of their own.
    """

    def __init__(self, tile: TileArtifacts, size: int, alone: Iterable[str] = ()) -> None:
        self.tile, self.size, self.alone = tile, size, frozenset(alone)
        self.rows: dict[int, list[TileRow]] = {}
        self.numbers: dict[str, int] = {}
        self._series: dict[tuple[str, str], dict[int, Chunk]] = {}
        self._ingested: list[Artifact] = []
        self._fetched: dict[str, int] = {}
        self._fetches: dict[int, set[int]] = {}

    def takes(self, tile_id: str) -> bool:
        """Whether a tile belongs into a chunk."""
        return self.size > 1 and tile_id not in self.alone

    def add(self, row_number: int, row: TileRow, made: Iterable[Artifact]) -> None:
        """Put a tile into its chunk, with its artifacts that need no measuring."""
        number = row_number // self.size
        self.rows.setdefault(number, []).append(row)
        self.numbers[row.tile_id] = number
        for artifact in made:
            if artifact.recipe.stage == "ingest":
                self._ingested.append(artifact)
            if artifact.recipe.stage != "fetch":
                self._note(number, row.tile_id, artifact)
                continue
            # A file that several tiles need is fetched by the first chunk that does.
            owner = self._fetched.setdefault(artifact.recipe.name, number)
            self._fetches.setdefault(number, set()).add(owner)
            if owner == number:
                self._note(number, artifact.recipe.name, artifact)

    def measure(self) -> None:
        """Add what is measured on the tiles."""
        for tile in self._ingested:
            tile_id = tile.recipe.name
            for artifact in self.tile.measured(tile):
                self._note(self.numbers[tile_id], tile_id, artifact)
        # Thousands of these are not kept: they can be made again.
        self._ingested.clear()

    def _note(self, number: int, start: str, artifact: Artifact) -> None:
        stage, suffix = artifact.recipe.stage, artifact.recipe.name[len(start) :]
        series = self._series.setdefault((stage, suffix), {})
        if number not in series:
            series[number] = Chunk(stage, suffix, number, self.size, {})
        series[number].members[artifact.recipe.name] = artifact.recipe.version

    def __iter__(self) -> Iterator[Chunk]:
        """Iterate over all chunks."""
        return (chunk for series in self._series.values() for chunk in series.values())

    def versions(self, stage: str) -> dict[str, str]:
        """Return the versions of a stage's artifacts by name."""
        found: dict[str, str] = {}
        for chunk in self:
            if chunk.stage == stage:
                found |= chunk.members
        return found

    def artifacts(self, stage: str | None = None, number: int | None = None) -> Iterator[Artifact]:
        """Make the artifacts again, all or those of one stage or one part of the table; parents first in each tile."""
        for part in self.rows if number is None else [number]:
            for row in self.rows[part]:
                yield from (made for made in self._of_tile(part, row) if stage in (None, made.recipe.stage))

    def _of_tile(self, number: int, row: TileRow) -> Iterator[Artifact]:
        own = self.tile.of_row(row)
        for made in own:
            if made.recipe.stage != "fetch" or self._fetched[made.recipe.name] == number:
                yield made
        yield from self.tile.measured(next(made for made in own if made.recipe.stage == "ingest"))

    def owns(self, stage: str, name: str) -> bool:
        """Whether an artifact belongs to a tile that is in a chunk."""
        return self._chunk_of(stage, name) is not None

    def find(self, stage: str, name: str) -> Artifact | None:
        """Return an artifact of a tile in a chunk; None if there is none of that name."""
        if (chunk := self._chunk_of(stage, name)) is None:
            return None
        return next(made for made in self.members(chunk) if made.recipe.name == name)

    def _chunk_of(self, stage: str, name: str) -> Chunk | None:
        tile_id = name.partition(".")[0]
        number = self._fetched.get(name) if stage == "fetch" else self.numbers.get(tile_id)
        suffix = "" if stage == "fetch" else name[len(tile_id) :]
        return self._series.get((stage, suffix), {}).get(number)

    def chunk(self, stage: str, name: str, version: str | None = None) -> Chunk:
        """Return a chunk by its name; with `version`, insist on it.

        Raises
        ------
        VersionError
            If this run has no such chunk, or has it in another version.
        """
        rows = re.match(r"(\d+)-\d+", name)
        series = self._series.get((stage, name[rows.end() :]), {}) if rows else {}
        found = series.get(int(rows[1]) // self.size) if rows else None
        if found is None or found.name != name:
            expected, wrong = "a chunk of this configuration's tile table", "no such chunk"
        elif version in (None, found.version):
            return found
        else:
            expected, wrong = f"version {found.version}", version
        raise VersionError(
            f"chunk {stage}/{name}",
            expected=expected,
            found=wrong,
            remedy="Ask for the stage instead; the tile table or the number of tiles per job has changed.",
        )

    def members(self, chunk: Chunk) -> Iterator[Artifact]:
        """Make a chunk's artifacts again."""
        for artifact in self.artifacts(chunk.stage, chunk.number):
            if artifact.recipe.name in chunk.members:
                yield artifact

    def described(self, chunk: Chunk) -> list[dict[str, Any]]:
        """Return a chunk's members for its job: what :class:`skymill.provenance.chunk.Member` is made of."""
        return [
            {
                "recipe": artifact.recipe.to_dict(),
                "inputs": artifact.inputs,
                "outputs": artifact.files(),
                "failure": str(artifact.failure()),
            }
            for artifact in self.members(chunk)
        ]

    def manifests_for(self, chunk: Chunk) -> list[str]:
        """Return the manifests of the chunks that a chunk's members are made from."""
        fetches = self._fetches.get(chunk.number, ()) if chunk.stage in ("ingest", "reference") else ()
        chunks = [self._series["fetch", ""][number] for number in sorted(fetches)]
        if chunk.stage not in ("fetch", "ingest"):
            of_injected = chunk.stage != "inject" and chunk.group == "injected"
            series = ("inject", injection_suffix(chunk.suffix)) if of_injected else ("ingest", "")
            chunks.append(self._series[series][chunk.number])
        return [str(parent.manifest) for parent in chunks]

    def files_for(self, chunk: Chunk) -> list[str]:
        """Return the files that all of a chunk's members are made from: networks, galaxies to inject."""
        first = next(self.members(chunk))
        files = [path for path in first.inputs.values() if Path(path).is_relative_to(ARTIFACTS)]
        return [path for path in files if not self.owns(*path.split("/")[2:4])]

    def tally(self, stage: str, group: str) -> Path | None:
        """Return the file that ties together a stage's manifests; None if the stage has no chunks."""
        chunks = self.of_group(stage, group)
        if not chunks:
            return None
        version = version_of("tally", 1, {}, {chunk.name: chunk.version for chunk in chunks})
        return CHUNKS / "tally" / f"{stage}.{group}.{version}.json"

    def of_group(self, stage: str, group: str) -> list[Chunk]:
        """Return the chunks of a stage, of the tiles as they are or with injected galaxies."""
        return [chunk for chunk in self if (chunk.stage, chunk.group) == (stage, group)]

    def tallies(self, *stages: str) -> list[str]:
        """Return the files that tie together the manifests of some stages."""
        found = (self.tally(stage, group) for stage in stages for group in ("tiles", "injected"))
        return [str(path) for path in found if path is not None]

    def forget_untrue(self) -> None:
        """Remove manifests that name files that are not there: their chunks are planned again."""
        self._forget(chunk for chunk in self if chunk.is_to_be_made_again())

    def forget_failed(self) -> None:
        """Remove manifests that list failed tiles: the next run tries these again, and only these."""
        self._forget(chunk for chunk in self if (chunk.read() or {}).get("failed"))

    def _forget(self, chunks: Iterable[Chunk]) -> None:
        """Remove manifests, and what ties them together: it would hide that they are gone."""
        for chunk in chunks:
            chunk.manifest.unlink(missing_ok=True)
            self.tally(chunk.stage, chunk.group).unlink(missing_ok=True)
