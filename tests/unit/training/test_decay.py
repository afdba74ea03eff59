from __future__ import annotations

from itertools import pairwise
from typing import get_args

import pytest

from skymill.config.train import DecayConfig, TrainConfig
from skymill.training.decay import DECAYS, learning_rate, waited

KINDS = sorted(
    get_args(option.model_fields["kind"].annotation)[0] for option in get_args(get_args(DecayConfig)[0])
)


def config_of(decay: dict, **training) -> TrainConfig:
    return TrainConfig.model_validate(
        {"learning_rate": 0.1, "warmup_epochs": 0, "max_epochs": 10, "decay": decay, **training}
    )


def test_every_option_has_a_decay():
    assert DECAYS.names() == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_every_decay_starts_at_the_learning_rate_and_never_rises(kind: str):
    config = config_of({"kind": kind})
    losses = [1.0] * 10
    rates = [learning_rate(config, epoch / 4, losses[: epoch // 4]) for epoch in range(40)]

    assert rates[0] == pytest.approx(0.1)
    assert all(after <= before for before, after in pairwise(rates))


@pytest.mark.parametrize(
    ("decay", "epoch", "expected"),
    [
        ({"kind": "none"}, 9.9, 1.0),
        ({"kind": "step", "every_epochs": 3, "factor": 0.5}, 2.9, 1.0),
        ({"kind": "step", "every_epochs": 3, "factor": 0.5}, 6.1, 0.25),
        ({"kind": "exponential", "factor": 0.9}, 2.5, 0.9**2.5),
        ({"kind": "inverse", "half_epochs": 5.0}, 5.0, 0.5),
        ({"kind": "inverse", "half_epochs": 5.0}, 10.0, 1 / 3),
        ({"kind": "cosine", "last": 0.0}, 5.0, 0.5),
        ({"kind": "cosine", "last": 0.2}, 10.0, 0.2),
        ({"kind": "cosine", "last": 0.2}, 12.0, 0.2),
    ],
)
def test_values(decay: dict, epoch: float, expected: float):
    assert learning_rate(config_of(decay), epoch, []) == pytest.approx(0.1 * expected)


@pytest.mark.parametrize(
    ("losses", "steps"),
    [
        ([], 0),
        ([3, 2, 1], 0),
        ([1, 2], 0),
        ([1, 2, 2], 1),
        ([1, 2, 2, 2], 1),
        ([1, 2, 2, 2, 2], 2),
        # An improvement starts the count anew.
        ([3, 4, 2, 3, 3], 1),
        # A fall of less than min_delta is none.
        ([1.0, 0.99, 0.98], 1),
    ],
)
def test_plateau_steps_after_epochs_without_improvement(losses: list[float], steps: int):
    config = config_of({"kind": "plateau", "patience_epochs": 2, "factor": 0.5, "min_delta": 0.1})

    assert learning_rate(config, len(losses), losses) == pytest.approx(0.1 * 0.5**steps)


def test_warm_up_is_a_straight_line():
    config = config_of({"kind": "none"}, warmup_epochs=2.0)

    assert [learning_rate(config, epoch, []) for epoch in (0, 0.5, 1, 2, 3)] == pytest.approx(
        [0, 0.025, 0.05, 0.1, 0.1]
    )


@pytest.mark.parametrize(
    ("losses", "since"), [([], 0), ([1], 0), ([1, 2, 3], 2), ([1, 2, 0.5], 0), ([1, 0.95, 0.92], 2)]
)
def test_epochs_since_the_last_improvement(losses: list[float], since: int):
    assert waited(losses, min_delta=0.1) == since
