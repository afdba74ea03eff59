"""How galaxies are put together into blends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from skymill.config.base import NAME_PATTERN, ConfigModel, Range, fill_from_preset

LARGEST_GROUP = 12


class UniformSeparation(ConfigModel):
    """Distance of each companion from the central galaxy, drawn from one range for all."""

    kind: Literal["uniform"] = Field("uniform", description="Form of the distribution.")
    separation_px: Range = Field(
        (4.0, 24.0), description="Smallest and largest distance; at least 1 px apart."
    )
    spacing: Literal["linear", "log"] = Field(
        "linear",
        description="Whether the distance or its logarithm is drawn evenly; log: as many pairs in each octave, so that "
        "those which look like one source are no rarity.",
    )

    @model_validator(mode="after")
    def _wide(self) -> UniformSeparation:
        low, high = self.separation_px
        if low < 0 or high - low < 1:
            raise ValueError(
                f"separation_px: expected a range of positive distances 1 px wide, found {low, high}"
            )
        if self.spacing == "log" and low == 0:
            raise ValueError("separation_px: expected a smallest distance above 0 for spacing: log, found 0")
        return self

    @property
    def limit(self) -> float:
        """Largest distance that can be drawn, px."""
        return self.separation_px[1]


class RadiusSeparation(ConfigModel):
    """Distance in units of the galaxies' half-light radii, as in Boucaud et al. 2020 (MNRAS 491, 2481).

    It is drawn evenly from ``min_factor * max(Re)`` to ``min(max_factor * min(Re), limit_px)`` of the companion and
    the central galaxy. Where this range is empty, it runs from `squeeze` times its upper end to its upper end. Radii
    are as seen on the image, as theirs: half of the PSF's width is added in quadrature.
    """

    spacing: ClassVar[str] = "linear"

    kind: Literal["radius"] = Field("radius", description="Form of the distribution.")
    min_factor: float = Field(
        1.0, ge=0, le=20, description="Smallest distance in units of the larger radius."
    )
    max_factor: float = Field(
        4.0, gt=0, le=100, description="Largest distance in units of the smaller radius."
    )
    limit_px: float = Field(24.0, ge=2, le=1000, description="No companion is farther away than this.")
    squeeze: float | None = Field(
        0.8, ge=0, lt=1, description="Lower end over upper end where the range is empty; null: no such pairs."
    )

    @property
    def limit(self) -> float:
        """Largest distance that can be drawn, px."""
        return self.limit_px


SeparationConfig = Annotated[UniformSeparation | RadiusSeparation, Field(discriminator="kind")]


class NoNoise(ConfigModel):
    """Blends without noise."""

    kind: Literal["none"] = Field("none", description="Form of the noise.")


class GaussianNoise(ConfigModel):
    """White Gaussian noise with the survey's background_rms."""

    kind: Literal["gaussian"] = Field("gaussian", description="Form of the noise.")


class PoissonNoise(ConfigModel):
    """Poisson noise of a background that gives the survey's background_rms, and of the galaxies' own light."""

    kind: Literal["poisson"] = Field("poisson", description="Form of the noise.")


class RealNoise(ConfigModel):
    """Patches of blank sky of an ingested tile, beside each other, and the Poisson noise of the galaxies' light."""

    kind: Literal["real"] = Field("real", description="Form of the noise.")
    tile: str = Field(pattern=NAME_PATTERN, description="Tile id of the tile that blank sky is cut from.")
    patch_px: int = Field(
        16, ge=4, le=1024, description="Side of the patches; larger ones keep more of the noise."
    )
    detection_sigma: float = Field(
        1.5,
        gt=0,
        le=100,
        description="Pixels of sources above this many rms (4 or more connected) are not blank.",
    )
    growth_px: int = Field(
        4, ge=0, le=100, description="Width of the border around sources that is not blank."
    )
    is_rescaled: bool = Field(True, description="Whether the noise is scaled to the survey's background_rms.")
    has_source_noise: bool = Field(True, description="Whether the galaxies' own Poisson noise is added.")


NoiseConfig = Annotated[NoNoise | GaussianNoise | PoissonNoise | RealNoise, Field(discriminator="kind")]


def _check_groups(groups: dict[int, float]) -> dict[int, float]:
    if not groups or min(groups) < 1 or max(groups) > LARGEST_GROUP:
        raise ValueError(f"expected group sizes from 1 to {LARGEST_GROUP}, found {sorted(groups)}")
    if min(groups.values()) < 0 or sum(groups.values()) <= 0:
        raise ValueError(
            f"expected shares that are not negative and not all 0, found {list(groups.values())}"
        )
    return dict(sorted(groups.items()))


GroupSizes = Annotated[dict[int, float], AfterValidator(_check_groups)]
"""Share of each number of galaxies; shares are divided by their sum."""

DEFAULT_PRESET = "pairs"
PRESETS: dict[str, dict[str, Any]] = {
    "pairs": {"separation": {"kind": "radius"}},
    "boucaud20": {
        "group_sizes": {2: 1.0},
        "separation": {"kind": "radius", "limit_px": 64.0},
        "delta_mag": (0.0, 2.0),
        "canvas_px": 256,
    },
}
"""What a preset changes against the defaults.

``boucaud20``: the recipe of Boucaud et al. 2020 (MNRAS 491, 2481; code: aboucaud/candels-blender, blender.py): pairs
with a difference below 2 mag, 1 max(Re) to the smaller of 4 min(Re) and 64 px apart, 0.8 to 1 times the latter where
that range is empty. The canvas is larger than their 128 px, so that a stamp around the companion fits as well.
"""


class Composition(ConfigModel):
    """How blends are composed; ``preset`` fills the keys that are not given."""

    execution_keys: ClassVar[frozenset[str]] = frozenset({"shard_size"})

    population: str = Field(pattern=NAME_PATTERN, description="Population that the galaxies are drawn from.")
    preset: Literal["pairs", "boucaud20"] = Field(
        DEFAULT_PRESET, description="Named set of values for all keys that are not given."
    )
    canvas_px: int = Field(112, ge=16, le=2048, multiple_of=2, description="Side of a blend's image; even.")
    group_sizes: GroupSizes = Field(
        {1: 0.1, 2: 0.75, 3: 0.12, 4: 0.03}, description="Share of the blends by number of galaxies."
    )
    separation: SeparationConfig = Field(RadiusSeparation(), description="How far companions are away.")
    delta_mag: Range = Field(
        (0.0, 2.0), description="Smallest and largest difference in magnitude between companion and central."
    )
    noise: NoiseConfig = Field(PoissonNoise(), description="What is added to the noise-free images.")
    mask_threshold_rms: float = Field(
        1.0, gt=0, le=1000, description="A galaxy's mask is where its light exceeds this many background_rms."
    )
    shard_size: int = Field(
        500, gt=0, le=10**6, description="Blends that one job makes; does not change them."
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, values: Any) -> Any:
        """Put the preset's values below the given ones; the separation is mixed key by key if of one kind."""
        return fill_from_preset(values, PRESETS, DEFAULT_PRESET, "separation")

    @model_validator(mode="after")
    def _fits_canvas(self) -> Composition:
        if self.delta_mag[0] < 0:
            raise ValueError(f"delta_mag: expected differences that are not negative, found {self.delta_mag}")
        if max(self.group_sizes) > 1 and self.separation.limit >= self.canvas_px / 2:
            raise ValueError(
                f"canvas_px: expected more than twice the largest separation ({self.separation.limit:g} px), "
                f"found {self.canvas_px}"
            )
        return self

    @property
    def max_separation_px(self) -> float:
        """Largest distance of a companion from the central galaxy; 0 when all galaxies are alone."""
        return self.separation.limit if max(self.group_sizes) > 1 else 0.0

    def required_stamp_px(self) -> int:
        """Return the side that isolated stamps need at least, so that a shifted one still covers the canvas."""
        return self.canvas_px + 2 * int(self.max_separation_px)

    def largest_input_px(self) -> int:
        """Return the side of the largest cutout around any galaxy of a blend that lies inside the canvas."""
        return self.canvas_px - 2 * int(self.max_separation_px)

    def composition(self) -> dict[str, Any]:
        """Return the keys that determine a blend by its number, as plain values: those of a :class:`Composition`."""
        return {
            name: value for name, value in self.recipe_params().items() if name in Composition.model_fields
        }


class BlendConfig(Composition):
    """The blends to train on, composed during the training, and those to test on, an artifact."""

    n_train: int = Field(
        8000, gt=0, le=10**8, description="Blends in an epoch of a training, new ones in each."
    )
    n_validation: int = Field(
        1000, gt=0, le=10**8, description="Blends to watch the training with and to calibrate errors on."
    )
    n_test: int = Field(2000, gt=0, le=10**8, description="Blends to test on.")


class RealBlendsConfig(Composition):
    """A second set of test blends, of all galaxies of a population that no network is trained on.

    Keys that are not given are those of `blend`, unless a preset is named here.
    """

    n: int = Field(600, gt=0, le=10**8, description="Blends to test on.")


def fill_from_blend(real_blends: Any, blend: Any) -> Any:
    """Put the keys of `blend` below those of `real_blends`, both as they are written; see :class:`RealBlendsConfig`."""
    if not isinstance(real_blends, Mapping) or not isinstance(blend, Mapping) or "preset" in real_blends:
        return real_blends
    shared = {key: value for key, value in blend.items() if key in Composition.model_fields}
    shared.pop("population", None)
    return {**shared, **real_blends}
