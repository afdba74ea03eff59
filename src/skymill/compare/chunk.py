"""A chunk of tiles with galaxies injected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from skymill.compare.inject import inject_tile
from skymill.provenance.chunk import Member, make_chunk


def inject_chunk(
    members: Iterable[Mapping[str, Any]], manifests: Sequence[str | Path], code: str, output: str | Path
) -> None:
    """Inject galaxies into a chunk of tiles; see :func:`skymill.provenance.chunk.make_chunk`."""

    def make(member: Member) -> None:
        outputs = {"output": member.outputs["tile"], "output_truth": member.outputs["truth"]}
        inject_tile(member.recipe, **member.inputs, **outputs)

    make_chunk(members, make, manifests=manifests, code=code, output=output)
