"""The one training loop: Lightning runs it, the task says what is learned.

What a resumed training needs is little and explicit: weights, optimiser and the history. Order of the data and
augmentation are keyed by the epoch, and the learning rate is a function of the epoch and the history.
"""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint, Timer, TQDMProgressBar
from lightning.pytorch.plugins.environments import LightningEnvironment, SLURMEnvironment
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn
from torch.utils.data import DataLoader

from skymill.config.train import TrainConfig
from skymill.errors import ConfigError, DataError, TrainingError
from skymill.models.inputs import StampInputs
from skymill.models.outputs import Outputs
from skymill.provenance.atomic import atomic_path
from skymill.rng import rng
from skymill.tasks.batch import Batch
from skymill.tasks.registry import Task
from skymill.training.augment import Augment
from skymill.training.card import plain_weights
from skymill.training.checkpoint import is_whole, read_best, sign, write_best
from skymill.training.decay import learning_rate, waited
from skymill.training.history import Epoch
from skymill.training.processes import ONE, Processes
from skymill.training.share import Part

log = logging.getLogger(__name__)

LAST, BEST = "last.ckpt", "best.safetensors"
PRECISION = {"auto": "bf16-mixed", "bfloat16": "bf16-mixed", "float16": "16-mixed", "float32": "32-true"}


class BlendModule(pl.LightningModule):
    """Network, task and optimiser as Lightning wants them.

    Parameters
    ----------
    network : torch.nn.Module
        From :func:`skymill.models.build.build_network`.
    task : Task
        What is learned.
    config : TrainConfig
        How it is trained.
    augment : Augment
        Windows → training batches.
    identity : str
        Says which recipe and code a checkpoint belongs to.
    """

    def __init__(
        self, network: nn.Module, task: Task, config: TrainConfig, augment: Augment, identity: str
    ) -> None:
        super().__init__()
        self.network, self.task, self.config, self.augment, self.identity = (
            network,
            task,
            config,
            augment,
            identity,
        )
        self.validation_metrics = task.metrics()
        self.history: list[Epoch] = []
        self.losses: dict[str, list[Tensor]] = {"train": [], "validation": []}
        self.weights: dict[str, list[int]] = {"train": [], "validation": []}
        self.parts: dict[str, Callable[[int], Part]] = {}
        self.started = 0.0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Make the optimiser; biases and normalisations are not decayed."""
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[self.config.optimiser]
        learned = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        decayed = [parameter for parameter in learned if parameter.ndim > 1]
        free = [parameter for parameter in learned if parameter.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": self.config.weight_decay},
            {"params": free, "weight_decay": 0.0},
        ]
        return kind(groups, lr=self.config.learning_rate)

    def on_train_batch_start(self, windows: dict[str, Tensor], batch_index: int) -> None:
        """Start the epoch's clock and random stream; set the learning rate."""
        if batch_index == 0:
            self.started = time.perf_counter()
            torch.manual_seed(_torch_seed(self.augment.seed, self.current_epoch))
        epoch = self.current_epoch + (batch_index + 0.5) / self.trainer.num_training_batches
        rate = learning_rate(self.config, epoch, [row["validation_loss"] for row in self.history])
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate

    def training_step(self, windows: dict[str, Tensor], batch_index: int) -> Tensor:
        """Return the loss of an augmented batch."""
        with torch.no_grad():
            part = self._part("train", batch_index)
            batch = self.augment(windows, self.current_epoch, batch_index, **part)
            inputs = self.inputs(batch)
        loss = self.task.loss(self.network(inputs), batch)
        self._note("train", loss, len(batch.image), **part)
        # Gradients are averaged over the processes, which is their mean over the batch with this weight.
        return loss * part["part"].weight if part else loss

    def inputs(self, batch: Batch) -> StampInputs:
        """Return what the network is given of a batch."""
        return self.task.inputs(batch.image, batch.condition)

    def validation_step(self, windows: dict[str, Tensor], batch_index: int) -> None:
        """Add a batch to the validation's figures."""
        part = self._part("validation", batch_index)
        batch = self.augment.as_they_are(windows, batch_index, **part)
        outputs = self.network(self.inputs(batch))
        self._note("validation", self.task.loss(outputs, batch), len(batch.image), **part)
        if not part or part["part"].counted:
            self.validation_metrics.update(outputs, batch)
        if batch_index == 0:
            self.keep(outputs, batch)

    def keep(self, outputs: Outputs, batch: Batch) -> None:
        """Keep what is worth to be seen of the first validation batch of an epoch: here nothing."""

    def more_columns(self) -> dict[str, float]:
        """Return what a training of this kind adds to the epoch's row of the history."""
        return {}

    def draw_more(self, folder: Path, title: str) -> None:
        """Draw what a training of this kind has to show beside its curves."""

    def on_validation_epoch_end(self) -> None:
        """Add the epoch to the history and decide whether to stop."""
        row = {"epoch": self.current_epoch + 1.0}
        more = self.more_columns()
        row |= {"train_loss": self._mean("train"), "validation_loss": self._mean("validation")}
        row |= self.validation_metrics.compute()
        row |= more
        row |= {
            "learning_rate": self.trainer.optimizers[0].param_groups[0]["lr"],
            "seconds": time.perf_counter() - self.started,
        }
        self.validation_metrics.reset()
        # All processes go by the same numbers, down to the last bit: they have to stop together.
        row = self.trainer.strategy.broadcast(row)
        self.history.append(row)
        log.info(
            "epoch %s", ", ".join(f"{name} {value:.5g}" for name, value in row.items()).removeprefix("epoch ")
        )
        self.trainer.should_stop |= has_ended(self.history, self.config)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the history in the checkpoint."""
        checkpoint["skymill"] = {"identity": self.identity, "history": [dict(row) for row in self.history]}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the history from the checkpoint."""
        self.history = list(checkpoint["skymill"]["history"])

    def _part(self, side: str, batch_index: int) -> dict[str, Part]:
        """Return, as a keyword, which part of the batch this process has; nothing where it has all of each."""
        return {"part": self.parts[side](batch_index)} if self.parts else {}

    def _note(self, side: str, loss: Tensor, stamps: int, part: Part | None = None) -> None:
        value = loss.detach()
        if not isfinite(float(value)):
            raise TrainingError(
                f"{side} loss in epoch {self.current_epoch + 1}",
                expected="a finite number",
                found=str(float(value)),
                remedy="Lower training.learning_rate, or look for broken stamps among the blends.",
            )
        self.losses[side].append(value)
        self.weights[side].append(stamps if part is None else part.counted)

    def _mean(self, side: str) -> float:
        losses, weights = (
            torch.stack(self.losses[side]).double().cpu(),
            torch.tensor(self.weights[side], dtype=torch.float64),
        )
        self.losses[side].clear()
        self.weights[side].clear()
        sums = torch.stack([(losses * weights).sum(), weights.sum()])
        total, weight = self.trainer.strategy.reduce(sums.to(self.device), reduce_op="sum").tolist()
        return total / weight


def has_ended(history: list[Epoch], config: TrainConfig) -> bool:
    """Whether training ends with `history`: `max_epochs` reached, or no better for `patience_epochs`."""
    if len(history) >= config.max_epochs:
        return True
    losses = [row["validation_loss"] for row in history]
    return config.patience_epochs is not None and waited(losses, config.min_delta) >= config.patience_epochs


class Checkpoints(Checkpoint):
    """After each epoch, write the state to resume from and, when it is the best so far, the network's weights.

    Each file appears whole or not at all; the best weights are written first, so that they are never older than the
    history says.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_epoch_end(self, trainer: pl.Trainer, module: BlendModule) -> None:
        """Write the checkpoint."""
        if not trainer.is_global_zero:
            trainer.save_checkpoint(self.folder / LAST)  # Writes nothing, but process 0 waits for it.
            return
        losses = [row["validation_loss"] for row in module.history]
        if losses[-1] < min(losses[:-1], default=float("inf")):
            write_best(self.folder / BEST, plain_weights(module.network))
        with atomic_path(self.folder / LAST) as partial:
            trainer.save_checkpoint(partial)
            sign(partial)


@dataclass(frozen=True)
class Resources:
    """What a training is executed with.

    Parameters
    ----------
    device : torch.device
        Where to compute.
    progress : bool
        Whether to draw a progress bar.
    processes : Processes
        This process and those that train with it.
    """

    device: torch.device
    progress: bool
    processes: Processes = ONE


def precision_of(config: TrainConfig, device: torch.device) -> str:
    """Return Lightning's name of the number type: mixed precision on a GPU only."""
    return PRECISION[config.precision] if device.type == "cuda" else "32-true"


def wants_progress(choice: str) -> bool:
    """Whether to draw a progress bar: 'on', 'off', or 'auto' (when stderr is a terminal)."""
    return choice == "on" or (choice == "auto" and sys.stderr.isatty())


def fit(
    module: BlendModule, train: DataLoader, validation: DataLoader, folder: Path, resources: Resources
) -> None:
    """Train until the end, from the checkpoint in `folder` if there is a fitting one.

    Parameters
    ----------
    module : BlendModule
        What to train; afterwards its `history` is complete and `folder` holds the best weights (`BEST`).
    train, validation : DataLoader
        From :func:`skymill.training.blends.loader`.
    folder : Path
        Folder of the checkpoints.
    resources : Resources
        Device, progress bar and processes. With several of them, each calls this.

    Raises
    ------
    ConfigError
        If there are more processes than blends in a batch.
    TrainingError
        If the loss is not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if resources.processes.count > 1:
        _divide(module, train, validation, resources.processes)
    checkpoint = usable_checkpoint(folder, module.identity)
    if checkpoint is not None:
        module.on_load_checkpoint(checkpoint)
        log.info("going on after epoch %d of %d", len(module.history), module.config.max_epochs)
        if has_ended(module.history, module.config):
            return
    # Lightning makes the first epoch's iterator before it tells the sampler which epoch that is.
    train.sampler.set_epoch(len(module.history))
    with _quiet():
        trainer = _trainer(module, folder, resources)
        trainer.fit(
            module,
            train,
            validation,
            ckpt_path=None if checkpoint is None else folder / LAST,
            weights_only=True,
        )


def _divide(module: BlendModule, train: DataLoader, validation: DataLoader, processes: Processes) -> None:
    """Give this process its part of each batch."""
    fewest = min(module.config.batch_size, train.sampler.n, validation.sampler.n)
    if fewest < processes.count:
        raise ConfigError(
            "processes of a training",
            expected=f"at most the {fewest} blends of a batch",
            found=str(processes.count),
            remedy="Ask for fewer tasks.",
        )
    for side, data in (("train", train), ("validation", validation)):
        data.sampler.share = processes.share()
        module.parts[side] = data.sampler.part


def usable_checkpoint(folder: Path, identity: str) -> dict[str, Any] | None:
    """Return the checkpoint in `folder` if it is whole and fits recipe and code, else None with a line in the log."""
    path = folder / LAST
    if not path.exists():
        return None
    if not is_whole(path):
        log.warning("%s: damaged, or of another version of the code; training starts anew", path)
        return None
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    if checkpoint.get("skymill", {}).get("identity") != identity:
        log.warning("%s: made by another recipe or another version of the code; training starts anew", path)
        return None
    try:
        read_best(folder / BEST)
    except DataError as error:
        log.warning("%s: training starts anew", error)
        return None
    return checkpoint


def _trainer(module: BlendModule, folder: Path, resources: Resources) -> pl.Trainer:
    config, gpu = module.config, resources.device.type == "cuda"
    callbacks: list[Callback] = [Checkpoints(folder)]
    if config.max_time_minutes is not None:
        callbacks.append(
            Timer(duration={"seconds": 60 * config.max_time_minutes}, interval="epoch", verbose=False)
        )
    if resources.progress:
        callbacks.append(TQDMProgressBar(refresh_rate=10))
    processes = resources.processes
    several = {"strategy": DDPStrategy()} if processes.count > 1 else {}
    return pl.Trainer(
        accelerator="gpu" if gpu else "cpu",
        devices=processes.per_node,
        num_nodes=processes.nodes,
        **several,
        use_distributed_sampler=False,
        # SLURM's only if srun has started this process for it, whatever the scheduler's variables say.
        plugins=[SLURMEnvironment(auto_requeue=False) if processes.slurm else LightningEnvironment()],
        precision=precision_of(config, resources.device),
        max_epochs=config.max_epochs,
        # Who steps by itself clips by itself.
        gradient_clip_val=config.gradient_clip if module.automatic_optimization else None,
        callbacks=callbacks,
        deterministic=not gpu,
        logger=False,
        enable_checkpointing=True,
        enable_model_summary=False,
        enable_progress_bar=resources.progress,
        num_sanity_val_steps=0,
        default_root_dir=folder,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's advice out of the log and put back what it sets for the whole process."""
    loggers = [logging.getLogger(name) for name in ("lightning", "lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    deterministic = torch.are_deterministic_algorithms_enabled()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            yield
    finally:
        torch.use_deterministic_algorithms(deterministic)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _torch_seed(seed: int, epoch: int) -> int:
    """Seed of torch's own stream (dropout) in an epoch."""
    return int(rng(seed, "train", "torch", epoch).integers(2**62))
