"""Training of a network that draws galaxies with a critic that tells them from real ones (WGAN-GP).

What is kept are running means of the weights (Yazıcı et al. 2019, ICLR, arXiv:1806.04498); early stopping and the
choice of the epoch go by how like real ones the galaxies are that they draw (:mod:`skymill.training.likeness`), in
which the critic has no say. The encoder learns afterwards, against the network as it then is.
"""

from __future__ import annotations

import copy
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skymill.config.generator import WganConfig
from skymill.config.train import TrainConfig
from skymill.models.vae import Seen
from skymill.models.wgan import CoarseHeads, Wgan, WganCritic, coarseness_at, gradient_penalty, view
from skymill.rng import rng
from skymill.training.galaxies import GalaxyAugment, GalaxyBatch
from skymill.training.history import OF_A_CRITIC
from skymill.training.likeness import Likeness
from skymill.training.samples_film import FilmedModule

BETAS = (0.0, 0.9)
"""Of Adam, as in the paper."""


class WganTask:
    """What is learned: galaxies like real ones."""

    def metrics(self) -> Likeness:
        """Return the figures of a validation."""
        return Likeness()


class WganModule(FilmedModule):
    """A training of what draws and of its critic.

    Each batch gives `critic_steps` steps of the critic, with other turns, noise and drawn galaxies, and one of the
    network that draws.

    Parameters
    ----------
    network : Wgan
        What is kept; its style and decoder are the running means of those that learn.
    config, augment, identity
        As for :class:`~skymill.training.loop.BlendModule`.
    """

    def __init__(self, network: Wgan, config: TrainConfig, augment: GalaxyAugment, identity: str) -> None:
        depth = {"depth": network.config.critic_depth}
        augment = copy.copy(augment)
        augment.noise = augment.noise.model_copy(update=depth)
        super().__init__(network, WganTask(), config, augment, identity)
        self.automatic_optimization = False
        self.options: WganConfig = network.config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng(augment.seed, "generator", "critic").integers(2**62)))
            self.critic = WganCritic(self.options)
        self.live = nn.ModuleDict(
            {part: copy.deepcopy(getattr(network, part)) for part in ("style", "decoder")}
        )
        self.coarse = CoarseHeads(self.options) if self.options.progressive else nn.ModuleList()
        network.requires_grad_(requires_grad=False)
        self.sums: dict[str, list[Tensor]] = {name: [] for name in OF_A_CRITIC}

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Make the optimiser of what draws, and that of the critic."""
        learning = (chain(self.live.parameters(), self.coarse.parameters()), self.critic.parameters())
        return [torch.optim.Adam(each, lr=self.config.learning_rate, betas=BETAS) for each in learning]

    def on_train_batch_start(self, windows: dict[str, Tensor], batch_index: int) -> None:
        """Set the critic's learning rate beside the network's."""
        super().on_train_batch_start(windows, batch_index)
        network, critic = self.trainer.optimizers
        for group in critic.param_groups:
            group["lr"] = self.options.learning_rate_ratio * network.param_groups[0]["lr"]

    def training_step(self, windows: dict[str, Tensor], batch_index: int) -> None:
        """Let the critic learn several times from a batch, and the network once."""
        network, critic = self.optimizers()
        steps = self.options.critic_steps
        done = (self.current_epoch + batch_index / self.trainer.num_training_batches) / self.config.max_epochs
        coarseness = coarseness_at(done) if self.options.progressive else 0.0
        for step in range(steps):
            number = batch_index * (steps + 1) + step
            with torch.no_grad():
                batch = self.augment(windows, self.current_epoch, number)
                drawn = view(self._drawn(batch, coarseness))
                true, condition = view(batch.seen), batch.seen.condition()
            share = self._shares(number, len(true)).to(true.device)
            apart = self.critic(true, condition, coarseness) - self.critic(drawn, condition, coarseness)
            penalty = gradient_penalty(self.critic, true, drawn, condition, share, coarseness)
            judged = self.options.gradient_penalty * penalty - apart.mean()
            self._step(critic, judged)

        with torch.no_grad():
            batch = self.augment(windows, self.current_epoch, batch_index * (steps + 1) + steps)
        self.critic.requires_grad_(requires_grad=False)
        drawn = self._drawn(batch, coarseness)
        verdict = -self.critic(view(drawn), drawn.condition(), coarseness).mean()
        self._step(network, verdict)
        self.critic.requires_grad_(requires_grad=True)
        self._average(self.current_epoch * self.trainer.num_training_batches + batch_index)

        self._note("train", apart.mean(), len(batch.image))
        for name, value in zip(OF_A_CRITIC, (judged, verdict), strict=True):
            self.sums[name].append(value.detach() * len(batch.image))

    def _shares(self, number: int, count: int) -> Tensor:
        """Return where between true and drawn stamps the critic's slope is measured in one step of the epoch."""
        generator = rng(self.augment.seed, "generator", "slope", self.current_epoch, number)
        return torch.from_numpy(generator.random(count, dtype=np.float32))

    def _drawn(self, batch: GalaxyBatch, coarseness: float) -> Seen:
        """Draw galaxies of the same fluxes, sizes and places as those of a batch, with the same noise."""
        true = batch.seen
        look = self.live["style"](batch.draw, true.flux, true.re_px)
        if coarseness > 0:
            canvas = self.coarse.canvas(self.live["decoder"], look, coarseness)
        else:
            canvas = self.live["decoder"](look)
        size = true.image.shape[-1]
        light = self.network.paint(canvas.float(), look, true.flux, true.re_px, true.offset, size)
        return observed(self.augment, batch, light)

    def _step(self, optimiser: Any, loss: Tensor) -> None:
        optimiser.zero_grad()
        self.manual_backward(loss)
        optimiser.step()

    @torch.no_grad()
    def _average(self, step: int) -> None:
        """Let the kept weights follow; the first steps count for little."""
        kept = min(self.options.average, (1 + step) / (10 + step))
        for part, live in self.live.items():
            for mean, now in zip(getattr(self.network, part).parameters(), live.parameters(), strict=True):
                mean.lerp_(now, 1 - kept)

    def validation_step(self, windows: dict[str, Tensor], batch_index: int) -> None:
        """Draw a galaxy beside each of a batch, with the survey's noise; always with the same random numbers."""
        generator = rng(self.augment.seed, "generator", "likeness", batch_index)
        light = windows["image"][..., :-1, :-1]
        # With less, the asymmetry of smooth galaxies would have next to no spread to measure a distance in.
        depth = np.ones(len(light))
        batch = self.augment.observed(windows, light, depth, generator)
        true, size = batch.seen, light.shape[-1]
        look = self.network.look(batch.draw, true.flux, true.re_px)
        model = self.network.decode(look, true.flux, true.re_px, true.offset, size)
        drawn = observed(self.augment, batch, model)
        images = (each.image[:, 0].double().cpu().numpy() for each in (drawn, true))
        x, y = (size // 2 + true.offset.double().cpu().numpy()).T
        self.validation_metrics.update(*images, (x, y), depth)

    def on_validation_epoch_end(self) -> None:
        """Add the epoch to the history and to the film."""
        # It is of all galaxies at once, no mean over batches.
        self._note("validation", torch.tensor(self.validation_metrics.mean()), 1)
        super().on_validation_epoch_end()

    def more_columns(self) -> dict[str, float]:
        """Return the losses of the critic and of what draws."""
        galaxies = sum(self.weights["train"])
        means = {name: float(torch.stack(values).sum()) / galaxies for name, values in self.sums.items()}
        for values in self.sums.values():
            values.clear()
        return means


def observed(augment: GalaxyAugment, batch: GalaxyBatch, light: Tensor) -> Seen:
    """Return drawn light (b, 1, y, x) with the conditions and the noise of a batch.

    The noise is the same, number by number, but for what the photons add. On average that changes nothing, and a
    critic does not have to learn first that noise says nothing.
    """
    true, scale = (
        batch.seen,
        (augment.electrons + light.clamp(min=0)) / (augment.electrons + batch.light.clamp(min=0)),
    )
    return true._replace(image=light + (true.image - batch.light) * scale.sqrt())
