"""How sources are found and measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from skymill.config.base import NAME_PATTERN, ConfigModel
from skymill.config.ingest import SurveyMatch
from skymill.errors import ConfigError


class Pass(ConfigModel):
    """Thresholds of one pass over an image; the names in brackets are SExtractor's."""

    threshold_rms: float = Field(gt=0, description="Detection threshold in units of the rms (DETECT_THRESH).")
    min_area_px: int = Field(ge=1, description="Least connected pixels above it (DETECT_MINAREA).")
    deblend_levels: int = Field(ge=1, le=64, description="Levels of the deblending tree (DEBLEND_NTHRESH).")
    deblend_contrast: float = Field(
        ge=0, le=1, description="Least part of a blend's flux that makes a source (DEBLEND_MINCONT)."
    )


PLAIN = Pass(threshold_rms=1.5, min_area_px=5, deblend_levels=32, deblend_contrast=0.005)
"""SExtractor's defaults."""
COLD = Pass(threshold_rms=5.0, min_area_px=10, deblend_levels=64, deblend_contrast=0.01)
HOT = Pass(threshold_rms=4.0, min_area_px=6, deblend_levels=64, deblend_contrast=1e-4)
"""The two passes of Boucaud et al. 2020, MNRAS 491, 2481."""


class ThresholdConfig(ConfigModel):
    """What the detectors that work with thresholds share."""

    setting: Literal["plain", "cold_hot"] = Field(
        "cold_hot", description="One pass, or a cold one for bright sources and a hot one for what it left."
    )
    plain: Pass = Field(PLAIN, description="The pass of the setting 'plain'.")
    cold: Pass = Field(COLD, description="The first pass of the setting 'cold_hot'.")
    hot: Pass = Field(HOT, description="The second pass of the setting 'cold_hot'.")
    kernel: Literal["pyramid", "none"] = Field(
        "pyramid", description="Filter before detection: SExtractor's 3 x 3 default.conv, or none."
    )
    kron_factor: float = Field(
        2.5, gt=0, description="Size of the photometric ellipse in Kron radii (PHOT_AUTOPARAMS, first)."
    )
    kron_min_radius: float = Field(
        3.5,
        ge=0,
        description="Least size of the photometric ellipse in units of a, b (PHOT_AUTOPARAMS, second).",
    )


class Windows(ConfigModel):
    """Overlapping windows that an image is worked on in, for what holds images in memory."""

    window_px: int = Field(4096, ge=128, description="Side of a window, margins included (px).")
    margin_px: int = Field(
        256, ge=8, description="Overlap of a window with its neighbours on each side (px)."
    )
    seam_tolerance_px: float = Field(
        2.0,
        gt=0,
        description="Sources of two windows nearer than this beside their seam are the same one (px).",
    )

    @model_validator(mode="after")
    def _windows_have_a_core(self) -> Self:
        if 2 * self.margin_px >= self.window_px:
            raise ValueError(
                f"margin_px {self.margin_px} must be less than half of window_px {self.window_px}"
            )
        return self


class WindowedConfig(ThresholdConfig, Windows):
    """What the detectors that hold images in memory share: they work on overlapping windows."""


SOURCE_EXTRACTOR_PROGRAMS = ("source-extractor", "sex", "sextractor")
"""Names under which SExtractor is installed: Debian's first."""


class SourceExtractorConfig(ThresholdConfig):
    """SExtractor itself (Bertin & Arnouts 1996, A&AS 117, 393), called as a program."""

    kind: Literal["source_extractor"] = Field(description="Name of the detector.")
    clean_param: float = Field(1.0, gt=0, description="Strength of the cleaning of spurious detections.")


class SepConfig(WindowedConfig):
    """SExtractor's algorithms as the library sep (Barbary 2016, JOSS 1, 58)."""

    kind: Literal["sep"] = Field(description="Name of the detector.")
    clean_param: float = Field(1.0, gt=0, description="Strength of the cleaning of spurious detections.")


class PhotutilsConfig(WindowedConfig):
    """Segmentation and deblending of photutils (Bradley et al. 2024, 10.5281/zenodo.596036)."""

    kind: Literal["photutils"] = Field(description="Name of the detector.")
    window_px: int = Field(2048, ge=128, description="Side of a window, margins included (px).")


BaselineConfig = Annotated[
    SourceExtractorConfig | SepConfig | PhotutilsConfig,
    Field(discriminator="kind", description="A baseline."),
]


DetectorConfig = BaselineConfig
"""Any detector that the networks are compared with, told by its ``kind``."""


class NetworkFinderConfig(Windows):
    """A network that finds sources: one of `finders`."""

    kind: Literal["network"] = Field(description="Name of the detector.")
    model: str = Field(
        pattern=NAME_PATTERN,
        description="Which of `finders` and `pretrained_finders` finds the candidates.",
    )
    least_probability: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Detection probability that a candidate needs; null: as the model card says.",
    )
    window_px: int = Field(
        2048, ge=256, multiple_of=64, description="Side of a window, margins included (px)."
    )
    margin_px: int = Field(
        128, ge=64, multiple_of=64, description="Overlap of a window with its neighbours on each side (px)."
    )


CandidateDetectorConfig = Annotated[
    SourceExtractorConfig | SepConfig | PhotutilsConfig | NetworkFinderConfig,
    Field(discriminator="kind", description="What finds candidates."),
]


class CandidateConfig(SurveyMatch):
    """Where on a tile the networks measure, and how well the tile must fit the survey they were trained for."""

    detector: CandidateDetectorConfig | None = Field(
        None,
        description="The detector that finds the candidates; null: the run's network that finds sources (finders, "
        "pretrained_finders) if it has exactly one, else sep with the setting plain.",
    )

    def settled(self, finders: Sequence[str]) -> CandidateConfig:
        """Return this with a detector in any case.

        Parameters
        ----------
        finders : sequence of str
            Names of the networks that can find sources, trained or shipped.

        Raises
        ------
        ConfigError
            If the detector is a network that is not among them.
        """
        if self.detector is None:
            network = finders[0] if len(finders) == 1 else None
            found_by = (
                NetworkFinderConfig(kind="network", model=network)
                if network
                else SepConfig(kind="sep", setting="plain")
            )
            return self.model_copy(update={"detector": found_by})
        if self.detector.kind == "network" and self.detector.model not in finders:
            raise ConfigError(
                "candidates.detector.model",
                expected=f"a network that is trained or shipped: {', '.join(finders) or 'there is none'}",
                found=f"'{self.detector.model}'",
                remedy="Train it (config: finders, train: models), ship one under that name (skymill ship), or leave "
                "candidates.detector out: then sep finds them.",
            )
        return self
