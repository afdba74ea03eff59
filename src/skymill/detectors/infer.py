"""Stage infer: a trained network on a tile."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from skymill.catalog.catalogue import essentials
from skymill.config.detect import CandidateConfig
from skymill.data.tile import Tile
from skymill.detectors.neural import NeuralDetector
from skymill.models.device import choose_device, describe_device
from skymill.provenance.chunk import Member, make_chunk
from skymill.provenance.record import check_inputs, recording
from skymill.training.card import CARD, WEIGHTS, load_model
from skymill.training.finder_card import load_finder
from skymill.training.generator_card import load_generator

log = logging.getLogger(__name__)


def infer_tile(
    recipe: Mapping[str, Any],
    tile: str | Path,
    model: str | Path,
    output: str | Path,
    finder: str | Path | None = None,
    detector: NeuralDetector | None = None,
    generator: str | Path | None = None,
) -> None:
    """Find and measure the sources of a tile with a network.

    Parameters
    ----------
    recipe : mapping
        Recipe of the artifact; ``params`` holds ``candidates`` (:class:`~skymill.config.detect.CandidateConfig`).
    tile : str or Path
        The ingested tile.
    model : str or Path
        The model's folder.
    output : str or Path
        The catalogue (schema ``measurement``), Parquet; valid and empty if nothing is found.
    finder : str or Path, optional
        The model that finds the candidates, where ``candidates`` names one: its folder, or its card or weights within
        it.
    detector : NeuralDetector, optional
        What :func:`load_detector` gives for these; loaded without it. For jobs with many tiles.
    generator : str or Path, optional
        The network that anomaly scores are from: its folder, or its card or weights within it.

    Raises
    ------
    ConfigError
        If ``candidates`` names a model and none is given.
    DataError
        If a file cannot be read or written, or the tile does not fit the model's survey.
    VersionError
        If the weights do not fit.
    """
    folder = Path(model)
    parents = {"tile": tile, "card": folder / CARD, "weights": folder / WEIGHTS}
    for role, given in (("finder", finder), ("anomaly", generator)):
        if given is not None:
            beside = Path(given) if Path(given).is_dir() else Path(given).parent
            parents |= {f"{role}_card": beside / CARD, f"{role}_weights": beside / WEIGHTS}
    with recording(recipe, Path(output).parent, parents=parents) as record:
        detector = detector or load_detector(recipe, folder, finder, generator)
        found = detector.detect(Tile.read(tile), {**essentials(recipe), **detector.tools()})
        found.write(output)
        log.info("%s: %d sources", recipe["name"], len(found))
        record.rows = len(found)
        record.extra |= {"tools": detector.tools(), "device": describe_device(choose_device())}


def load_detector(
    recipe: Mapping[str, Any],
    model: str | Path,
    finder: str | Path | None = None,
    generator: str | Path | None = None,
) -> NeuralDetector:
    """Load the network of a recipe, with those that find its candidates and score them; see :func:`infer_tile`."""
    config = CandidateConfig.model_validate(recipe["params"]["candidates"])
    found_by = None if finder is None else load_finder(finder)
    scored_by = None if generator is None else load_generator(generator)
    return NeuralDetector(config, load_model(Path(model)), finder=found_by, generator=scored_by)


def infer_chunk(
    members: Iterable[Mapping[str, Any]], manifests: Sequence[str | Path], code: str, output: str | Path
) -> None:
    """Measure a chunk of tiles with a network, which is loaded when the first tile needs it.

    Parameters and errors are those of :func:`skymill.provenance.chunk.make_chunk`.
    """
    loaded: dict[Path, NeuralDetector] = {}

    def make(member: Member) -> None:
        model = Path(member.inputs["weights"]).parent
        finder, generator = (member.inputs.get(f"{role}_weights") for role in ("finder", "anomaly"))
        if model not in loaded:
            check_inputs(member.inputs)
            loaded[model] = load_detector(member.recipe, model, finder, generator)
        tile, output = member.inputs["tile"], member.outputs["catalogue"]
        infer_tile(member.recipe, tile, model, output, finder, loaded[model], generator)

    make_chunk(members, make, manifests=manifests, code=code, output=output)
