"""The card of a network that draws galaxies, and reading such a network back."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import torch
from pydantic import Field

from skymill.config.base import ConfigModel
from skymill.config.generator import GeneratorNetwork, NoiseRangeConfig
from skymill.models.build import build_generator
from skymill.models.vae import GENERATORS, GalaxyNetwork, Seen
from skymill.training.card import TrainingCard, kind_on_card, load_network
from skymill.training.probe import probe_stamps

FORMAT = 1

INTENDED_USE = (
    "Drawing isolated galaxies of the population and survey above, and saying how unlike those a source is."
)
LIMITS = (
    "It knows the population that it was trained on and nothing else. Galaxies are smoother than that population's "
    "where detail lies below the noise; magnitudes and sizes outside of its range are extrapolated."
)


class Ordinary(ConfigModel):
    """What isolated galaxies of the validation side look like to the network, by signal to noise: what is usual."""

    log_snr: tuple[float, ...] = Field(description="Log10 of the signal to noise of the bins' middles.")
    middle: tuple[float, ...] = Field(description="Median of the log of the misfit there.")
    spread: tuple[float, ...] = Field(description="Its scatter there (68 % half width).")
    quantiles: tuple[float, ...] = Field(
        description="Values of (log misfit - middle) / spread at the probabilities 0, 1 / 200, …, 199 / 200."
    )
    tail: float = Field(gt=0, description="Scale of the exponential tail beyond the quantile 0.95.")
    n: int = Field(ge=1, description="Galaxies that this was measured on.")


class GeneratorCard(TrainingCard):
    """What a network that draws galaxies is."""

    format: Literal[1] = Field(FORMAT, description="Version of this card's layout.")
    network: GeneratorNetwork = Field(description="The network's options.")
    population: str = Field(description="Population that it learned.")
    noise: NoiseRangeConfig = Field(description="Noise of the stamps that it learned from.")
    kl_weight: float = Field(description="Weight of the latent distribution's divergence.")
    train_galaxies: int = Field(ge=1, description="Galaxies trained on.")
    validation_galaxies: int = Field(ge=1, description="Galaxies validated on.")
    ordinary: Ordinary = Field(
        description="The misfit of isolated galaxies, which anomaly scores are relative to."
    )
    encoder: dict[str, float] = Field(
        {},
        description="Loss and metrics in validation of an encoder that learned after the network that draws.",
    )
    half: Literal[1, 2] | None = Field(
        None, description="Half of the galaxies that it learned from; null: all."
    )
    probe: tuple[float, ...] = Field(description="What it gives for the images of skymill.training.probe.")
    test: dict[str, str] = Field({}, description="Figures of drawn galaxies, with their 95 % intervals.")
    intended_use: str = Field(INTENDED_USE, description="What it is for.")
    limits: str = Field(LIMITS, description="What it is not for.")

    @property
    def examples(self) -> int:
        """Images in an epoch."""
        return self.train_galaxies


class GeneratorModel(NamedTuple):
    """A network that is ready to draw galaxies.

    Parameters
    ----------
    network : GalaxyNetwork
        On the CPU, in evaluation mode.
    card : GeneratorCard
        What it is.
    """

    network: GalaxyNetwork
    card: GeneratorCard

    def probe(self) -> tuple[float, ...]:
        """Return what the network gives for the probe's images."""
        return probe_generator(self.network)


@torch.no_grad()
def probe_generator(network: GalaxyNetwork) -> tuple[float, ...]:
    """Return, for each image of the probe: the guesses' logs, and the middle pixel and sum of the reconstruction."""
    device = next(network.parameters()).device
    images = probe_stamps(network.stamp_px).to(device)
    noise = torch.ones(len(images), device=device)
    guess, offset = network.guesser(images, noise), torch.zeros(len(images), 2, device=device)
    flux, re_px = 100 * noise, 3 * noise
    look = network.recognised(Seen(images, noise, flux, re_px, offset))
    model = network.decode(look, flux, re_px, offset, network.stamp_px)
    middle = network.stamp_px // 2
    figures = (guess.log_flux, guess.log_re_px, model[:, 0, middle, middle], model.sum(dim=(1, 2, 3)))
    return tuple(torch.stack(figures, dim=1).flatten().tolist())


def is_generator(card: str | Path) -> bool:
    """Whether a card is that of a network that draws galaxies.

    Raises
    ------
    DataError
        If the file is missing or no card.
    """
    return kind_on_card(card, "network") in GENERATORS


def load_generator(path: str | Path) -> GeneratorModel:
    """Read a network that draws galaxies.

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
    return load_network(
        path, GeneratorCard, lambda card: GeneratorModel(build_generator(card.network, card.input_px), card)
    )
