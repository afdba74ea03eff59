"""Measure with a network: positions on a tile in, columns out."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from skymill.catalog.flags import Flag
from skymill.data.tile import MaskBit, Tile, cutouts
from skymill.models.device import choose_device
from skymill.models.outputs import Outputs
from skymill.training.card import Card, Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH_SIZE = 64
"""On a CPU twice as many take a fifth longer each, half as many no less."""
FILL_PX = 5
"""Side of the square of pixels that a bad one is filled from."""


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

    Each stamp is divided by the median of the tile's rms within it (good pixels only), which is the unit that networks
    know. Pixels that are bad or hold no data are filled from good ones around them, with blank sky (0) where there are
    none, as is what lies outside the tile; saturated ones are taken as they are.

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
        What the task gives, float64, fluxes in image units: ``flux``, ``flux_err``, the quantiles ``flux_q025`` …
        and, for pairs, the same of the companion; and ``flags`` (int64): what the task sets, and FAILED (and NaN)
        where nothing can be measured. What else a catalogue's flags say is no matter of the network:
        :func:`skymill.detectors.flags.source_flags`.
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
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@torch.inference_mode()
def _measure_batch(
    tile: Tile, x: NDArray, y: NDArray, model: Model, device: torch.device
) -> dict[str, NDArray]:
    masks = cutouts(tile.mask, x, y, model.card.input_px)
    image, rms, outputs = look_at(tile, x, y, model, device, masks)
    given = model.task.columns(outputs, image, model.card.calibration)
    columns = {name: values.cpu().numpy() for name, values in given.items()}
    flags = columns.pop("flags").astype(np.int64)
    tile.release()
    columns = {name: values.astype(np.float64) * rms for name, values in columns.items()}
    failed = ~np.all([np.isfinite(values) for values in columns.values()], axis=0)
    columns = {name: np.where(failed, np.nan, values) for name, values in columns.items()}
    return {**columns, "flags": flags | np.where(failed, int(Flag.FAILED), 0)}


def look_at(
    tile: Tile, x: NDArray, y: NDArray, model: Model, device: torch.device, masks: NDArray[np.uint8]
) -> tuple[Tensor, NDArray[np.float64], Outputs]:
    """Cut the stamps of some sources and show them to the network.

    Parameters
    ----------
    tile, x, y, model
        As for :func:`measure`; the network is on `device`.
    device : torch.device
        Where to compute.
    masks : ndarray (b, y, x), uint8
        The tile's mask on the stamps.

    Returns
    -------
    image : Tensor (b, 1, y, x)
        The stamps in units of the local rms.
    rms : ndarray (b,), float64
        That unit, image units; NaN where there is none.
    outputs : Outputs
        What the network gives.
    """
    stamps, rms = stamps_in_rms(tile, x, y, model.card.input_px, masks)
    image = torch.from_numpy(stamps)[:, None].to(device)
    condition = _condition(tile, rms, model.card).to(device)
    return image, rms, model.network(model.task.inputs(image, condition))


def _condition(tile: Tile, rms: NDArray[np.float64], card: Card) -> Tensor:
    """Return what is known of stamps beside their pixels (b, 2), within the range that the network knows.

    The noise counts in electrons: a tile of another gain is as much shallower or deeper.
    """
    survey, (psf_range, noise_range) = card.survey, card.condition_range()
    electrons = rms * tile.meta.gain_e_per_unit / (survey.background_rms * survey.gain_e_per_unit)
    noise = np.log2(np.where(electrons > 0, electrons, 1.0))
    psf = np.full(len(rms), np.log2(tile.meta.psf_fwhm_px / survey.psf_fwhm_px))
    condition = np.stack([np.clip(psf, *psf_range), np.clip(noise, *noise_range)], axis=1)
    return torch.from_numpy(condition.astype(np.float32))


def stamps_in_rms(
    tile: Tile, x: NDArray, y: NDArray, size: int, masks: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Cut stamps (b, y, x) in units of the local rms; returns them and the rms (b,), NaN where there is none."""
    science = cutouts(tile.science, x, y, size)
    bad = (masks & int(MaskBit.BAD | MaskBit.NO_DATA) > 0) | ~np.isfinite(science)
    noise = cutouts(tile.rms, x, y, size, fill=np.nan)
    rms = _median_of_good(noise, bad)
    unit = np.where(np.isfinite(rms), rms, 1.0)[:, None, None]
    return (fill_bad(science, bad) / unit).astype(np.float32), rms


def _median_of_good(noise: NDArray, bad: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return each stamp's median rms over pixels that are good; NaN for stamps without one."""
    usable = np.where(bad | ~(noise > 0), np.nan, noise)
    rms = np.full(len(noise), np.nan)
    some = np.isfinite(usable).any(axis=(1, 2))
    if some.any():
        rms[some] = np.nanmedian(usable[some], axis=(1, 2))
    return rms


def fill_bad(science: NDArray, bad: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Replace bad pixels (b, y, x) by the mean of the good ones within `FILL_PX`; by 0, blank sky, without any."""
    filled = np.array(science, dtype=np.float32)
    stamp, row, column = np.nonzero(bad)
    light, known = np.zeros(len(stamp)), np.zeros(len(stamp))
    # Only bad pixels are looked around: they are few.
    steps = range(-(FILL_PX // 2), FILL_PX // 2 + 1)
    for dy, dx in product(steps, steps):
        y, x = row + dy, column + dx
        usable = (y >= 0) & (y < bad.shape[1]) & (x >= 0) & (x < bad.shape[2])
        y, x = np.where(usable, y, row), np.where(usable, x, column)  # itself, which is bad
        usable = ~bad[stamp, y, x]
        light += np.where(usable, science[stamp, y, x], 0.0)
        known += usable
    filled[stamp, row, column] = np.divide(light, known, out=np.zeros_like(light), where=known > 0)
    return filled
