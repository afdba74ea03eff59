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
    folder: str | Path, model: GeneratorModel, real: NDArray, drawn: NDArray, seed: int
) -> None:
    """Write the PNG files :data:`PORTRAITS`: all on an asinh scale, each image from 0 to its brightest pixel.

    Parameters
    ----------
    folder : path
        Where to write.
    model : GeneratorModel
        The network.
    real, drawn : ndarray (n, y, x)
        Galaxies of the same magnitudes and sizes, without noise.
    seed : int
        The run's seed.
    """
    folder = Path(folder)
    mean, directions = strongest(model)
    generator = rng(seed, "judge", model.card.name, "walks")
    walks = np.linspace(-WIDEST, WIDEST, STEPS)
    ends = [
        model.network.mixture.draw(np.array([mean[-2], np.log(RE_PX)]), generator) for _ in range(2 * WALKS)
    ]
    shares = np.linspace(0, 1, STEPS)
    lines = [
        [one + share * (other - one) for share in shares]
        for one, other in zip(ends[::2], ends[1::2], strict=True)
    ]
    centre = mean[:-2]
    sheets = {
        "interpolations.png": lines,
        "traversals.png": [[centre + step * direction for step in walks] for direction in directions[:WALKS]],
        "plane.png": [[centre + x * directions[0] + y * directions[1] for x in walks] for y in walks[::-1]],
    }
    _write(folder / "samples.png", _pairs(real, drawn))
    for name, latents in sheets.items():
        _write(folder / name, [[_look(model, latent) for latent in row] for row in latents])


def strongest(model: GeneratorModel) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """Return the mixture's mean (latent numbers, magnitude, ln size) and its strongest latent directions.

    A direction is a principal axis of the latent numbers of the galaxies that were learned, one standard deviation
    long; the longest comes first.
    """
    mixture = model.network.mixture
    weights, means, covariances = (
        getattr(mixture, name).double().numpy() for name in ("weights", "means", "covariances")
    )
    mean = weights @ means
    offset = means - mean
    whole = np.einsum("m,mij->ij", weights, covariances) + np.einsum("m,mi,mj->ij", weights, offset, offset)
    values, axes = np.linalg.eigh(whole[:-2, :-2])
    order = np.argsort(values)[::-1]
    return mean, [np.sqrt(values[one]) * axes[:, one] for one in order]


def _look(model: GeneratorModel, latent: NDArray) -> NDArray[np.float32]:
    return draw_one(model.network, latent, FLUX, RE_PX, (0.0, 0.0), PICTURE_PX)


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
