"""Blends for training, composed while they are needed: no network ever sees one twice.

A window is of odd size with the galaxy to measure on its middle pixel, so that it can be turned and mirrored without
moving the galaxy. It holds light without noise; augmentation and noise follow on the device.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from skymill.blend.compose import shifted
from skymill.blend.galaxies import galaxies_of_side
from skymill.blend.groups import Group, GroupRecipe
from skymill.catalog.catalogue import Catalogue
from skymill.config.blend import BlendConfig
from skymill.data.stamps import StampSet, centre_index
from skymill.data.survey import Survey, njy_to_image_flux
from skymill.errors import ConfigError, DataError
from skymill.rng import rng
from skymill.training.share import ALONE, Part

READ_AT_ONCE = 512


@dataclass(frozen=True)
class Source:
    """Where the galaxies of one side come from and how they are blended.

    Parameters
    ----------
    stamps, truth : str or Path
        The population.
    side : str
        ``train`` or ``validation``.
    survey : Survey
        Pixel scale, zero-point, background rms.
    blend : BlendConfig
        Group sizes, separations, differences in magnitude.
    seed : int
        The run's seed.
    """

    stamps: str | Path
    truth: str | Path
    side: str
    survey: Survey
    blend: BlendConfig
    seed: int


class ComposedBlends(Dataset):
    """Windows around galaxies of blends, by number.

    The same number gives the same blend on any number of processes. Networks for one galaxy learn to measure any
    member of a group; those for pairs the central galaxy and its companion.

    Parameters
    ----------
    source : Source
        Galaxies and recipe.
    window_px : int
        Side of the windows, odd.
    galaxies : int
        1: any galaxy of a group is the one to measure; 2: the central one, and its companion.
    cache_bytes : float
        Largest size of the stamps in memory; larger sets are read by batch, with the same result.

    Raises
    ------
    ConfigError
        If the side has too few galaxies, or pairs are to be learned from other groups.
    DataError
        If a file cannot be read, or a flux is not positive.
    """

    def __init__(self, source: Source, window_px: int, galaxies: int, cache_bytes: float) -> None:
        self.source, self.window_px, self.galaxies_given = source, window_px, galaxies
        config, survey = source.blend, source.survey
        if galaxies == 2 and set(config.group_sizes) != {2}:
            raise ConfigError(
                "models.*.task.outputs",
                expected="central, or blend.group_sizes: {2: 1}",
                found=f"central_and_companion with groups of {sorted(config.group_sizes)}",
            )
        truth = Catalogue.read(source.truth, "galaxies")
        self.galaxies = galaxies_of_side(truth, source.side, survey, max(config.group_sizes))
        if not (self.galaxies.flux > 0).all():
            raise DataError(
                source.truth, expected="positive fluxes", found=f"{self.galaxies.flux.min():g} nJy"
            )
        self.flux = njy_to_image_flux(self.galaxies.flux, survey.zero_point_mag) / survey.background_rms
        self.groups = GroupRecipe(config, self.galaxies)
        self._opened: tuple[int, StampSet] | None = None
        with StampSet.open(source.stamps) as opened:
            stamp_px = opened.shape("image")[-1]
        # What lies farther out never falls on a window. Companions may be on opposite sides of the central galaxy.
        reach = ceil(config.max_separation_px) * (2 if max(config.group_sizes) > 2 else 1)
        self.kept_px = min(stamp_px, window_px + 2 * reach + 1)
        self.cached = len(self.galaxies) * self.kept_px**2 * 4 <= cache_bytes
        self._cache = self._read_all() if self.cached else None

    def __getitem__(self, numbers: list[int] | NDArray) -> dict[str, Tensor]:
        """Return the windows of some blends.

        Returns
        -------
        dict of Tensor
            central and neighbours (b, 1, w, w), float32 light without noise, and flux (b, g), background rms.
        """
        drawn = [self._draw(int(number)) for number in numbers]
        stamps = self._stamps(np.concatenate([group.members for group, _ in drawn]))
        size = (len(drawn), 1, self.window_px, self.window_px)
        central, neighbours = np.zeros(size, dtype=np.float32), np.zeros(size, dtype=np.float32)
        flux = np.zeros((len(drawn), self.galaxies_given), dtype=np.float32)
        start = 0
        for row, (group, target) in enumerate(drawn):
            stop = start + len(group.members)
            shift_x = group.shift_x - group.shift_x[target]
            shift_y = group.shift_y - group.shift_y[target]
            for member, stamp in enumerate(stamps[start:stop]):
                light = (central if member == target else neighbours)[row, 0]
                light += shifted(stamp, int(shift_x[member]), int(shift_y[member]), self.window_px)
            # Pairs: the central galaxy is the first member.
            flux[row] = self.flux[group.members[[target] if self.galaxies_given == 1 else [0, 1]]]
            start = stop
        return {name: torch.from_numpy(values) for name, values in
                {"central": central, "neighbours": neighbours, "flux": flux}.items()}  # fmt: skip

    def _draw(self, number: int) -> tuple[Group, int]:
        """Return a group and which of its members is to be measured."""
        generator = rng(self.source.seed, "train", "blends", self.source.side, number)
        group = self.groups.draw(generator)
        return group, int(generator.integers(len(group.members))) if self.galaxies_given == 1 else 0

    def _stamps(self, members: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return stamps (m, y, x) by row of `galaxies`, background rms."""
        return self._read(members) if self._cache is None else self._cache[members]

    def _read(self, members: NDArray[np.int64]) -> NDArray[np.float32]:
        # Opened by this very process: an HDF5 handle must not cross a fork.
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), StampSet.open(self.source.stamps))
        stamps = self._opened[1].read("image", self.galaxies.galaxy_id[members])[:, 0]
        start = centre_index(stamps.shape[-1]) - centre_index(self.kept_px)
        kept = slice(start, start + self.kept_px)
        return stamps[:, kept, kept] / np.float32(self.source.survey.background_rms)

    def _read_all(self) -> NDArray[np.float32]:
        cache = np.empty((len(self.galaxies), self.kept_px, self.kept_px), dtype=np.float32)
        for start in range(0, len(cache), READ_AT_ONCE):
            rows = np.arange(start, min(start + READ_AT_ONCE, len(cache)))
            cache[rows] = self._read(rows)
        return cache


class Numbers(Sampler[NDArray[np.int64]]):
    """Batches of numbers of blends; each epoch has numbers of its own.

    Of each batch, only what `share` says is given: all of it unless there are several processes.

    Parameters
    ----------
    n, batch_size : int
        Blends in an epoch and in a batch; the last batch may be smaller.
    is_fixed : bool
        Whether every epoch has the same blends.
    """

    def __init__(self, n: int, batch_size: int, is_fixed: bool) -> None:
        self.n, self.batch_size, self.is_fixed, self.epoch = n, batch_size, is_fixed, 0
        self.share = ALONE

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls it before each."""
        self.epoch = epoch

    def part(self, batch: int) -> Part:
        """Return which rows of a batch are given."""
        return self.share.part(min(self.batch_size, self.n - batch * self.batch_size))

    def __len__(self) -> int:
        return -(-self.n // self.batch_size)

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        numbers = np.arange(self.n) + (0 if self.is_fixed else self.epoch * self.n)
        batches = np.array_split(numbers, range(self.batch_size, self.n, self.batch_size))
        return iter([whole[self.part(batch).rows] for batch, whole in enumerate(batches)])


def loader(data: ComposedBlends, n: int, batch_size: int, workers: int, *, is_fixed: bool) -> DataLoader:
    """Return a loader of batches: `n` blends an epoch, new ones each time or always the same."""
    order = Numbers(n, batch_size, is_fixed)
    return DataLoader(
        data, batch_size=None, sampler=order, num_workers=workers, persistent_workers=workers > 0
    )
