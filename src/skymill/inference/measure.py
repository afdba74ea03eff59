"""Measure with a network: positions on a tile in, columns out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from skymill.catalog.flags import Flag
from skymill.data.tile import MaskBit, Tile, cutouts
from skymill.models.device import choose_device
from skymill.training.card import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH_SIZE = 256


def measure(
    tile: Tile,
    x: NDArray,
    y: NDArray,
    model: Model,
    *,
    batch_size: int = BATCH_SIZE,
    device: str = "auto",
) -> dict[str, NDArray]:
    """Measure the sources at given positions, one stamp each.

    Each stamp is divided by the median of the tile's rms within it, which is the unit that networks know. Pixels that
    are bad or hold no data count as blank sky (0); saturated ones are taken as they are.

    Parameters
    ----------
    tile : Tile
        Background-subtracted; read stamp by stamp, so memory does not grow with its size.
    x, y : ndarray (n,)
        0-based positions in pixels; a stamp's middle is the nearest whole pixel.
    model : Model
        Network, task and card.
    batch_size : int
        Stamps computed together; it changes results by rounding only.
    device : {'auto', 'cpu', 'gpu'}
        Where to compute.

    Returns
    -------
    dict of str to ndarray (n,)
        What the task gives, float64, fluxes in image units: ``flux``, ``flux_err`` and, for pairs,
        ``companion_flux``, ``companion_flux_err``; and ``flags`` (int64), with EDGE where the stamp leaves the tile.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    where = choose_device(device)
    network = model.network.to(where)
    starts = range(0, max(len(x), 1), batch_size)
    parts = [
        _measure_batch(
            tile,
            x[start : start + batch_size],
            y[start : start + batch_size],
            model._replace(network=network),
            where,
        )
        for start in starts
    ]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    columns["flags"] |= _edge_flags(tile.shape, x, y, model.card.input_px)
    return columns


@torch.inference_mode()
def _measure_batch(
    tile: Tile, x: NDArray, y: NDArray, model: Model, device: torch.device
) -> dict[str, NDArray]:
    stamps, rms = _stamps(tile, x, y, model.card.input_px)
    image = torch.from_numpy(stamps)[:, None].to(device)  # (b, 1, y, x)
    outputs = model.network(model.task.inputs(image))
    columns = {name: values.cpu().numpy() for name, values in model.task.columns(outputs, image).items()}
    flags = columns.pop("flags").astype(np.int64)
    return {**{name: values.astype(np.float64) * rms for name, values in columns.items()}, "flags": flags}


def _stamps(tile: Tile, x: NDArray, y: NDArray, size: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Cut stamps (b, y, x) in units of the local rms; returns them and the rms (b,)."""
    science = cutouts(tile.science, x, y, size)
    bad = cutouts(tile.mask, x, y, size) & int(MaskBit.BAD | MaskBit.NO_DATA)
    noise = cutouts(tile.rms, x, y, size, fill=np.nan)
    rms = np.nanmedian(noise, axis=(1, 2)).astype(np.float64) if len(x) else np.empty(0)
    science[bad > 0] = 0.0
    return (science / rms[:, None, None]).astype(np.float32), rms


def _edge_flags(shape: tuple[int, int], x: NDArray, y: NDArray, size: int) -> NDArray[np.int64]:
    left, bottom = np.rint(x) - size // 2, np.rint(y) - size // 2
    leaves = (left < 0) | (bottom < 0) | (left + size > shape[1]) | (bottom + size > shape[0])
    return np.where(leaves, int(Flag.EDGE), 0)
