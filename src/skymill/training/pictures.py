"""Batches of pictures: each galaxy with noise of its own, stretched to 8 bits; a blend is the brighter of two pictures.

That is how Reiman & Göhre (2019, MNRAS 485, 2617, section 3.1) made theirs of pictures of single galaxies, whose noise
they hold. The noise that a prediction is compared with is therefore the truth's own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from skymill.config.pictures import StretchConfig
from skymill.config.train import TaskConfig
from skymill.rng import rng
from skymill.tasks.batch import Batch
from skymill.tasks.pictures import picture
from skymill.training.augment import Augment, Draws
from skymill.training.share import Part, Stream

USE = "Comparison with published figures of deblended pictures (Reiman & Göhre 2019, MNRAS 485, 2617); nothing else."
LIMITS = (
    "Pictures of 8 bits whose blends are the brighter of two pixels: no light is conserved, and no flux or catalogue "
    "comes out of it. For images in linear light take the task deblend."
)


class Pictures(Augment):
    """Make batches of pictures of windows.

    Parameters
    ----------
    stretch : StretchConfig
        How light becomes a picture.
    augment
        All others as for :class:`~skymill.training.augment.Augment`.
    """

    def __init__(self, stretch: StretchConfig, *augment: Any) -> None:
        super().__init__(*augment)
        self.stretch = stretch

    def _expose(
        self, light: Tensor, flux: Tensor, draws: Draws, part: Part, key: tuple[str | int, ...]
    ) -> Batch:
        """Add noise to each layer of light (b, 2, y, x) and give pictures, levels 0 to 255."""
        generator = torch.Generator(light.device)
        generator.manual_seed(int(rng(self.seed, "train", "noise", *key).integers(2**62)))
        stream = Stream(generator, part)
        central, neighbours = (
            picture(self.noise(layer, stream), self.stretch) for layer in light.split(1, dim=1)
        )
        nothing = torch.zeros(len(light), device=light.device)
        condition = torch.stack([nothing, nothing], dim=1)
        return Batch(torch.maximum(central, neighbours), flux, condition, central, neighbours, nothing)


def augmenting(task: TaskConfig, *augment: Any) -> Augment:
    """Make what turns windows into batches for a task: `augment` are the parameters of `Augment`."""
    return Augment(*augment) if task.measures else Pictures(task.stretch, *augment)
