"""Blends for training: windows around the central galaxies, with their truth.

Everything is in units of the background rms. A window is of odd size with the central galaxy on its middle pixel, so
that it can be turned and mirrored without moving the galaxy; the network's input is cut out of it afterwards, on the
device.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from skymill.catalog.catalogue import Catalogue
from skymill.data.stamps import StampSet
from skymill.data.survey import Survey, njy_to_image_flux
from skymill.errors import DataError
from skymill.rng import rng

GALAXY_LAYERS = ("central", "neighbours")
READ_AT_ONCE = 512


@dataclass(frozen=True)
class Needs:
    """What of a set of blends a training needs.

    Parameters
    ----------
    window_px : int
        Side of the windows, odd.
    galaxies : int
        1: the central galaxy's flux; 2: the companion's too.
    masks : bool
        Whether the masks are needed.
    noise_free : bool
        Whether the sum of the noise-free galaxies is needed.
    """

    window_px: int
    galaxies: int
    masks: bool
    noise_free: bool


@dataclass(frozen=True)
class BlendTruth:
    """Truth of a set of blends, one row for each stamp.

    Parameters
    ----------
    x, y : ndarray (n,), int64
        Pixel of the central galaxy on the canvas.
    flux : ndarray (n, g), float32
        Flux of the central galaxy and of its companion, background rms.
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    flux: NDArray[np.float32]


def read_truth(path: str | Path, stamps: int, galaxies: int, survey: Survey) -> BlendTruth:
    """Read the truth of a set of blends.

    Parameters
    ----------
    path : str or Path
        Catalogue of schema `blends`.
    stamps : int
        Number of blends in the set.
    galaxies : int
        1: the central galaxies' flux; 2: also the companions', which needs pairs only.
    survey : Survey
        Turns nJy into background rms.

    Raises
    ------
    DataError
        If a blend has not exactly one central galaxy with a positive flux or, for two galaxies, not one companion.
    """
    catalogue = Catalogue.read(path, "blends")
    parts = [_one_per_stamp(path, catalogue, role, stamps) for role in ("central", "companion")[:galaxies]]
    flux = np.stack([catalogue["flux"][rows] for rows in parts], axis=1)
    if not (np.isfinite(flux) & (flux > 0)).all():
        raise DataError(path, expected="positive fluxes", found=f"{flux.min()} nJy")
    flux = njy_to_image_flux(flux, survey.zero_point_mag) / survey.background_rms
    x, y = (np.rint(catalogue[name][parts[0]]).astype(np.int64) for name in ("x", "y"))
    return BlendTruth(x, y, flux.astype(np.float32))


def _one_per_stamp(path: str | Path, catalogue: Catalogue, role: str, stamps: int) -> NDArray[np.int64]:
    """Return the row of the galaxy of that role for each stamp."""
    rows = np.flatnonzero(catalogue["role"] == role)
    rows = rows[np.argsort(catalogue["stamp_id"][rows], kind="stable")]
    if not np.array_equal(catalogue["stamp_id"][rows], np.arange(stamps)):
        raise DataError(
            path,
            expected=f"one {role} galaxy in each of {stamps} blends",
            found=f"{len(rows)} in {len(np.unique(catalogue['stamp_id'][rows]))} blends",
            remedy="Train 'central_and_companion' on pairs only."
            if role == "companion"
            else "Run blend again.",
        )
    return rows


def cut_windows(canvases: NDArray, x: NDArray, y: NDArray, size: int) -> NDArray:
    """Cut a window of odd `size` around pixel (x, y) out of each canvas (n, band, Y, X): (n, band, size, size)."""
    offset = np.arange(size) - size // 2
    rows, columns = (y[:, None] + offset)[:, :, None], (x[:, None] + offset)[:, None, :]
    return np.moveaxis(canvases[np.arange(len(canvases))[:, None, None], :, rows, columns], -1, 1)


class BlendData(Dataset):
    """Windows of a set of blends, kept in memory when they are small enough, else read by batch.

    Parameters
    ----------
    stamps : str or Path
        The set of blends.
    truth : str or Path
        Its catalogue.
    survey : Survey
        Gives background rms and zero-point.
    needs : Needs
        What to read.
    cache_bytes : float
        Largest size of the windows in memory; the data are the same either way.

    Raises
    ------
    DataError
        If a layer is missing or a window reaches over the edge of the canvas.
    """

    def __init__(
        self, stamps: str | Path, truth: str | Path, survey: Survey, needs: Needs, cache_bytes: float
    ) -> None:
        self.path, self.needs, self.rms = Path(stamps), needs, survey.background_rms
        self._opened: tuple[int, StampSet] | None = None
        with StampSet.open(stamps) as opened:
            self.n, self.canvas_px = opened.n, opened.shape("image")[-1]
        self.truth = read_truth(truth, self.n, needs.galaxies, survey)
        self._check_room()
        layers = 1 + needs.noise_free + needs.masks / 4  # float32 images, uint8 masks
        self.cached = self.n * needs.window_px**2 * 4 * layers <= cache_bytes
        self._cache = self._read_all() if self.cached else {}

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: list[int] | NDArray) -> dict[str, Tensor]:
        """Return the windows of some blends.

        Returns
        -------
        dict of Tensor
            image (b, band, w, w) and galaxies (b, band, w, w; noise-free, where needed) in background rms, masks
            (b, band, w, w) uint8 bits (where needed), flux (b, g).
        """
        index = np.asarray(index)
        if self.cached:
            return {name: values[torch.from_numpy(index)] for name, values in self._cache.items()}
        return self._read(index)

    def _read(self, index: NDArray[np.int64]) -> dict[str, Tensor]:
        windows = {"image": self._windows("image", index) / np.float32(self.rms)}
        if self.needs.noise_free:
            windows["galaxies"] = sum(self._windows(name, index) for name in GALAXY_LAYERS) / np.float32(
                self.rms
            )
        if self.needs.masks:
            windows["masks"] = self._windows("masks", index)
        windows["flux"] = self.truth.flux[index]
        return {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in windows.items()}

    def _windows(self, layer: str, index: NDArray[np.int64]) -> NDArray:
        canvases = self._stamps().read(layer, index)
        return cut_windows(canvases, self.truth.x[index], self.truth.y[index], self.needs.window_px)

    def _read_all(self) -> dict[str, Tensor]:
        parts = [
            self._read(np.arange(start, min(start + READ_AT_ONCE, self.n)))
            for start in range(0, self.n, READ_AT_ONCE)
        ]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def _stamps(self) -> StampSet:
        """Return the set, opened by this very process: an HDF5 handle must not cross a fork."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), StampSet.open(self.path))
        return self._opened[1]

    def _check_room(self) -> None:
        half = self.needs.window_px // 2
        positions = np.concatenate([self.truth.x, self.truth.y])
        low, high = int(positions.min()) - half, int(positions.max()) + half
        if low < 0 or high >= self.canvas_px:
            raise DataError(
                self.path,
                expected=f"canvases that hold {self.needs.window_px} px around each central galaxy",
                found=f"{self.canvas_px} px, of which pixels {low} to {high} are needed",
                remedy="Raise blend's canvas_px, or lower input_px, shift_px, rotate or zoom of the training.",
            )


class EpochOrder(Sampler[NDArray[np.int64]]):
    """Batches of row numbers, shuffled anew in each epoch by a generator that is keyed by the epoch.

    Parameters
    ----------
    n, batch_size : int
        Rows and rows in a batch; the last batch may be smaller.
    seed : int or None
        The run's seed; None keeps the order of the set.
    """

    def __init__(self, n: int, batch_size: int, seed: int | None = None) -> None:
        self.n, self.batch_size, self.seed, self.epoch = n, batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls it before each."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.n // self.batch_size)

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        order = (
            np.arange(self.n)
            if self.seed is None
            else rng(self.seed, "train", "order", self.epoch).permutation(self.n)
        )
        return iter(np.array_split(order, range(self.batch_size, self.n, self.batch_size)))


def loader(data: BlendData, batch_size: int, seed: int | None, workers: int) -> DataLoader:
    """Return a loader of batches, shuffled by `seed` or, without one, in the set's order."""
    order = EpochOrder(len(data), batch_size, seed)
    return DataLoader(
        data, batch_size=None, sampler=order, num_workers=workers, persistent_workers=workers > 0
    )
