"""Options of a model: task and training, and the network of :mod:`skymill.config.network`.

Nothing here imports torch: the workflow is parsed without it. A task is added by a class here, in the union below it,
and a file in ``skymill.tasks`` that registers the same `kind`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from skymill.config.base import NAME_PATTERN, ConfigModel, Range
from skymill.config.critic import CriticConfig
from skymill.config.network import NetworkConfig
from skymill.config.pictures import PicturesTaskConfig

Fraction = Annotated[float, Field(gt=0, lt=1)]


class FluxTaskConfig(ConfigModel):
    """Flux of the galaxy at the centre of a blend, or of it and its companion."""

    needs_masks: ClassVar[bool] = False
    """Whether the network has to give masks."""
    needs_images: ClassVar[bool] = False
    """Whether the network has to give images."""
    learns_masks: ClassVar[bool] = False
    """Whether the masks that a network gives are learned."""
    learns_images: ClassVar[bool] = False
    """Whether the deblended images that a network gives are learned, not a mere step on the way to the flux."""
    measures: ClassVar[bool] = True
    """Whether a flux comes out; what does not measure draws pictures."""

    kind: Literal["flux"] = Field(description="What is learned.")
    outputs: Literal["central", "central_and_companion"] = Field(
        "central",
        description="Galaxies whose flux is given; central_and_companion needs training on pairs only.",
    )
    loss: Literal["laplace", "log_l1", "mape"] = Field("log_l1", description="Loss of the flux.")
    anchor_radius_fwhm: PositiveFloat = Field(
        3.0,
        le=10,
        description="Radius of the aperture whose light the flux is expressed in, units of the PSF's FWHM.",
    )
    anchor_floor_sigma: PositiveFloat = Field(
        3.0, le=100, description="Least value of that light, units of the aperture's background noise."
    )


class MaskFluxTaskConfig(FluxTaskConfig):
    """The deblended galaxy, masks of it and of its neighbours, and the flux."""

    needs_masks: ClassVar[bool] = True

    kind: Literal["mask_flux"] = Field(description="What is learned.")
    mask_loss: Literal["bce", "dice", "bce_dice"] = Field("bce", description="Loss of the masks.")
    mask_weight: float = Field(
        0.1,
        ge=0,
        description="Weight of the masks' loss beside the flux's; 0: masks are neither learned nor used.",
    )
    share_weight: float = Field(
        1.0,
        ge=0,
        description="Weight of the deblended image's loss beside the flux's: misplaced light over all light; 0: the "
        "image is not learned.",
    )

    @property
    def learns_masks(self) -> bool:
        """Whether the masks are learned."""
        return self.mask_weight > 0

    @property
    def learns_images(self) -> bool:
        """Whether the deblended images are learned."""
        return self.share_weight > 0


class DeblendTaskConfig(FluxTaskConfig):
    """Images of the galaxy and of its neighbours in linear light, and the flux that the galaxy's image says."""

    needs_images: ClassVar[bool] = True
    learns_images: ClassVar[bool] = True

    kind: Literal["deblend"] = Field(description="What is learned.")
    outputs: Literal["central"] = Field("central", description="Galaxies whose flux is given.")
    flux_weight: float = Field(1.0, ge=0, description="Weight of the flux's loss; it acts on no image.")
    pixel_weight: float = Field(
        1.0,
        ge=0,
        description="Weight of |Δ asinh| of the pixels of both images, units of the background rms.",
    )
    peak_weight: float = Field(
        1.0,
        ge=0,
        description="Weight of ln of the galaxy's root-mean-square error of linear pixels over its brightest one: the "
        "PSNR in units of 8.7 dB.",
    )
    light_weight: float = Field(1.0, ge=0, description="Weight of |Δ ln| of all light of the galaxy's image.")
    conservation_weight: float = Field(
        1.0, ge=0, description="Weight of |Δ ln| of all light of both images together: that of the blend."
    )
    critic: CriticConfig | None = Field(
        CriticConfig(), description="The critic of an adversarial training; null: none."
    )


TaskConfig = Annotated[
    FluxTaskConfig | MaskFluxTaskConfig | DeblendTaskConfig | PicturesTaskConfig, Field(discriminator="kind")
]


def critic_of(task: ConfigModel) -> CriticConfig | None:
    """Return the critic that a task is trained with; None for all but adversarial trainings."""
    return getattr(task, "critic", None)


class NoDecay(ConfigModel):
    """A constant learning rate."""

    kind: Literal["none"] = Field(description="Form of the decay.")


class StepDecay(ConfigModel):
    """The learning rate falls by a factor every few epochs."""

    kind: Literal["step"] = Field(description="Form of the decay.")
    every_epochs: PositiveInt = Field(10, description="Epochs between two steps.")
    factor: Fraction = Field(0.5, description="What a step multiplies the learning rate by.")


class ExponentialDecay(ConfigModel):
    """The learning rate falls by a factor in every epoch, smoothly."""

    kind: Literal["exponential"] = Field(description="Form of the decay.")
    factor: Fraction = Field(0.9, description="What an epoch multiplies the learning rate by.")


class InverseDecay(ConfigModel):
    """The learning rate falls as 1 / (1 + epoch / half)."""

    kind: Literal["inverse"] = Field(description="Form of the decay.")
    half_epochs: PositiveFloat = Field(5.0, description="Epochs after which half the learning rate is left.")


class PlateauDecay(ConfigModel):
    """The learning rate falls by a factor when the validation loss has not improved for some epochs."""

    kind: Literal["plateau"] = Field(description="Form of the decay.")
    patience_epochs: PositiveInt = Field(3, description="Epochs without improvement before a step.")
    factor: Fraction = Field(0.5, description="What a step multiplies the learning rate by.")
    min_delta: float = Field(
        0.0, ge=0, description="Fall of the validation loss that counts as an improvement."
    )


class CosineDecay(ConfigModel):
    """The learning rate falls along half a cosine to a last fraction at `max_epochs`."""

    kind: Literal["cosine"] = Field(description="Form of the decay.")
    last: float = Field(0.01, ge=0, le=1, description="Fraction of the learning rate at the end.")


DecayConfig = Annotated[
    NoDecay | StepDecay | ExponentialDecay | InverseDecay | PlateauDecay | CosineDecay,
    Field(discriminator="kind"),
]


class AugmentConfig(ConfigModel):
    """What is done to each training stamp, anew in each epoch."""

    quarter_turns: bool = Field(True, description="Rotate by a random multiple of 90 degrees; exact.")
    flip: bool = Field(True, description="Mirror at random; exact.")
    shift_px: int = Field(
        1,
        ge=0,
        le=16,
        description="Largest whole-pixel shift of the galaxy from the stamp's centre, each axis.",
    )
    peak_reach_fwhm: float = Field(
        0.0,
        ge=0,
        le=3,
        description="A galaxy that shares its peak of light with a fainter neighbour is put on that peak, where it "
        "would be found, if that is within so many FWHM of the PSF; also in validation. 0: it stays on its centre.",
    )
    zoom: Range = Field(
        (1.0, 1.0),
        description="Magnification at constant surface brightness: the total flux grows by its square.",
    )
    rotate: bool = Field(False, description="Rotate by any angle; only for a round PSF.")
    psf_fwhm_ratio: Range = Field(
        (1.0, 1.0),
        description="Width of the PSF over the survey's: the galaxies are blurred before the noise, and the network "
        "is told by how much.",
    )
    added_noise_rms: Range = Field(
        (0.0, 0.0),
        description="Noise added to the image, units of the background rms; the image's unit becomes the new rms, and "
        "the network is told.",
    )

    background_rms: float = Field(
        0.0,
        ge=0,
        le=2,
        description="Residual background: standard deviation of a constant, and of a slope over half of the stamp on "
        "each axis, added to each image (also to those that validate), units of the background rms.",
    )

    @model_validator(mode="after")
    def _positive(self) -> AugmentConfig:
        if not 0.25 <= self.zoom[0] <= self.zoom[1] <= 4:
            raise ValueError(f"zoom: expected two numbers from 0.25 to 4, found {list(self.zoom)}")
        if self.added_noise_rms[0] < 0:
            raise ValueError(
                f"added_noise_rms: expected numbers that are not negative, found {list(self.added_noise_rms)}"
            )
        if not 1 <= self.psf_fwhm_ratio[0] <= self.psf_fwhm_ratio[1] <= 3:
            raise ValueError(
                f"psf_fwhm_ratio: expected two numbers from 1 to 3, found {list(self.psf_fwhm_ratio)}"
            )
        return self

    @property
    def resamples(self) -> bool:
        """Whether the galaxies are interpolated."""
        return self.rotate or self.zoom != (1.0, 1.0)


class TrainConfig(ConfigModel):
    """The training loop."""

    execution_keys: ClassVar[frozenset[str]] = frozenset(
        {"device", "workers", "threads", "progress", "cache_limit_gb"}
    )
    """Keys that say how a training is executed, not what it is: no part of the artifact's version.

    Device and number of threads change the order in which floating-point sums are taken, hence the last bits of the
    weights; they are recorded in the model card.
    """

    max_epochs: PositiveInt = Field(6, le=100_000, description="Most epochs.")
    max_time_minutes: PositiveFloat | None = Field(
        None, description="Most time, checked after each epoch; with it a training is not reproducible."
    )
    batch_size: PositiveInt = Field(32, description="Blends in a batch.")
    learning_rate: PositiveFloat = Field(1e-3, le=1, description="Largest learning rate.")
    optimiser: Literal["adam", "adamw"] = Field("adamw", description="Optimiser.")
    weight_decay: float = Field(1e-2, ge=0, description="Weight decay.")
    warmup_epochs: float = Field(
        0.5, ge=0, description="Epochs over which the learning rate rises from zero; may be broken."
    )
    decay: DecayConfig = Field(CosineDecay(kind="cosine"), description="Fall of the learning rate.")
    gradient_clip: PositiveFloat | None = Field(1.0, description="Largest norm of the gradient.")
    patience_epochs: PositiveInt | None = Field(
        6,
        description="Epochs without improvement of the validation loss after which training stops; null: never.",
    )
    min_delta: float = Field(
        0.0, ge=0, description="Fall of the validation loss that counts as an improvement."
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Number type on a GPU (auto: bfloat16); a CPU always computes in float32."
    )
    augment: AugmentConfig = Field(AugmentConfig(), description="Augmentation, on the device.")
    device: Literal["auto", "cpu", "gpu"] = Field(
        "auto", description="Where to compute; auto: a GPU if there is one."
    )
    workers: int = Field(0, ge=0, le=64, description="Processes that read data beside the training; 0: none.")
    threads: PositiveInt | None = Field(
        None, description="CPU threads of torch; null: as torch is set (OMP_NUM_THREADS)."
    )
    progress: Literal["auto", "on", "off"] = Field(
        "auto", description="Progress bar; auto: when stderr is a terminal."
    )
    cache_limit_gb: float = Field(
        1.0, ge=0, description="Data up to this size are kept in memory, larger sets are read by batch."
    )


class StartConfig(ConfigModel):
    """Transfer: training goes on from a shipped network instead of random weights."""

    model: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*/[A-Za-z0-9][A-Za-z0-9_-]*$",
        description="Shipped network: survey/name below models_dir. Of any survey, with the same options.",
    )
    frozen_stages: int = Field(
        0, ge=0, le=100, description="Stages of the network, counted from the input, that keep their weights."
    )


LEAST_PICTURE_PX = 12


class ModelConfig(ConfigModel):
    """A model: what is learned, by which network, how it is trained."""

    network: NetworkConfig = Field(description="The network.")
    task: TaskConfig = Field(description="What it learns.")
    input_px: PositiveInt = Field(64, ge=8, le=1024, description="Side of the network's input stamp.")
    training: TrainConfig = Field(TrainConfig(), description="How it is trained.")
    start: StartConfig | None = Field(None, description="Network to start from; null: random weights.")
    member: int = Field(
        0,
        ge=0,
        description="Number of the seed: models that differ in it alone start from other weights and see other blends.",
    )

    @model_validator(mode="after")
    def _fits(self) -> ModelConfig:
        deblended_px = min(self.input_px, getattr(self.network, "inner_px", self.input_px))
        if deblended_px % self.network.stride or self.input_px % 2:
            raise ValueError(
                f"input_px: expected a multiple of {self.network.stride}, or a larger even number with such an "
                f"inner_px, found {self.input_px}"
            )
        if self.task.needs_masks and not self.network.gives_masks:
            raise ValueError(
                f"network: expected one with masks for task {self.task.kind}, found {self.network.kind}; take unet"
            )
        if self.task.measures == self.network.gives_pictures:
            wanted = "one that measures" if self.task.measures else "one that draws pictures"
            raise ValueError(
                f"network: expected {wanted} for task {self.task.kind}, found {self.network.kind}; branched_pictures "
                "and the task pictures belong together"
            )
        if self.network.gives_pictures and self.input_px < LEAST_PICTURE_PX:
            raise ValueError(
                f"input_px: expected at least {LEAST_PICTURE_PX} for pictures, found {self.input_px}: SSIM looks "
                "through a window of 11 px"
            )
        if self.task.needs_images and not self.network.gives_images:
            raise ValueError(
                f"network: expected one with images for task {self.task.kind}, found {self.network.kind}; take branched"
            )
        return self


class EnsembleConfig(ConfigModel):
    """Several networks joined to one: trainings of one model with different seeds, or of different models."""

    model: str | None = Field(
        None,
        pattern=NAME_PATTERN,
        description="One of `models`, whose seeds are the members; or else give `models`.",
    )
    size: int = Field(
        3,
        ge=2,
        le=100,
        description="Members that `model` has; all but the first are trained for the ensemble alone.",
    )
    models: Annotated[tuple[Annotated[str, Field(pattern=NAME_PATTERN)], ...], Field(max_length=100)] = Field(
        (),
        description="Two or more of `models` that are the members; the first is one with masks if any is.",
    )

    @model_validator(mode="after")
    def _has_members(self) -> EnsembleConfig:
        if (self.model is None) == (not self.models) or len(self.models) == 1:
            raise ValueError("expected either `model` or two or more `models`")
        if len(set(self.models)) < len(self.models):
            raise ValueError(f"models: expected each name once, found {', '.join(self.models)}")
        return self

    @property
    def first(self) -> str:
        """Name of the first member, whose task the ensemble has."""
        return self.models[0] if self.model is None else self.model

    def names(self) -> list[str]:
        """Return the names of the members."""
        return [*self.models] if self.model is None else [self.model, *self.own()]

    def own(self) -> list[str]:
        """Return the names of the members that are trained for the ensemble alone."""
        return [] if self.model is None else [f"{self.model}.{number}" for number in range(1, self.size)]
