"""Options of a network that measures.

Nothing here imports torch: the workflow is parsed without it. A network is added by a class here, in both unions at the
end, and a file in ``skymill.models`` that registers the same `kind`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from skymill.config.base import ConfigModel, Width

Widths = Annotated[tuple[Width, ...], Field(min_length=2, max_length=7)]


class PolarConfig(ConfigModel):
    """Convolutions over rings and sectors around the stamp's centre, with a dense head."""

    gives_pictures: ClassVar[bool] = False

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
    dense: Width = Field(192, description="Units of each of the two dense layers before the outputs.")

    @property
    def stride(self) -> int:
        """Number that the input's side must be a multiple of."""
        return 2


class CnnConfig(PolarConfig):
    """Convolutions over rings and sectors of the stamp, with a dense head."""

    gives_masks: ClassVar[bool] = False
    gives_images: ClassVar[bool] = False

    kind: Literal["cnn"] = Field(description="Form of the network.")


class UnetConfig(PolarConfig):
    """A U-Net takes the galaxy out of its blend; the same convolutions as the cnn's measure it beside the blend."""

    gives_masks: ClassVar[bool] = True
    gives_images: ClassVar[bool] = True

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


class TrunkConfig(ConfigModel):
    """A residual root and two residual branches."""

    root_widths: tuple[Width, Width] = Field(
        (32, 64),
        description="Channels on the grid of half the side (the branches) and of a quarter (the root).",
    )
    root_blocks: PositiveInt = Field(4, le=32, description="Residual blocks of the root.")
    branch_blocks: PositiveInt = Field(2, le=32, description="Residual blocks of each branch.")

    @property
    def stride(self) -> int:
        """Number that the side of what is drawn must be a multiple of."""
        return 4


class BranchedConfig(TrunkConfig, PolarConfig):
    """A residual root and two branches draw the galaxy and its neighbours; rings of its image tell what lies beyond."""

    gives_masks: ClassVar[bool] = False
    gives_images: ClassVar[bool] = True

    kind: Literal["branched"] = Field(description="Form of the network.")
    inner_px: int = Field(
        64,
        ge=8,
        le=1024,
        multiple_of=8,
        description="Side of the middle of the stamp that is deblended, or the whole stamp if that is smaller.",
    )
    conserves: bool = Field(
        True,
        description="Whether a branch may, pixel by pixel, give what the other one leaves of the blend instead of what "
        "it draws.",
    )


class BranchedPicturesConfig(TrunkConfig):
    """The same root and branches draw pictures of 8 bits of both galaxies; nothing is measured."""

    gives_masks: ClassVar[bool] = False
    gives_images: ClassVar[bool] = False
    gives_pictures: ClassVar[bool] = True

    kind: Literal["branched_pictures"] = Field(description="Form of the network.")


NetworkConfig = Annotated[
    CnnConfig | UnetConfig | BranchedConfig | BranchedPicturesConfig, Field(discriminator="kind")
]


class EnsembleNetwork(ConfigModel):
    """Networks whose mean is taken; made of trained ones."""

    kind: Literal["ensemble"] = Field(description="Form of the network.")
    members: Annotated[tuple[NetworkConfig, ...], Field(min_length=2, max_length=100)] = Field(
        description="The form of each."
    )

    @property
    def gives_masks(self) -> bool:
        """Whether a member gives masks."""
        return any(member.gives_masks for member in self.members)

    @property
    def gives_images(self) -> bool:
        """Whether a member gives images."""
        return any(member.gives_images for member in self.members)


AnyNetwork = Annotated[
    CnnConfig | UnetConfig | BranchedConfig | BranchedPicturesConfig | EnsembleNetwork,
    Field(discriminator="kind"),
]
"""What a model card can describe."""
