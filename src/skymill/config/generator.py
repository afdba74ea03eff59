"""Options of a network that draws galaxies: network, noise and training. Nothing here imports torch."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, field_validator, model_validator

from skymill.config.base import NAME_PATTERN, ConfigModel, Range, Width
from skymill.config.finder import UNUSED
from skymill.config.train import AugmentConfig, TrainConfig

Widths = Annotated[tuple[Width, ...], Field(min_length=2, max_length=6)]


def _positive(depth: tuple[float, float]) -> tuple[float, float]:
    if depth[0] <= 0:
        raise ValueError(f"expected noise above 0, found {depth[0]:g}")
    return depth


Depth = Annotated[Range, AfterValidator(_positive)]
"""Smallest and largest noise in units of the survey's."""

NOT_USED = (*UNUSED, "peak_reach_fwhm")
"""Ways of augmentation for stamps of blends only."""


class CanvasNetworkConfig(ConfigModel):
    """What every network that draws galaxies has: an encoder, and a decoder that ends in the survey's PSF."""

    latent: int = Field(
        16, ge=3, le=256, description="Latent dimensions; the first two are the elongation of the galaxy."
    )
    widths: Widths = Field(
        (16, 32, 48, 64), description="Channels of the encoder at half, a quarter, … the side."
    )
    dense: Width = Field(128, description="Units of the encoder's dense layers.")
    canvas_px: int = Field(
        48,
        ge=16,
        le=256,
        multiple_of=8,
        description="Side of the image that the decoder gives: log of the surface brightness, fine in the middle.",
    )
    canvas_widths: tuple[Width, Width, Width, Width] = Field(
        (64, 48, 32, 16),
        description="Channels of the decoder at an eighth, a quarter, half and all of the side.",
    )
    extent_re: float = Field(
        12.0, ge=3, le=100, description="Radius at which the decoder's galaxies end, half-light radii."
    )
    supersampling: int = Field(
        2, ge=1, le=8, description="Points per pixel on which light is laid before the PSF."
    )
    components: PositiveInt = Field(
        32, le=512, description="Normal distributions of the mixture that looks of galaxies are drawn from."
    )


class VaeConfig(CanvasNetworkConfig):
    """A variational autoencoder."""

    kind: Literal["vae"] = Field("vae", description="Form of the network.")


class WganConfig(CanvasNetworkConfig):
    """A network that learns from a critic what galaxies look like (WGAN-GP), and an encoder for it."""

    kind: Literal["wgan"] = Field(description="Form of the network.")
    style: Width = Field(
        64, description="Units of the layers that turn latent numbers, flux and size into a look."
    )
    critic_widths: Annotated[tuple[Width, ...], Field(min_length=3, max_length=5)] = Field(
        (32, 64, 96), description="Channels of the critic at half, a quarter, … the side of what it sees."
    )
    critic_dense: Width = Field(128, description="Units of the critic's dense layers.")
    critic_steps: PositiveInt = Field(
        4, le=100, description="Steps of the critic for each step of the network that draws."
    )
    critic_depth: Depth = Field(
        (0.02, 0.2),
        description="Noise of what the critic sees, in units of the survey's, as `noise.depth` is for the encoder; "
        "galaxies that have noise of their own need as much here.",
    )
    learning_rate_ratio: PositiveFloat = Field(
        3.0, le=100, description="Learning rate of the critic over that of the network that draws."
    )
    gradient_penalty: PositiveFloat = Field(10.0, description="Weight of the penalty on the critic's slope.")
    average: float = Field(
        0.998,
        ge=0,
        lt=1,
        description="Part of the running mean of the weights, which is what is kept, that a step leaves as it is.",
    )
    progressive: bool = Field(
        False,
        description="Begin with coarse images and add finer ones: canvas and critic grow twice by a factor of two "
        "in the first half of the training.",
    )
    encoder_epochs: PositiveInt = Field(
        12, le=100_000, description="Epochs of the encoder, which learns after the network that draws."
    )
    encoder_learning_rate: PositiveFloat = Field(
        2e-3, le=1, description="Largest learning rate of the encoder."
    )


GeneratorNetwork = Annotated[VaeConfig | WganConfig, Field(discriminator="kind")]


class NoiseRangeConfig(ConfigModel):
    """How deep the exposures are that the network is shown, and how well it has to fit them."""

    depth: Depth = Field(
        (0.1, 1.0),
        description="Smallest and largest noise in units of the survey's, drawn evenly in the log for each stamp.",
    )
    relative_error: float = Field(
        0.02,
        ge=0,
        le=1,
        description="Fraction of a pixel's light that counts as noise beside background and photons: without it the "
        "brightest galaxies alone say what is learned.",
    )


class GeneratorTrainConfig(TrainConfig):
    """The training loop, with what a generator needs where nothing is said."""

    max_epochs: PositiveInt = Field(36, le=100_000, description="Most epochs.")
    learning_rate: PositiveFloat = Field(2e-3, le=1, description="Largest learning rate.")
    patience_epochs: PositiveInt | None = Field(
        None,
        description="Epochs without improvement of the validation loss after which training stops; null: never.",
    )


def halves_of(name: str) -> tuple[str, str]:
    """Return the names of the two trainings on halves of a generator's galaxies; no configured name has a dot."""
    return f"{name}.half1", f"{name}.half2"


class GeneratorConfig(ConfigModel):
    """A network that learns the galaxies of a population and draws new ones."""

    execution_keys: ClassVar[frozenset[str]] = frozenset({"halves"})
    """Two more trainings on halves are artifacts of their own."""

    network: GeneratorNetwork = Field(VaeConfig(), description="The network.")
    population: str = Field(
        pattern=NAME_PATTERN, description="Population whose isolated galaxies it learns; points are left out."
    )
    input_px: int = Field(
        64, ge=16, le=512, multiple_of=16, description="Side of the stamps that it is trained on."
    )
    noise: NoiseRangeConfig = Field(NoiseRangeConfig(), description="Noise of the stamps.")
    kl_weight: PositiveFloat = Field(
        1.0, le=100, description="Weight of the latent distribution's divergence."
    )
    training: GeneratorTrainConfig = Field(
        GeneratorTrainConfig(), description="How it is trained; of augmentation, quarter turns and mirroring."
    )
    halves: bool = Field(
        False,
        description="Train the same network on each half of its galaxies as well: whether it learns them by heart is "
        "then judged by two networks, each of which does not know what the other has seen.",
    )

    @field_validator("network", mode="before")
    @classmethod
    def _of_a_kind(cls, network: Any) -> Any:
        """Take a network without a kind for a variational autoencoder."""
        return {"kind": "vae", **network} if isinstance(network, dict) else network

    @model_validator(mode="after")
    def _fits(self) -> GeneratorConfig:
        stride = 2 ** len(self.network.widths)
        if self.input_px % stride:
            raise ValueError(
                f"input_px: expected a multiple of {stride} for {len(self.network.widths)} widths, "
                f"found {self.input_px}"
            )
        augment, plain = self.training.augment, AugmentConfig()
        if changed := [name for name in NOT_USED if getattr(augment, name) != getattr(plain, name)]:
            raise ValueError(
                "training.augment: expected quarter_turns and flip only for generators, found "
                + ", ".join(changed)
            )
        return self
