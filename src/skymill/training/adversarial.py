"""Adversarial training: a network that draws and a critic that judges, each with an optimiser of its own.

What the loop is, :mod:`skymill.training.loop` says; the critic is part of the checkpoint, not of the model. Early
stopping and the choice of the best weights go by the task's loss on the validation blends, in which the critic has no
say.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from skymill.config.critic import CriticConfig
from skymill.config.train import TrainConfig, critic_of
from skymill.models.critic import LAYERS, Critic, adversarial_loss, critic_loss
from skymill.models.outputs import Outputs
from skymill.rng import rng
from skymill.tasks.batch import Batch
from skymill.tasks.registry import Task
from skymill.training.augment import Augment
from skymill.training.film import FILM, Film
from skymill.training.history import OF_A_CRITIC
from skymill.training.loop import BlendModule


class AdversarialModule(BlendModule):
    """A training with a critic.

    For each batch the critic learns once, then the network; the images of both steps are the same.

    Parameters
    ----------
    network, task, config, augment, identity
        As for :class:`~skymill.training.loop.BlendModule`; the network gives images.
    critic : CriticConfig
        The critic and its weight.
    layers : int
        Images that the network gives for each stamp.
    """

    def __init__(
        self,
        network: nn.Module,
        task: Task,
        config: TrainConfig,
        augment: Augment,
        identity: str,
        critic: CriticConfig,
        layers: int = LAYERS,
    ) -> None:
        super().__init__(network, task, config, augment, identity)
        self.automatic_optimization = False
        self.options, self.film = critic, Film()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng(augment.seed, "train", "critic").integers(2**62)))
            self.critic = Critic(critic, layers)
        self.sums = {name: [] for name in OF_A_CRITIC}

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Make the optimiser of the network and that of the critic, which forgets sooner and decays nothing."""
        rate = self.config.learning_rate * self.options.learning_rate_ratio
        critic = torch.optim.Adam(self.critic.parameters(), lr=rate, betas=(0.5, 0.99))
        return [super().configure_optimizers(), critic]

    def on_train_batch_start(self, windows: dict[str, Tensor], batch_index: int) -> None:
        """Set the critic's learning rate beside the network's."""
        super().on_train_batch_start(windows, batch_index)
        network, critic = self.trainer.optimizers
        for group in critic.param_groups:
            group["lr"] = self.options.learning_rate_ratio * network.param_groups[0]["lr"]

    def training_step(self, windows: dict[str, Tensor], batch_index: int) -> None:
        """Let the critic and the network learn from an augmented batch."""
        with torch.no_grad():
            batch = self.augment(windows, self.current_epoch, batch_index)
            inputs = self.inputs(batch)
        outputs = self.network(inputs)
        size = outputs.layers.shape[-1]
        blend, true = batch.middle(batch.image, size), torch.stack(batch.layers(size), dim=1)
        network, critic = self.optimizers()

        judged = critic_loss(self.critic(blend, true), self.critic(blend, outputs.layers.detach()))
        self._step(critic, judged)

        # The critic's own gradients of the network's step are of no use, and costly.
        self.critic.requires_grad_(requires_grad=False)
        loss, verdict = self.task.loss(outputs, batch), adversarial_loss(self.critic(blend, outputs.layers))
        self._step(network, loss + self.options.weight * verdict)
        self.critic.requires_grad_(requires_grad=True)

        self._note("train", loss, len(batch.image))
        for name, value in zip(OF_A_CRITIC, (judged, verdict), strict=True):
            self.sums[name].append(value.detach() * len(batch.image))

    def _step(self, optimiser: Any, loss: Tensor) -> None:
        optimiser.zero_grad()
        self.manual_backward(loss)
        if self.config.gradient_clip is not None:
            self.clip_gradients(optimiser, gradient_clip_val=self.config.gradient_clip)
        optimiser.step()

    def keep(self, outputs: Outputs, batch: Batch) -> None:
        """Add an epoch to the film."""
        self.film.add(outputs, batch)

    def more_columns(self) -> dict[str, float]:
        """Return the losses of the critic and of the network before it."""
        blends = sum(self.weights["train"])
        means = {name: float(torch.stack(values).sum()) / blends for name, values in self.sums.items()}
        for values in self.sums.values():
            values.clear()
        return means

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the film in the checkpoint, too."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["skymill"]["film"] = self.film.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take history and film from the checkpoint."""
        super().on_load_checkpoint(checkpoint)
        self.film = Film(checkpoint["skymill"]["film"])

    def draw_more(self, folder: Path, title: str) -> None:
        """Draw the film strip."""
        self.film.draw(folder / FILM, title)


def training_module(
    network: nn.Module, task: Task, config: TrainConfig, augment: Augment, identity: str
) -> BlendModule:
    """Make what trains a network at a task: with a critic where the task has one."""
    critic = critic_of(task.config)
    if critic is None:
        return BlendModule(network, task, config, augment, identity)
    return AdversarialModule(network, task, config, augment, identity, critic)
