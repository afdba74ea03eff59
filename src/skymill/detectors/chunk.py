"""Chunks of tiles through one detector: one start of Python and one load of a network for all of them.

Parameters and errors of these functions are those of :func:`skymill.provenance.chunk.make_chunk`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skymill.provenance.chunk import Member, make_chunk

if TYPE_CHECKING:
    from skymill.detectors.neural import NeuralDetector


def infer_chunk(
    members: Iterable[Mapping[str, Any]], manifests: Sequence[str | Path], code: str, output: str | Path
) -> None:
    """Measure a chunk of tiles with a network, which is loaded when the first tile needs it."""
    # Not at the top: chunks through other detectors must not load torch.
    from skymill.detectors.infer import infer_tile, load_detector

    loaded: dict[Path, NeuralDetector] = {}

    def make(member: Member) -> None:
        model, finder = Path(member.inputs["weights"]).parent, member.inputs.get("finder_weights")
        if model not in loaded:
            loaded[model] = load_detector(member.recipe, model, finder)
        tile, output = member.inputs["tile"], member.outputs["catalogue"]
        infer_tile(member.recipe, tile, model, output, finder, loaded[model])

    make_chunk(members, make, manifests=manifests, code=code, output=output)


def baseline_chunk(
    members: Iterable[Mapping[str, Any]], manifests: Sequence[str | Path], code: str, output: str | Path
) -> None:
    """Run a baseline on a chunk of tiles."""
    from skymill.detectors.baseline import baseline_tile

    def make(member: Member) -> None:
        baseline_tile(member.recipe, member.inputs["tile"], member.outputs["catalogue"])

    make_chunk(members, make, manifests=manifests, code=code, output=output)
