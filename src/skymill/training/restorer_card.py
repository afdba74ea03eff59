"""The card of a network that restores degraded images, and reading such a network back."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import torch
from pydantic import Field

from skymill.config.restorer import DegradationConfig, RestorerNetConfig, RestoreTaskConfig
from skymill.models.restorer import Restorer
from skymill.tasks.restore import RestoreTask
from skymill.training.card import TrainingCard, kind_on_card, load_network
from skymill.training.probe import probe_stamps

FORMAT = 1

INTENDED_USE = (
    "Images of single galaxies as the survey above would show them without noise, from images with a wider PSF and "
    "more noise, both known."
)
LIMITS = (
    "What is finer than the degraded PSF, or below its noise, is what galaxies of the population usually look like "
    "there, not what was seen: restored detail is no discovery. It knows isolated galaxies, white noise and PSFs that "
    "a Gaussian has made wider; neighbours, artefacts and other PSFs are outside of its experience. Restored fluxes "
    "come without errors."
)


class RestorerCard(TrainingCard):
    """What a network that restores images is."""

    format: Literal[1] = Field(FORMAT, description="Version of this card's layout.")
    network: RestorerNetConfig = Field(description="The network's options.")
    task: RestoreTaskConfig = Field(description="What it learned.")
    population: str = Field(description="Population that it learned from.")
    degradation: DegradationConfig = Field(description="What it learned to undo.")
    train_galaxies: int = Field(ge=1, description="Galaxies trained on.")
    validation_galaxies: int = Field(ge=1, description="Galaxies validated on.")
    probe: tuple[float, ...] = Field(description="What it gives for the images of skymill.training.probe.")
    test: dict[str, str] = Field({}, description="Figures of restored galaxies, with their 95 % intervals.")
    intended_use: str = Field(INTENDED_USE, description="What it is for.")
    limits: str = Field(LIMITS, description="What it is not for.")

    @property
    def examples(self) -> int:
        """Images in an epoch."""
        return self.train_galaxies


class RestorerModel(NamedTuple):
    """A network that is ready to restore images.

    Parameters
    ----------
    network : Restorer
        On the CPU, in evaluation mode.
    task : RestoreTask
        Turns stamps into its input.
    card : RestorerCard
        What it is.
    """

    network: Restorer
    task: RestoreTask
    card: RestorerCard

    def probe(self) -> tuple[float, ...]:
        """Return what the network gives for the probe's images."""
        return probe_restorer(self.network, self.task, self.card.input_px)


@torch.no_grad()
def probe_restorer(network: Restorer, task: RestoreTask, input_px: int) -> tuple[float, ...]:
    """Return, for each image of the probe, the middle pixel and the light of its restored image.

    The images count as half again as wide as the survey's and twice as noisy.
    """
    device = next(network.parameters()).device
    images = probe_stamps(input_px).to(device)
    condition = torch.log2(torch.tensor([1.5, 2.0], device=device)).expand(len(images), 2)
    was_training = network.training
    light = network.eval()(task.inputs(images, condition)).layers[:, 0]
    network.train(was_training)
    middle = input_px // 2
    return tuple(torch.stack([light[:, middle, middle], light.sum(dim=(1, 2))], dim=1).flatten().tolist())


def is_restorer(card: str | Path) -> bool:
    """Whether a card is that of a network that restores images.

    Raises
    ------
    DataError
        If the file is missing or no card.
    """
    return kind_on_card(card, "network") == RestorerNetConfig().kind


def load_restorer(path: str | Path) -> RestorerModel:
    """Read a network that restores images.

    Parameters
    ----------
    path : str or Path
        Its folder, or its card or weights within it.

    Raises
    ------
    DataError
        If a file is missing or cannot be read.
    VersionError
        If the weights are not those of the card, do not fit the network that it describes, or give other results than
        when the card was written.
    """
    return load_network(path, RestorerCard, _built)


def _built(card: RestorerCard) -> RestorerModel:
    fwhm_px = card.survey.psf_fwhm_px
    return RestorerModel(Restorer(card.network, fwhm_px), RestoreTask(card.task, fwhm_px), card)
