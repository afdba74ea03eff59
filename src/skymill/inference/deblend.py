"""Take galaxies out of their blends: positions on a tile in, images of the single galaxies out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from skymill.data.tile import Tile, cutouts
from skymill.errors import ConfigError
from skymill.inference.measure import BATCH_SIZE, look_at
from skymill.models.device import choose_device
from skymill.training.card import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Deblended(NamedTuple):
    """Galaxies without their neighbours, on stamps of side s with the galaxy at pixel ``s // 2``.

    Parameters
    ----------
    images : ndarray (n, s, s), float32
        The light that is said to be the galaxy's, image units. From a U-Net it is a share from 0 to 1 of each pixel of
        the tile, its noise included.
    neighbours : ndarray (n, s, s), float32
        The light that is said to be other galaxies'.
    masks : ndarray (n, s, s), uint8, or None
        Bits 1: the galaxy is brighter than the threshold that the network was trained with; 2: its neighbours are.
        None from a network that has not learned masks.
    """

    images: NDArray[np.float32]
    neighbours: NDArray[np.float32]
    masks: NDArray[np.uint8] | None


def deblend(tile: Tile, x: NDArray, y: NDArray, model: Model, *, device: str = "auto") -> Deblended:
    """Take the sources at given positions out of their blends, one stamp each.

    Parameters
    ----------
    tile : Tile
        Background-subtracted.
    x, y : ndarray (n,)
        0-based positions in pixels; a stamp's middle is the nearest whole pixel.
    model : Model
        A network that has learned to give images.
    device : {'auto', 'cpu', 'gpu'}
        Where to compute.

    Raises
    ------
    ConfigError
        If the network has not learned to give images.
    """
    where = choose_device(device)
    model = model._replace(network=model.network.to(where))
    parts = []
    for start in range(0, max(len(x), 1), BATCH_SIZE):
        some = slice(start, start + BATCH_SIZE)
        parts.append(_deblend_batch(tile, np.asarray(x[some]), np.asarray(y[some]), model, where))
    images, neighbours = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("images", "neighbours")
    )
    masks = np.concatenate([part.masks for part in parts]) if model.task.learns_masks else None
    return Deblended(images, neighbours, masks)


@torch.inference_mode()
def _deblend_batch(tile: Tile, x: NDArray, y: NDArray, model: Model, device: torch.device) -> Deblended:
    bits = cutouts(tile.mask, x, y, model.card.input_px)
    _, rms, outputs = look_at(tile, x, y, model, device, bits)
    if outputs.layers is None or not model.card.task.learns_images:
        raise ConfigError(
            f"model {model.card.name}",
            expected="a network that has learned to give images",
            found=f"network {model.card.network.kind}, task {model.card.task.recipe_params()}",
        )
    layers = (outputs.layers.cpu().numpy() * rms[:, None, None, None]).astype(np.float32)
    masks = None
    if model.task.learns_masks:
        central, neighbours = (outputs.masks > 0).cpu().numpy().astype(np.uint8).swapaxes(0, 1)
        masks = central | neighbours << 1
    return Deblended(*layers.swapaxes(0, 1), masks)
