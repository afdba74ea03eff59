"""Options of a network that draws galaxies: network, noise and training. Nothing here imports torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from skymill.config.base import NAME_PATTERN, ConfigModel, Range
from skymill.config.train import TrainConfig

Widths = Annotated[tuple[PositiveInt, ...], Field(min_length=2, max_length=6)]


class VaeConfig(ConfigModel):
    """A variational autoencoder whose decoder ends in the survey's PSF."""

    kind: Literal["vae"] = Field("vae", description="Form of the network.")
    latent: int = Field(
        16, ge=3, le=256, description="Latent dimensions; the first two are the elongation of the galaxy."
    )
    widths: Widths = Field(
        (16, 32, 48, 64), description="Channels of the encoder at half, a quarter, … the side."
    )
    dense: PositiveInt = Field(128, description="Units of the encoder's dense layers.")
    canvas_px: int = Field(
        48,
        ge=16,
        le=256,
        multiple_of=8,
        description="Side of the image that the decoder gives: log of the surface brightness, fine in the middle.",
    )
    canvas_widths: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] = Field(
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
        32, le=512, description="Normal distributions of the mixture that latent numbers are drawn from."
    )


class NoiseRangeConfig(ConfigModel):
    """How deep the exposures are that the network is shown, and how well it has to fit them."""

    depth: Range = Field(
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

    @field_validator("depth")
    @classmethod
    def _positive(cls, depth: tuple[float, float]) -> tuple[float, float]:
        if depth[0] <= 0:
            raise ValueError(f"expected noise above 0, found {depth[0]:g}")
        return depth


class GeneratorConfig(ConfigModel):
    """A network that learns the galaxies of a population and draws new ones."""

    network: VaeConfig = Field(VaeConfig(), description="The network.")
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
    training: TrainConfig = Field(
        TrainConfig(max_epochs=36, batch_size=32, learning_rate=2e-3, patience_epochs=None),
        description="How it is trained; of augmentation, quarter turns and mirroring.",
    )
