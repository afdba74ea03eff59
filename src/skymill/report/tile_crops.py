"""Crops of a tile in full resolution, where most sources are and where detectors differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

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


@dataclass(frozen=True)
class Grid:
    """Square cells that cover a tile.

    Parameters
    ----------
    side_px : int
        Side of a cell.
    shape : (int, int)
        Rows and columns.
    """

    side_px: int
    shape: tuple[int, int]

    @classmethod
    def over(cls, tile: Tile, side_px: int) -> Grid:
        """Cover a tile."""
        rows, columns = (ceil(size / side_px) for size in tile.shape)
        return cls(side_px, (rows, columns))

    def numbers(self, positions: Positions) -> NDArray[np.int64]:
        """Return the number of the cell of each source, row by row; -1 off the grid."""
        row, column = (
            np.floor(values / self.side_px).astype(np.int64) for values in (positions.y, positions.x)
        )
        inside = (row >= 0) & (row < self.shape[0]) & (column >= 0) & (column < self.shape[1])
        return np.where(inside, row * self.shape[1] + column, -1)

    def counts(self, positions: Positions) -> NDArray[np.int64]:
        """Count the sources in each cell."""
        numbers = self.numbers(positions)
        return np.bincount(numbers[numbers >= 0], minlength=self.shape[0] * self.shape[1])

    def middle(self, lists: Sequence[Positions], cell: int) -> Cell:
        """Return the mean position, x and y in whole pixels, of the sources of one cell."""
        members = [np.stack([p.x, p.y])[:, self.numbers(p) == cell] for p in lists]
        x, y = np.rint(np.concatenate(members, axis=1).mean(axis=1))
        return int(x), int(y)


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
    grid = Grid.over(tile, side_px)
    counts = [grid.counts(positions) for positions in lists]
    if not counts:
        return []
    of_detectors = [
        found for found, positions in zip(counts, lists, strict=True) if not positions.is_reference
    ]
    crowded = _highest(np.sum(counts, axis=0), N_CROPS)
    spread = np.ptp(of_detectors or counts, axis=0)
    differing = [cell for cell in _highest(spread, 2 * N_CROPS) if cell not in crowded][:N_CROPS]
    chosen = [("crowded", cell) for cell in crowded] + [("detectors differ", cell) for cell in differing]
    return [_crop(tile, lists, palette, side_px, reason, grid.middle(lists, cell)) for reason, cell in chosen]


def _highest(values: NDArray, count: int) -> list[int]:
    """Return the numbers of the cells with the highest values above zero, the highest first."""
    order = np.argsort(-values, kind="stable")[:count]
    return [int(cell) for cell in order if values[cell] > 0]


def _crop(
    tile: Tile, lists: Sequence[Positions], palette: Palette, side: int, reason: str, middle: Cell
) -> Picture:
    x, y = middle
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
