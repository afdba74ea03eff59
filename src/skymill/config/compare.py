"""Configuration of injection, comparison and report."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from skymill.config.base import ConfigModel, Range


def _increasing(edges: tuple[float, ...]) -> tuple[float, ...]:
    if any(low >= high for low, high in pairwise(edges)):
        raise ValueError(f"expected increasing numbers, found {list(edges)}")
    return edges


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise ValueError(f"expected each name once, found {list(names)}")
    return names


Number = Annotated[float, Field(allow_inf_nan=False)]
Edges = Annotated[tuple[Number, ...], Field(min_length=2), AfterValidator(_increasing)]
"""Two or more increasing numbers: bin i is ``edges[i] <= value < edges[i + 1]``."""


class InjectConfig(ConfigModel):
    """Galaxies of known flux that are added to a real tile."""

    number: int | None = Field(
        None, ge=1, description="Galaxies per tile; give either this or density_per_arcmin2."
    )
    density_per_arcmin2: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Galaxies per square arcminute of the tile."
    )
    mag: Range | None = Field(
        None, description="Range of true magnitudes [bright, faint]; null: all there are."
    )
    flux: Literal["as_simulated", "rescaled"] = Field(
        "as_simulated",
        description="'as_simulated': galaxies whose own magnitude is in `mag`; 'rescaled': any galaxy, scaled to a "
        "magnitude drawn uniformly from `mag`.",
    )
    draws: int = Field(
        1,
        ge=1,
        le=100,
        description="Times that the tile gets other galaxies, each time afresh; figures are of all draws together.",
    )
    min_distance_px: float = Field(
        30.0, gt=0, le=10_000, description="Smallest distance between two injected galaxies (px)."
    )
    edge_px: int = Field(
        20,
        ge=0,
        le=10_000,
        description="Distance kept from the tile's edge and from pixels without data (px).",
    )
    isolation_px: float = Field(
        12.0, gt=0, le=500, description="A galaxy is isolated when nothing else is nearer than this (px)."
    )
    isolation_snr: float = Field(
        5.0, gt=0, description="Signal to noise, summed over 3x3 px of the tile, that counts as something."
    )

    crowded_fraction: float = Field(
        0.0, ge=0, le=1, description="Share of the galaxies that come as pairs, one beside the other."
    )
    crowded_separation_fwhm: Range = Field(
        (0.5, 2.0), description="Distances within such pairs, PSF FWHM of the tile; drawn evenly."
    )

    @model_validator(mode="after")
    def _whole(self) -> InjectConfig:
        """Either a number or a density; a range of magnitudes to scale to."""
        if (self.number is None) == (self.density_per_arcmin2 is None):
            raise ValueError("expected either number or density_per_arcmin2, found both or neither")
        if self.flux == "rescaled" and self.mag is None:
            raise ValueError("flux: rescaled needs mag: [bright, faint]")
        if self.crowded_separation_fwhm[0] <= 0:
            raise ValueError(
                f"crowded_separation_fwhm: expected two positive numbers, found {self.crowded_separation_fwhm}"
            )
        return self


class CompareConfig(ConfigModel):
    """How catalogues are matched to the truth and which figures are made of them."""

    max_distance_px: float = Field(
        3.0, gt=0, le=1000, description="Largest distance of a detection from the true source it is (px)."
    )
    bootstrap_resamples: int = Field(
        1000, ge=100, le=100_000, description="Bootstrap replicates behind each 95 % interval."
    )
    min_rows: int = Field(
        5, ge=2, description="Photometric figures of fewer rows are left out: their intervals mean nothing."
    )
    mag_edges_mag: Edges = Field(
        tuple(float(mag) for mag in range(14, 29)), description="Edges of the magnitude bins."
    )
    separation_edges_re: Edges = Field(
        (0.0, 0.8, 1.2, 2.0, 3.0, 6.0),
        description="Edges of the separation bins, in units of the larger half-light radius of the pair.",
    )
    bright_limit_mag: float = Field(
        20.0, allow_inf_nan=False, description="Sources brighter than this are 'bright' (mag)."
    )
    close_pair_px: float = Field(
        6.0,
        gt=0,
        le=1000,
        description="A source with a brighter one nearer than this is the fainter of a close pair: about two PSF FWHM.",
    )
    probabilities: Annotated[tuple[float, ...], AfterValidator(_increasing)] = Field(
        (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99),
        description="Detection probabilities at which completeness and purity are given, for detectors that have them.",
    )
    reference_detectors: Annotated[tuple[str, ...], AfterValidator(_distinct)] = Field(
        ("source_extractor", "sep", "photutils"),
        min_length=1,
        description="The first of these that has measured the blends says which of them are 'both_found'.",
    )


class ReportConfig(ConfigModel):
    """What the report shows."""

    title: str = Field("skymill", min_length=1, max_length=200, description="Heading of the page.")
    n_examples: int = Field(8, ge=1, le=100, description="Example stamps and example blends.")
    n_gallery: int = Field(
        6, ge=1, le=100, description="Best and worst cases of each detector in the gallery."
    )
    cutout_px: int = Field(64, ge=8, le=1024, description="Side of the cutouts of tiles (px).")
    max_points: int = Field(
        4000, ge=100, le=1_000_000, description="Points of one scatter plot; more are thinned out evenly."
    )
    tile_image_px: int = Field(
        1000, ge=100, le=8000, description="Longer side of the picture of a tile with detections drawn on it."
    )
