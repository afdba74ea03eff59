from __future__ import annotations

import numpy as np
import pytest
import torch

from skymill.training.blends import Numbers
from skymill.training.share import ALONE, Part, Share, Stream


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("of", [7, 8, 20])
def test_the_parts_of_a_batch_are_the_batch_and_nearly_equal(of: int, count: int):
    parts = [Share(rank, count).part(of) for rank in range(count)]
    sizes = [part.counted for part in parts]

    assert np.concatenate([np.arange(of)[part.rows] for part in parts]).tolist() == list(range(of))
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("of", [1, 2, 5, 6])
def test_the_weighted_mean_of_the_parts_means_is_the_batchs_mean(of: int):
    values = np.random.default_rng(1).normal(size=of)
    parts = [Share(rank, 4).part(of) for rank in range(4)]

    assert np.mean([part.weight * values[part.rows].mean() for part in parts]) == pytest.approx(values.mean())
    assert sum(part.counted for part in parts) == of


def test_alone_is_everything():
    assert ALONE.part(5) == Part(0, 5, 5, 1.0)


@pytest.mark.parametrize("is_fixed", [True, False])
def test_the_numbers_of_all_processes_are_those_of_one(is_fixed: bool):
    orders = [Numbers(10, 4, is_fixed) for _ in range(4)]
    for rank, order in enumerate(orders[:3]):
        order.share = Share(rank, 3)
    for order in orders:
        order.set_epoch(2)
    *shared, whole = ([batch.tolist() for batch in order] for order in orders)

    # The last batch of two blends leaves one of three processes without: it takes one that does not count.
    assert [[*a, *b, *c] for a, b, c in zip(*shared, strict=True)][:2] == whole[:2]
    assert [order.part(2).counted for order in orders[:3]] == [0, 1, 1]
    assert [shared[rank][2] for rank in (1, 2)] == [whole[2][:1], whole[2][1:]]


def test_a_stream_gives_each_row_its_numbers():
    whole = Stream(torch.Generator().manual_seed(1))
    parts = [Stream(torch.Generator().manual_seed(1), Share(rank, 2).part(5)) for rank in range(2)]
    rows = (2, 3)
    draws = [
        (whole.normal((5, 4)), [part.normal((n, 4)) for part, n in zip(parts, rows, strict=True)], 0),
        (
            whole.normal((3, 5, 2), axis=1),
            [part.normal((3, n, 2), axis=1) for part, n in zip(parts, rows, strict=True)],
            1,
        ),
        (
            whole.integers(99, (5, 3)),
            [part.integers(99, (n, 3)) for part, n in zip(parts, rows, strict=True)],
            0,
        ),
    ]

    for wanted, found, axis in draws:
        assert torch.equal(torch.cat(found, dim=axis), wanted)
