"""Chunks of tiles on their way in: files fetched, tiles ingested, reference catalogues read.

Parameters and errors of these functions are those of :func:`skymill.provenance.chunk.make_chunk`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from skymill.provenance.chunk import Member, make_chunk


def fetch_chunk(members: Iterable[Mapping[str, Any]], code: str, output: str | Path) -> None:
    """Fetch the files of a chunk of tiles."""
    # Not at the top, here and below: each stage loads what it needs and no more.
    from skymill.ingest.fetch import fetch_file

    def make(member: Member) -> None:
        fetch_file(member.recipe, member.outputs["file"])

    make_chunk(members, make, manifests=(), code=code, output=output)


def ingest_chunk(
    members: Iterable[Mapping[str, Any]], manifests: Sequence[str | Path], code: str, output: str | Path
) -> None:
    """Ingest a chunk of tiles."""
    from skymill.ingest.ingest import ingest_tile

    def make(member: Member) -> None:
        ingest_tile(member.recipe, output=member.outputs["tile"], **member.inputs)

    make_chunk(members, make, manifests=manifests, code=code, output=output)


def reference_chunk(
    members: Iterable[Mapping[str, Any]], manifests: Sequence[str | Path], code: str, output: str | Path
) -> None:
    """Read the reference catalogues of a chunk of tiles."""
    from skymill.ingest.reference import read_reference

    def make(member: Member) -> None:
        read_reference(member.recipe, output=member.outputs["sources"], **member.inputs)

    make_chunk(members, make, manifests=manifests, code=code, output=output)
