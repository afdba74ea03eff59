"""Pictures of what a generator knows: drawn beside real galaxies, and walks through its latent space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from skymill.provenance.atomic import atomic_path
from skymill.rng import rng
from skymill.training.generated import draw_one
from skymill.training.generator_card import GeneratorModel
from skymill.training.samples_film import grey

if TYPE_CHECKING:
    from numpy.typing import NDArray

PORTRAITS = ("samples.png", "interpolations.png", "traversals.png", "plane.png")
SAMPLES = (3, 12)
"""Rows of real galaxies (each above as many drawn ones) and galaxies in a row."""
STEPS = 9
WIDEST = 2.5
"""Walks go this many standard deviations to both sides."""
WALKS = 5
PICTURE_PX = 48
RE_PX = 5.0
FLUX = 1e4
GAP = 2


def draw_portraits(
    folder: str | Path,
    model: GeneratorModel,
    images: tuple[NDArray, NDArray],
    looks: NDArray,
    mag: float,
    seed: int,
) -> None:
    """Write the PNG files :data:`PORTRAITS`: all on an asinh scale, each image from 0 to its brightest pixel.

    Parameters
    ----------
    folder : path
        Where to write.
    model : GeneratorModel
        The network.
    images : (ndarray (n, y, x), ndarray (n, y, x))
        Real and drawn galaxies of the same magnitudes and sizes, without noise.
    looks : ndarray (n, latent)
        What the drawn ones were drawn from.
    mag : float
        Magnitude of the galaxies that are walked between.
    seed : int
        The run's seed.
    """
    folder = Path(folder)
    centre, directions = strongest(looks)
    generator = rng(seed, "judge", model.card.name, "walks")
    walks = np.linspace(-WIDEST, WIDEST, STEPS)
    ends = [model.network.draw(mag, RE_PX, generator) for _ in range(2 * WALKS)]
    shares = np.linspace(0, 1, STEPS)
    lines = [
        [one + share * (other - one) for share in shares]
        for one, other in zip(ends[::2], ends[1::2], strict=True)
    ]
    sheets = {
        "interpolations.png": lines,
        "traversals.png": [[centre + step * direction for step in walks] for direction in directions[:WALKS]],
        "plane.png": [[centre + x * directions[0] + y * directions[1] for x in walks] for y in walks[::-1]],
    }
    _write(folder / "samples.png", _pairs(*images))
    for name, rows in sheets.items():
        _write(folder / name, [[_picture(model, look) for look in row] for row in rows])


def strongest(looks: NDArray) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """Return the mean of looks (n, latent) and the directions in which they vary most.

    A direction is a principal axis, one standard deviation long; the longest comes first.
    """
    values, axes = np.linalg.eigh(np.cov(looks.T))
    order = np.argsort(values)[::-1]
    # Rounding may leave the least variance below zero.
    return looks.mean(axis=0), [np.sqrt(max(values[one], 0.0)) * axes[:, one] for one in order]


def _picture(model: GeneratorModel, look: NDArray) -> NDArray[np.float32]:
    return draw_one(model.network, look, FLUX, RE_PX, (0.0, 0.0), PICTURE_PX)


def _pairs(real: NDArray, drawn: NDArray) -> list[list[NDArray]]:
    """Return rows of real galaxies, each above a row of drawn ones."""
    rows, count = SAMPLES
    first = real.shape[-1] // 2 - PICTURE_PX // 2
    box = slice(first, first + PICTURE_PX)
    found: list[list[NDArray]] = []
    for start in range(0, min(rows * count, len(real)), count):
        found += [list(images[start : start + count, box, box]) for images in (real, drawn)]
    return found


def _write(path: Path, rows: Sequence[Sequence[NDArray]]) -> None:
    """Lay images beside and below each other and write them as a grey PNG, twice as large."""
    from matplotlib.image import imsave

    count, side = max(len(row) for row in rows), PICTURE_PX + GAP
    sheet = np.full((len(rows) * side, count * side), 255, dtype=np.uint8)
    for number, row in enumerate(rows):
        shades = 255 - grey(torch.from_numpy(np.stack(row))).numpy()[:, ::-1]
        for place, shade in enumerate(shades):
            y, x = number * side, place * side
            sheet[y : y + PICTURE_PX, x : x + PICTURE_PX] = shade
    doubled = sheet.repeat(2, axis=0).repeat(2, axis=1)
    with atomic_path(path) as partial:
        imsave(partial, doubled, cmap="gray", vmin=0, vmax=255, format="png", metadata={"Software": None})
