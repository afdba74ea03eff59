"""Options of a network that restores degraded images: network, degradation, task and training; and of its comparison.

Nothing here imports torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from skymill.config.base import NAME_PATTERN, ConfigModel, Range, Width
from skymill.config.critic import CriticConfig
from skymill.config.generator import NOT_USED
from skymill.config.train import AugmentConfig, TrainConfig

if TYPE_CHECKING:
    from skymill.config.run import RunConfig

Ratio = Annotated[float, Field(ge=1, le=100)]


class RestorerNetConfig(ConfigModel):
    """Residual blocks that draw the restored image beside linear deconvolutions of the degraded one."""

    kind: Literal["restorer"] = Field("restorer", description="Form of the network.")
    widths: tuple[Width, Width] = Field(
        (32, 64), description="Channels on the grid of half the side and of a quarter."
    )
    root_blocks: PositiveInt = Field(
        6, le=32, description="Residual blocks on the grid of a quarter of the side."
    )
    branch_blocks: PositiveInt = Field(3, le=32, description="Residual blocks on the grid of half the side.")
    balances: tuple[PositiveFloat, ...] = Field(
        (0.1, 0.01),
        min_length=1,
        max_length=4,
        description="Noise-to-signal ratios of the Wiener filters whose images the network is given: small ones are "
        "sharp and noisy.",
    )

    @property
    def stride(self) -> int:
        """Number that the input's side must be a multiple of."""
        return 4


class DegradationConfig(ConfigModel):
    """How bad the images are that are restored, beside the survey's own; drawn anew for each stamp."""

    psf_fwhm_ratio: Range = Field(
        (1.0, 1.9),
        description="Smallest and largest width of the PSF over the survey's, drawn evenly. A Gaussian makes it "
        "wider; widths add in quadrature.",
    )
    noise_ratio: Range = Field(
        (1.0, 12.0), description="Smallest and largest noise over the survey's, drawn evenly in the log."
    )

    @field_validator("psf_fwhm_ratio", "noise_ratio")
    @classmethod
    def _not_better(cls, ratio: tuple[float, float]) -> tuple[float, float]:
        if ratio[0] < 1:
            raise ValueError(f"expected ratios from 1 on, as images only get worse, found {ratio[0]:g}")
        return ratio


class RestoreTaskConfig(ConfigModel):
    """The galaxy as the survey's PSF shows it, without noise. Losses are of light in the survey's background rms."""

    kind: Literal["restore"] = Field("restore", description="What is learned.")
    pixel_weight: float = Field(1.0, ge=0, description="Weight of |Δ asinh| of the pixels.")
    peak_weight: float = Field(
        3.0,
        ge=0,
        description="Weight of ln of the root-mean-square error of linear pixels over the brightest one: the PSNR in "
        "units of 8.7 dB.",
    )
    light_weight: float = Field(1.0, ge=0, description="Weight of |Δ ln| of all light of the image.")
    critic: CriticConfig | None = Field(
        CriticConfig(weight=0.02), description="The critic of an adversarial training; null: none."
    )

    @model_validator(mode="after")
    def _learns(self) -> RestoreTaskConfig:
        if not (self.pixel_weight or self.peak_weight or self.light_weight):
            raise ValueError("expected a loss with a weight above 0, found none")
        return self


class RestorerTrainConfig(TrainConfig):
    """The training loop, with what a restorer needs where nothing is said."""

    batch_size: PositiveInt = Field(16, le=100_000, description="Stamps in a batch.")
    learning_rate: PositiveFloat = Field(1.2e-3, le=1, description="Largest learning rate.")


class RestorerConfig(ConfigModel):
    """A network that learns to undo a worse PSF and more noise."""

    network: RestorerNetConfig = Field(RestorerNetConfig(), description="The network.")
    task: RestoreTaskConfig = Field(RestoreTaskConfig(), description="What it learns.")
    population: str = Field(
        pattern=NAME_PATTERN,
        description="Population whose isolated galaxies it learns from; points are left out.",
    )
    degradation: DegradationConfig = Field(DegradationConfig(), description="What it learns to undo.")
    input_px: int = Field(64, ge=16, le=512, multiple_of=4, description="Side of the stamps.")
    training: RestorerTrainConfig = Field(
        RestorerTrainConfig(), description="How it is trained; of augmentation, quarter turns and mirroring."
    )

    @model_validator(mode="after")
    def _fits(self) -> RestorerConfig:
        augment, plain = self.training.augment, AugmentConfig()
        if changed := [name for name in NOT_USED if getattr(augment, name) != getattr(plain, name)]:
            raise ValueError(
                "training.augment: expected quarter_turns and flip only for restorers, found "
                + ", ".join(changed)
            )
        return self


class RestorationConfig(ConfigModel):
    """What restorers are compared with deconvolutions on: galaxies of the test side, degraded in each of the ways."""

    population: str = Field(pattern=NAME_PATTERN, description="Population of the galaxies.")
    psf_fwhm_ratio: tuple[Ratio, ...] = Field(
        (1.3, 1.8), min_length=1, max_length=8, description="Widths of the PSF over the survey's."
    )
    noise_ratio: tuple[Ratio, ...] = Field(
        (2.0, 5.0, 10.0), min_length=1, max_length=8, description="Noise over the survey's."
    )
    n_galaxies: PositiveInt = Field(300, le=100_000, description="Galaxies of the test side, at most.")
    n_tuning: PositiveInt = Field(
        100,
        le=100_000,
        description="Galaxies of the validation side, at most, on which iterations and regularisation of the "
        "deconvolutions are chosen for each degradation.",
    )


def check_restorers(run: RunConfig) -> None:
    """Check that restorers learn, and are compared, from galaxies that are there, and have names of their own.

    Raises
    ------
    ValueError
        With the key, what was expected and what was found.
    """
    asked = {f"restorers.{name}": one for name, one in run.restorers.items()}
    asked |= {} if run.restoration is None else {"restoration": run.restoration}
    for where, one in asked.items():
        if one.population not in run.populations or one.population in run.generated():
            known = ", ".join(name for name in run.populations if name not in run.generated())
            raise ValueError(f"{where}.population: expected one of {known}, found '{one.population}'")
    for name, one in run.restorers.items():
        if (stamp_px := run.populations[one.population].stamp_px) <= one.input_px:
            raise ValueError(
                f"restorers.{name}.input_px: expected less than the {stamp_px} px of populations.{one.population}, "
                f"found {one.input_px}"
            )
    others = (run.models, run.ensembles, run.pretrained, run.finders, run.pretrained_finders)
    others += (run.generators, run.pretrained_generators, run.detectors)
    names = [*run.restorers, *run.pretrained_restorers]
    taken = {name for other in others for name in other}
    if clash := sorted({name for name in names if name in taken or names.count(name) > 1}):
        raise ValueError(f"restorers: expected names that nothing else has, found {', '.join(clash)}")
