"""Options of the task that deblends pictures of 8 bits, and of what makes a picture of light."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, PositiveFloat, model_validator

from skymill.config.base import ConfigModel
from skymill.config.critic import CriticConfig


class StretchConfig(ConfigModel):
    """How light becomes a picture: arsinh of it, from black to white, in 256 levels."""

    black_rms: float = Field(
        -3.0, ge=-1000, le=1000, description="Light of level 0, units of the background rms; less is cut off."
    )
    white_rms: PositiveFloat = Field(
        500.0, le=1e6, description="Light of level 255, units of the background rms; more is cut off."
    )
    softening_rms: PositiveFloat = Field(
        20.0,
        le=1e6,
        description="Light at which the stretch turns from linear to logarithmic, units of the background rms.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> StretchConfig:
        if not self.black_rms < self.white_rms:
            raise ValueError(f"white_rms: expected more than black_rms, found {self.white_rms:g}")
        return self


class PicturesTaskConfig(ConfigModel):
    """Pictures of both galaxies of a blend whose picture is the brighter of theirs, pixel by pixel; no flux."""

    needs_masks: ClassVar[bool] = False
    needs_images: ClassVar[bool] = False
    learns_masks: ClassVar[bool] = False
    learns_images: ClassVar[bool] = False
    measures: ClassVar[bool] = False

    kind: Literal["pictures"] = Field(description="What is learned.")
    stretch: StretchConfig = Field(StretchConfig(), description="How light becomes a picture.")
    error_weight: float = Field(
        1.0,
        ge=0,
        description="Weight of ln of the root-mean-square error of each picture over the range of levels: the PSNR in "
        "units of 8.7 dB.",
    )
    similarity_weight: float = Field(
        1.0, ge=0, description="Weight of 1 - SSIM of each picture: it stands in for a perceptual loss."
    )
    critic: CriticConfig | None = Field(
        CriticConfig(), description="The critic of an adversarial training; null: none."
    )
