"""Simulated patches of sky that detection networks are trained on."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from skymill.config.base import NAME_PATTERN, ConfigModel, Range
from skymill.config.blend import NoiseConfig, PoissonNoise


def _positive(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] <= 0:
        raise ValueError(f"expected two positive numbers, found {list(pair)}")
    return pair


PositiveRange = Annotated[Range, AfterValidator(_positive)]
"""Two positive numbers, ``[low, high]``."""


class ArtefactConfig(ConfigModel):
    """What is on images beside sources and noise; mean numbers of a Poisson distribution, or shares of the patches."""

    saturated_stars_per_patch: float = Field(
        0.25,
        ge=0,
        le=100,
        description="Stars with clipped cores, halos, diffraction spikes and bleed trails.",
    )
    cosmic_rays_per_patch: float = Field(
        1.5, ge=0, le=1000, description="Short bright tracks of one pixel's width."
    )
    hot_pixels_per_patch: float = Field(2.0, ge=0, le=1000, description="Single bright pixels.")
    streak_fraction: float = Field(0.04, ge=0, le=1, description="Patches that a satellite crosses.")
    background_rms: float = Field(
        0.5,
        ge=0,
        le=100,
        description="Largest uneven background left (a surface of second order), background rms.",
    )
    step_fraction: float = Field(
        0.1, ge=0, le=1, description="Patches with a step of the background along a row or a column."
    )
    step_rms: float = Field(0.3, ge=0, le=100, description="Largest step of the background, background rms.")


class SceneConfig(ConfigModel):
    """Patches of sky, from sparse to crowded, composed of isolated galaxies and of stars."""

    execution_keys: ClassVar[frozenset[str]] = frozenset({"shard_size"})

    population: str = Field(pattern=NAME_PATTERN, description="Population that the galaxies are drawn from.")
    n_train: int = Field(400, gt=0, le=10**7, description="Patches to train on.")
    n_validation: int = Field(
        60, gt=0, le=10**7, description="Patches to watch the training and to calibrate with."
    )
    n_test: int = Field(60, gt=0, le=10**7, description="Patches to test on.")
    side_px: int = Field(
        256, ge=64, le=4096, multiple_of=16, description="Side of a patch; a multiple of 16."
    )
    density_per_1000_fwhm2: PositiveRange = Field(
        (1.0, 40.0),
        description="Fewest and most sources in an area of 1000 FWHM x FWHM of the PSF; drawn evenly in the logarithm.",
    )
    snr: PositiveRange = Field(
        (1.5, 1000.0),
        description="Range of the sources' signal to noise above the background; drawn evenly in the logarithm.",
    )
    star_fraction: float = Field(0.3, ge=0, le=1, description="Share of the sources that are stars.")
    pair_fraction: float = Field(
        0.4, ge=0, lt=1, description="Share of the sources that are placed beside another."
    )
    pair_separation_fwhm: PositiveRange = Field(
        (0.5, 4.0), description="Distances of such sources from the other one, PSF FWHM; drawn evenly."
    )
    pair_snr_ratio: PositiveRange | None = Field(
        None,
        description="Signal to noise of such sources over the other one's, within `snr`; drawn evenly in the "
        "logarithm. null: whatever it is, so that most are much fainter or much brighter than the other.",
    )
    object_snr: float = Field(
        4.0,
        gt=0,
        le=1000,
        description="Sources below this signal to noise are light, but no objects to be found.",
    )
    least_separation_px: float = Field(
        0.5,
        ge=0,
        le=100,
        description="A source with a brighter one nearer than this is no object to be found.",
    )
    segment_rms: float = Field(
        1.0,
        gt=0,
        le=1000,
        description="A source's segment is where it is the brightest, above this many rms.",
    )
    noise: NoiseConfig = Field(PoissonNoise(), description="What is added to the noise-free patches.")
    noise_jitter: float = Field(
        0.1, ge=0, le=1, description="Scatter (ln) of a patch's rms about the one that is taken for it."
    )
    artefacts: ArtefactConfig = Field(ArtefactConfig(), description="What else is on a patch.")
    shard_size: int = Field(
        40, gt=0, le=10**6, description="Patches that one job makes; does not change them."
    )

    def composition(self) -> dict[str, Any]:
        """Return the keys that determine a patch by its number, as plain values."""
        return {name: value for name, value in self.recipe_params().items() if not name.startswith("n_")}
