"""Options of a network that finds sources: network, task and training. Nothing here imports torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from skymill.config.base import ConfigModel, Width
from skymill.config.train import AugmentConfig, TrainConfig


class DetectionUnetConfig(ConfigModel):
    """A light encoder–decoder for images of any size: a chance of a centre, an offset and a segment for each pixel."""

    kind: Literal["detection_unet"] = Field("detection_unet", description="Form of the network.")
    widths: Annotated[tuple[Width, ...], Field(min_length=2, max_length=6)] = Field(
        (16, 32, 64, 80), description="Channels at half, a quarter, … of the image's resolution."
    )

    @property
    def stride(self) -> int:
        """Number that the input's side must be a multiple of."""
        return 2 ** len(self.widths)


class DetectionTaskConfig(ConfigModel):
    """Centres and segments of all sources of a patch of sky."""

    kind: Literal["detection"] = Field("detection", description="What is learned.")
    softening_rms: tuple[PositiveFloat, ...] = Field(
        (1.0, 10.0, 100.0),
        min_length=1,
        max_length=8,
        description="asinh softenings of the input channels, units of the background rms.",
    )
    splat_fwhm: PositiveFloat = Field(
        0.25, le=2, description="Width (sigma) of a centre's splat in the target, PSF FWHM; at least 0.7 px."
    )
    width_fraction: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Where the middle of a large galaxy is nobody knows to a pixel: least width of its splat, as a "
        "fraction of the width (sigma) of its light. Its peak may be as many times farther off as the splat is wider. "
        "0: all the same.",
    )
    offset_weight: float = Field(1.0, ge=0, description="Weight of the offsets' loss beside the centres'.")
    segment_weight: float = Field(0.5, ge=0, description="Weight of the segments' loss beside the centres'.")
    max_distance_fwhm: PositiveFloat = Field(
        0.6, le=5, description="Peaks within this distance of an object are it, PSF FWHM; at least 1.5 px."
    )
    threshold: Literal["best_f1", "purity"] = Field(
        "best_f1",
        description="Which probability a candidate needs: the one with the best F1, or the one with least_purity.",
    )
    least_purity: float = Field(
        0.95, gt=0, lt=1, description="Purity on the validation patches that `threshold: purity` asks for."
    )


UNUSED = ("shift_px", "zoom", "rotate", "psf_fwhm_ratio", "background_rms", "added_noise_rms")
"""Ways of augmentation that move or blur light without its truth: for stamps only."""


class FinderConfig(ConfigModel):
    """A network that finds sources: what is learned, by which network, how it is trained."""

    network: DetectionUnetConfig = Field(DetectionUnetConfig(), description="The network.")
    task: DetectionTaskConfig = Field(DetectionTaskConfig(), description="What it learns.")
    input_px: PositiveInt = Field(
        128, ge=16, le=4096, description="Side of the windows of the patches that it is trained on."
    )
    training: TrainConfig = Field(
        TrainConfig(max_epochs=16, batch_size=8, learning_rate=2e-3),
        description="How it is trained; of augmentation, quarter turns and mirroring.",
    )

    @model_validator(mode="after")
    def _fits(self) -> FinderConfig:
        if self.input_px % self.network.stride:
            raise ValueError(
                f"input_px: expected a multiple of {self.network.stride} for {len(self.network.widths)} widths, "
                f"found {self.input_px}"
            )
        augment, plain = self.training.augment, AugmentConfig()
        if changed := [name for name in UNUSED if getattr(augment, name) != getattr(plain, name)]:
            raise ValueError(
                f"training.augment: expected quarter_turns and flip only for finders, found {', '.join(changed)}"
            )
        return self
