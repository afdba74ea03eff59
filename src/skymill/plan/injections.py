"""Names of what is injected: each tile as often as there are draws, with other galaxies each time."""

from __future__ import annotations

INJECTED = ".injected"
"""Follows the tile in the name of a dataset with injected galaxies; then the draw's number, from the second on."""


def injection_name(tile_id: str, draw: int) -> str:
    """Return the name of the artifact of a draw (from 0): ``<tile>``, ``<tile>.2`` and so on."""
    return f"{tile_id}.{draw + 1}" if draw else tile_id


def dataset_of(injection: str) -> str:
    """Return the dataset that its catalogues are named after: ``<tile>.injected``, ``<tile>.injected2`` and so on."""
    tile_id, _, number = injection.partition(".")
    return f"{tile_id}{INJECTED}{number}"


def draw_of(dataset: str) -> int:
    """Return which draw of galaxies a dataset holds, from 0; 0 also for those without injected galaxies."""
    return int(dataset.partition(INJECTED)[2] or 1) - 1


def injection_suffix(suffix: str) -> str:
    """Return how names of injections end, from how those of their catalogues do: ``.2`` of ``.injected2.unet``."""
    number = suffix.split(".")[1].removeprefix(INJECTED[1:])
    return f".{number}" if number else ""
