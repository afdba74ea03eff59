"""What one of several processes has of each batch, and random numbers that do not depend on how many there are.

A recipe's batch is the batch of all processes together: each takes neighbouring rows of it, and what is drawn is drawn
for the whole batch. So the number of processes is how a training is executed, no part of what it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Part:
    """Neighbouring rows of a batch.

    Parameters
    ----------
    start, stop : int
        The rows, `stop` left out.
    of : int
        Rows of the whole batch.
    weight : float
        What a mean over these rows counts in the mean of the processes' means, such that this is the batch's mean:
        1 for equal parts.
    """

    start: int
    stop: int
    of: int
    weight: float = 1.0

    @property
    def rows(self) -> slice:
        """The rows as a slice of the batch."""
        return slice(self.start, self.stop)

    @property
    def counted(self) -> int:
        """Number of rows that count: none for a process that only keeps the others company."""
        return self.stop - self.start if self.weight else 0


@dataclass(frozen=True)
class Share:
    """Which process this is.

    Parameters
    ----------
    rank : int
        Its number, from 0; 0 writes the files.
    count : int
        Number of processes.
    """

    rank: int = 0
    count: int = 1

    def part(self, of: int) -> Part:
        """Return this process's rows of a batch of `of`, as many as the others' or one more.

        All processes have to compute before gradients can be averaged. If there are fewer rows than processes, those
        that go empty take the last row, with no weight.
        """
        start, stop = (of * edge // self.count for edge in (self.rank, self.rank + 1))
        if start == stop:
            return Part(of - 1, of, of, 0.0)
        return Part(start, stop, of, (stop - start) * self.count / of)


ALONE = Share()


class Stream:
    """Random numbers for the rows of a batch.

    Parameters
    ----------
    generator : torch.Generator
        Draws for all rows, so that each gets the same numbers in any process.
    part : Part, optional
        The rows that numbers are kept of; all by default.
    """

    def __init__(self, generator: torch.Generator, part: Part | None = None) -> None:
        self.generator, self.part = generator, part

    def normal(self, shape: tuple[int, ...], axis: int = 0) -> Tensor:
        """Return standard normal numbers of a shape whose `axis` runs over the rows at hand."""
        device = self.generator.device
        return self._kept(
            torch.randn(self._whole(shape, axis), generator=self.generator, device=device), axis
        )

    def integers(self, high: int, shape: tuple[int, ...]) -> Tensor:
        """Return whole numbers from 0 to `high` - 1, of a shape whose first axis runs over the rows at hand."""
        device = self.generator.device
        return self._kept(
            torch.randint(high, self._whole(shape, 0), generator=self.generator, device=device), 0
        )

    def _whole(self, shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
        if self.part is None:
            return tuple(shape)
        return (*shape[:axis], self.part.of, *shape[axis + 1 :])

    def _kept(self, drawn: Tensor, axis: int) -> Tensor:
        if self.part is None:
            return drawn
        return drawn.narrow(axis, self.part.start, self.part.stop - self.part.start)
