"""A film strip: what a generator makes of the same latent numbers after each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skymill.models.vae import GalaxyNetwork
from skymill.provenance.atomic import atomic_path
from skymill.rng import rng
from skymill.training.film import FILM
from skymill.training.loop import BlendModule

SAMPLES = 8
MOST_FRAMES = 10
"""Epochs on the strip, evenly spread over the training."""
SOFTENING = 0.02
"""asinh softening of the pictures, parts of the brightest pixel."""
FLUX_RMS = 1e3
"""Flux of the galaxies, background rms, where their look depends on it; pictures do not show it."""


class FilmedModule(BlendModule):
    """The training loop's module; keeps the samples of each epoch, also in its checkpoints."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.film: list[Tensor] = []

    def on_validation_epoch_end(self) -> None:
        """Add the epoch to the history and to the film."""
        super().on_validation_epoch_end()
        self.film.append(film_frame(self.network, self.augment.seed))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the film beside the history."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["skymill"]["film"] = list(self.film)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take history and film from the checkpoint."""
        super().on_load_checkpoint(checkpoint)
        self.film = list(checkpoint["skymill"]["film"])

    def draw_more(self, folder: Path, title: str) -> None:
        """Draw the film strip."""
        draw_film(folder / FILM, self.film, f"{title}: the same latent numbers after each epoch")


@torch.no_grad()
def film_frame(network: GalaxyNetwork, seed: int) -> Tensor:
    """Draw the fixed samples with the network as it is: grey values (samples, y, x), uint8.

    Fluxes and sizes are the same for all: a half-light radius of an eighth of the stamp's half side.
    """
    device = next(network.parameters()).device
    normal = rng(seed, "generator", "film").standard_normal(
        (SAMPLES, network.config.latent), dtype=np.float32
    )
    latent = torch.from_numpy(normal).to(device)
    ones = torch.ones(SAMPLES, device=device)
    size = network.stamp_px
    look = network.look(latent, FLUX_RMS * ones, ones * size / 16)
    images = network.decode(look, ones, ones * size / 16, torch.zeros(SAMPLES, 2, device=device), size)
    return grey(images[:, 0])


def grey(images: Tensor) -> Tensor:
    """Return images (n, y, x) as grey values, uint8: on an asinh scale, each from 0 to its brightest pixel."""
    bright = images.amax(dim=(1, 2), keepdim=True).clamp(min=1e-30)
    shade = torch.asinh(images.clamp(min=0) / bright / SOFTENING) / np.arcsinh(1 / SOFTENING)
    return (255 * shade).round().to(torch.uint8).cpu()


def draw_film(path: str | Path, frames: Sequence[Tensor], title: str) -> None:
    """Draw frames of epochs as rows of a PNG."""
    from matplotlib.figure import Figure

    chosen = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), MOST_FRAMES)).round().astype(int))
    figure = Figure(figsize=(SAMPLES * 1.0, len(chosen) * 1.0 + 0.4), layout="constrained")
    panels = figure.subplots(len(chosen), SAMPLES, squeeze=False)
    for row, epoch in zip(panels, chosen, strict=True):
        for panel, image in zip(row, frames[epoch].numpy(), strict=True):
            panel.imshow(image, cmap="gray", origin="lower", vmin=0, vmax=255, interpolation="nearest")
            panel.set_xticks([])
            panel.set_yticks([])
        row[0].set_ylabel(f"{epoch + 1}")
    figure.suptitle(title)
    with atomic_path(path) as partial:
        figure.savefig(partial, dpi=80, metadata={"Software": None})
