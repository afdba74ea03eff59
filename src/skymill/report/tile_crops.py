"""Crops of a tile in full resolution, where most sources are and where detectors differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skymill.data.tile import Tile, cutouts
from skymill.report.images import Mark, Picture, picture
from skymill.report.look import TRUTH, Palette
from skymill.report.tile_overview import Positions

N_CROPS = 3
RADIUS, RADIUS_STEP = 0.045, 0.014
"""Radius of the first detector's rings and what each further one adds, in sides of the crop."""
Cell = tuple[int, int]


def crops(tile: Tile, lists: Sequence[Positions], palette: Palette, side_px: int) -> list[Picture]:
    """Return up to three crops where most sources are, and three more where the detectors' numbers differ most.

    Parameters
    ----------
    tile : Tile
        The tile.
    lists : sequence of Positions
        What to draw: a cross for the reference, a ring of its own size for each detector.
    palette : Palette
        Styles of the detectors.
    side_px : int
        Side of a crop.
    """
    shape = tuple(max(1, size // side_px) for size in tile.shape)
    detectors = [positions for positions in lists if not positions.is_reference]
    everything = sum(
        (_counts(positions, shape, side_px) for positions in lists), np.zeros(shape, dtype=np.int64)
    )
    crowded = _highest(everything, N_CROPS)
    spread = np.zeros(shape, dtype=np.int64)
    if len(detectors) > 1:
        spread = np.ptp([_counts(positions, shape, side_px) for positions in detectors], axis=0)
    differing = [cell for cell in _highest(spread, 2 * N_CROPS) if cell not in crowded][:N_CROPS]
    chosen = [("crowded", cell) for cell in crowded] + [("detectors differ", cell) for cell in differing]
    return [_crop(tile, lists, palette, side_px, reason, cell) for reason, cell in chosen]


def _counts(positions: Positions, shape: Cell, side: int) -> NDArray[np.int64]:
    """Count the sources in each cell of a grid."""
    counts = np.zeros(shape, dtype=np.int64)
    row, column = (np.nan_to_num(v, nan=-1.0).astype(np.int64) // side for v in (positions.y, positions.x))
    inside = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
    np.add.at(counts, (row[inside], column[inside]), 1)
    return counts


def _highest(values: NDArray, count: int) -> list[Cell]:
    """Return the cells of the highest values above zero, the highest first."""
    order = np.argsort(-values, axis=None, kind="stable")[:count]
    rows, columns = np.unravel_index(order, values.shape)
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if values[r, c] > 0]


def _crop(
    tile: Tile, lists: Sequence[Positions], palette: Palette, side: int, reason: str, cell: Cell
) -> Picture:
    y, x = (place * side + side // 2 for place in cell)
    where = (np.array([x]), np.array([y]), side)
    image = cutouts(tile.science, *where)[0]
    noise = cutouts(tile.rms, *where, fill=float(tile.rms[0, 0]))[0]
    corner = (x - side // 2, y - side // 2)
    marks = []
    for number, positions in enumerate(lists):
        radius = (RADIUS + RADIUS_STEP * number) * side
        marks += _marks(positions, palette, corner, side, radius)
    return picture(image, noise, f"{reason}: x {x}, y {y}", marks)


def _marks(positions: Positions, palette: Palette, corner: Cell, side: int, radius: float) -> list[Mark]:
    """Return the marks of one list on the crop whose first pixel is `corner` (x, y)."""
    x, y = positions.x - corner[0], positions.y - corner[1]
    inside = (x > -0.5) & (x < side - 0.5) & (y > -0.5) & (y < side - 0.5)
    shape, colour = ("cross", TRUTH) if positions.is_reference else ("ring", palette[positions.name].colour)
    return [
        Mark(float(px), float(py), colour, shape, round(radius, 2), f"{positions.name}: {mag:.2f} mag")
        for px, py, mag in zip(x[inside], y[inside], positions.mag[inside], strict=True)
    ]
