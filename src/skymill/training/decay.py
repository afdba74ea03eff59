"""Falls of the learning rate, by name.

Each is a plain function of the epoch and of the validation losses so far: there is no hidden state that a resumed
training could lose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import cos, pi

from skymill.config.train import (
    CosineDecay,
    DecayConfig,
    ExponentialDecay,
    InverseDecay,
    NoDecay,
    PlateauDecay,
    StepDecay,
    TrainConfig,
)
from skymill.registry import Registry

DECAYS: Registry[Callable[[DecayConfig, float, int, Sequence[float]], float]] = Registry(
    "learning-rate decay"
)
"""Each entry is called with its options, the epoch (broken: 2.5 is the middle of the third), the number of epochs and
the validation losses of the epochs that have ended; it gives the factor on the learning rate."""


@DECAYS.register("none")
def none(config: NoDecay, epoch: float, epochs: int, losses: Sequence[float]) -> float:
    """Return 1."""
    return 1.0


@DECAYS.register("step")
def step(config: StepDecay, epoch: float, epochs: int, losses: Sequence[float]) -> float:
    """Return ``factor ** floor(epoch / every_epochs)``."""
    return config.factor ** int(epoch // config.every_epochs)


@DECAYS.register("exponential")
def exponential(config: ExponentialDecay, epoch: float, epochs: int, losses: Sequence[float]) -> float:
    """Return ``factor ** epoch``."""
    return config.factor**epoch


@DECAYS.register("inverse")
def inverse(config: InverseDecay, epoch: float, epochs: int, losses: Sequence[float]) -> float:
    """Return ``1 / (1 + epoch / half_epochs)``."""
    return 1 / (1 + epoch / config.half_epochs)


@DECAYS.register("cosine")
def cosine(config: CosineDecay, epoch: float, epochs: int, losses: Sequence[float]) -> float:
    """Return half a cosine from 1 to `last` (Loshchilov & Hutter 2017, eq. 5, one cycle)."""
    return config.last + (1 - config.last) * (1 + cos(pi * min(epoch / epochs, 1.0))) / 2


@DECAYS.register("plateau")
def plateau(config: PlateauDecay, epoch: float, epochs: int, losses: Sequence[float]) -> float:
    """Return ``factor ** steps``, with a step whenever `patience_epochs` epochs have not improved the loss."""
    best, waited, steps = float("inf"), 0, 0
    for loss in losses:
        improved = loss < best - config.min_delta
        best, waited = (loss, 0) if improved else (best, waited + 1)
        if waited >= config.patience_epochs:
            steps, waited = steps + 1, 0
    return config.factor**steps


def learning_rate(config: TrainConfig, epoch: float, losses: Sequence[float]) -> float:
    """Return the learning rate at `epoch` (broken), warm-up included."""
    warm = min(1.0, epoch / config.warmup_epochs) if config.warmup_epochs else 1.0
    return (
        config.learning_rate
        * warm
        * DECAYS[config.decay.kind](config.decay, epoch, config.max_epochs, losses)
    )


def waited(losses: Sequence[float], min_delta: float) -> int:
    """Return the number of epochs since the validation loss last improved by more than `min_delta`."""
    best, since = float("inf"), 0
    for loss in losses:
        best, since = (loss, 0) if loss < best - min_delta else (best, since + 1)
    return since
