"""Options of a model: network, task and training.

Nothing here imports torch: the workflow is parsed without it. A network or a task is added by a class here, in the
union below it, and a file in ``skymill.models`` or ``skymill.tasks`` that registers the same `kind`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from skymill.config.base import NAME_PATTERN, ConfigModel, Range

Widths = Annotated[tuple[PositiveInt, ...], Field(min_length=2, max_length=7)]
Fraction = Annotated[float, Field(gt=0, lt=1)]


class PolarConfig(ConfigModel):
    """Convolutions over rings and sectors around the stamp's centre, with a dense head."""

    rings: int = Field(
        24, ge=4, le=256, description="Rings; their radii grow geometrically to half of the stamp's side."
    )
    angles: int = Field(32, ge=8, le=256, multiple_of=8, description="Sectors in each ring.")
    widths: Widths = Field(
        (32, 64, 96), description="Channels of each level; each after the first halves the sectors."
    )
    depth: PositiveInt = Field(
        1, le=8, description="Pairs of convolutions in each level after its first one."
    )
    dense: PositiveInt = Field(192, description="Units of each of the two dense layers before the outputs.")

    @property
    def stride(self) -> int:
        """Number that the input's side must be a multiple of."""
        return 2


class CnnConfig(PolarConfig):
    """Convolutions over rings and sectors of the stamp, with a dense head."""

    gives_masks: ClassVar[bool] = False

    kind: Literal["cnn"] = Field(description="Form of the network.")


class UnetConfig(PolarConfig):
    """A U-Net takes the galaxy out of its blend; the same convolutions as the cnn's measure it beside the blend."""

    gives_masks: ClassVar[bool] = True

    kind: Literal["unet"] = Field(description="Form of the network.")
    unet_widths: Widths = Field(
        (16, 32, 48, 64), description="Channels of each level of the U-Net; each halves the side."
    )
    inner_px: int = Field(
        64,
        ge=8,
        le=1024,
        multiple_of=8,
        description="Side of the middle of the stamp that is deblended, or the whole stamp if that is smaller.",
    )

    @property
    def stride(self) -> int:
        """Number that the input's side, or else `inner_px`, must be a multiple of."""
        return 2 ** len(self.unet_widths)


NetworkConfig = Annotated[CnnConfig | UnetConfig, Field(discriminator="kind")]


class EnsembleNetwork(ConfigModel):
    """Networks whose mean is taken; made of trained ones."""

    kind: Literal["ensemble"] = Field(description="Form of the network.")
    members: Annotated[tuple[NetworkConfig, ...], Field(min_length=2, max_length=100)] = Field(
        description="The form of each."
    )

    @property
    def gives_masks(self) -> bool:
        """Whether a member gives masks and images."""
        return any(member.gives_masks for member in self.members)


AnyNetwork = Annotated[CnnConfig | UnetConfig | EnsembleNetwork, Field(discriminator="kind")]
"""What a model card can describe."""


class FluxTaskConfig(ConfigModel):
    """Flux of the galaxy at the centre of a blend, or of it and its companion."""

    needs_masks: ClassVar[bool] = False
    """Whether the network has to give masks."""
    learns_masks: ClassVar[bool] = False
    """Whether the masks that a network gives are learned."""
    learns_images: ClassVar[bool] = False
    """Whether the deblended images that a network gives are learned, not a mere step on the way to the flux."""

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


TaskConfig = Annotated[FluxTaskConfig | MaskFluxTaskConfig, Field(discriminator="kind")]


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
