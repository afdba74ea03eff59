"""In which order a training sees what is wholly in memory: galaxies, patches of sky."""

from __future__ import annotations

from collections.abc import Iterator, Sized

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Sampler

from skymill.config.train import TrainConfig
from skymill.rng import rng


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
        order = np.arange(self.n)
        if self.seed is not None:
            order = rng(self.seed, "finder", "order", self.epoch).permutation(self.n)
        return iter(np.array_split(order, range(self.batch_size, self.n, self.batch_size)))


def epoch_loaders(
    train: Sized, validation: Sized, config: TrainConfig, seed: int, validation_batch: int | None = None
) -> tuple[DataLoader, DataLoader]:
    """Return the loaders of both sides: one in another order in each epoch, the other always the same.

    Parameters
    ----------
    train, validation : Dataset
        Sets that are indexed by an array of row numbers.
    config : TrainConfig
        Its ``batch_size`` and ``workers`` count.
    seed : int
        The run's seed.
    validation_batch : int, optional
        Rows in a batch of the validation; as many as in training by default.
    """
    size, workers = config.batch_size, config.workers
    orders = (EpochOrder(len(train), size, seed), EpochOrder(len(validation), validation_batch or size))
    first, second = (
        DataLoader(data, batch_size=None, sampler=order, num_workers=workers, persistent_workers=workers > 0)
        for data, order in zip((train, validation), orders, strict=True)
    )
    return first, second
