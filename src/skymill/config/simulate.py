"""Populations of isolated galaxies, their split, and simulated fields."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from skymill.config.base import NAME_PATTERN, ConfigModel, Range, fill_from_preset

SIDES = ("train", "validation", "test")


def _between(low: float, high: float) -> AfterValidator:
    """Return a check that both ends of a range lie from `low` to `high`."""

    def check(pair: tuple[float, float]) -> tuple[float, float]:
        if pair[0] < low or pair[1] > high:
            raise ValueError(f"expected both within {low:g} to {high:g}, found [{pair[0]:g}, {pair[1]:g}]")
        return pair

    return AfterValidator(check)


MagRange = Annotated[Range, _between(-5, 40)]
FractionRange = Annotated[Range, _between(0, 1)]
EllipticityRange = Annotated[Range, _between(0, 0.98)]
SersicRange = Annotated[Range, _between(0.3, 6.2)]
"""What GalSim's Sersic can draw."""
SizeRange = Annotated[Range, _between(1e-3, 1e3)]
LogSizeRange = Annotated[Range, _between(-2, 3)]


class SizeRelation(ConfigModel):
    """Sizes that follow the magnitude: log10(re) is normal around a straight line, cut off at `re_arcsec`."""

    kind: Literal["relation"] = Field("relation", description="Form of the size prior.")
    median_re_arcsec: float = Field(
        0.40, gt=0, description="Median half-light radius (circularised, whole galaxy) at reference_mag."
    )
    reference_mag: float = Field(21.0, description="Magnitude at which median_re_arcsec holds.")
    slope_dex_per_mag: float = Field(-0.06, ge=-1, le=1, description="Change of log10(re) per magnitude.")
    scatter_dex: float = Field(0.22, ge=0, le=2, description="Standard deviation of log10(re).")
    re_arcsec: SizeRange = Field((0.06, 2.0), description="Smallest and largest half-light radius.")
    bulge_to_disc_size: SizeRange = Field(
        (0.2, 1.0),
        description="Half-light radius of the bulge over that of the disc, drawn evenly in the log.",
    )


class IndependentSizes(ConfigModel):
    """Sizes that know nothing of the magnitude: log10 of both half-light radii is drawn evenly."""

    kind: Literal["independent"] = Field("independent", description="Form of the size prior.")
    log10_bulge_re_px: LogSizeRange = Field(
        (0.2, 1.3), description="log10 of the bulge's semi-major half-light radius."
    )
    log10_disc_re_px: LogSizeRange = Field(
        (0.2, 1.5), description="log10 of the disc's semi-major half-light radius."
    )


class KnotsConfig(ConfigModel):
    """Clumps and arms of discs. All ranges are broad by choice and fitted to no image."""

    probability: float = Field(
        0.7, ge=0, le=1, description="Share of the galaxies with a disc that have knots."
    )
    disc_fraction: FractionRange = Field(
        (0.05, 0.6), description="The knots' fraction of the disc's light, drawn evenly."
    )
    number: Annotated[tuple[int, int], _between(1, 1000)] = Field(
        (4, 60), description="Fewest and most knots, drawn evenly in the log."
    )
    size_re: Annotated[Range, _between(1e-3, 10)] = Field(
        (0.05, 0.25),
        description="Smallest and largest width (sigma of a Gaussian) in units of the disc's half-light radius, drawn "
        "evenly in the log.",
    )
    spiral_fraction: float = Field(
        0.6, ge=0, le=1, description="Share of those galaxies whose knots lie along one to four spiral arms."
    )
    pitch_deg: Annotated[Range, _between(1, 89)] = Field(
        (8.0, 40.0), description="Smallest and largest pitch angle of the arms, drawn evenly."
    )
    offset_re: Annotated[Range, _between(0, 2)] = Field(
        (0.0, 0.0),
        description="Smallest and largest distance of the knots' middle from the disc's, in units of the disc's "
        "half-light radius, drawn evenly: lopsided and irregular galaxies.",
    )


SizePrior = Annotated[SizeRelation | IndependentSizes, Field(discriminator="kind")]

DEFAULT_PRESET = "candels"
PRESETS: dict[str, dict[str, Any]] = {
    "candels": {"sizes": {"kind": "relation"}},
    "deeplegato": {
        "mag": (18.0, 24.0),
        "mag_slope": 0.0,
        "sizes": {"kind": "independent"},
        "disc_only_fraction": 0.0,
        "bulge_only_fraction": 0.0,
        "bulge_to_total": (0.0, 1.0),
        "bulge_n": (4.0, 4.0),
        "bulge_ellipticity": (0.05, 0.95),
        "disc_ellipticity": (0.05, 0.95),
        "point_source_fraction": 0.0,
    },
    "sdss": {
        "mag": (14.0, 22.5),
        "mag_slope": 0.15,
        "sizes": {
            "kind": "relation",
            "median_re_arcsec": 1.0,
            "reference_mag": 20.0,
            "slope_dex_per_mag": -0.1,
            "scatter_dex": 0.3,
            "re_arcsec": (0.1, 15.0),
        },
        "point_source_fraction": 0.4,
    },
}
"""What a preset changes against the defaults.

``candels`` (the defaults): magnitudes, sizes and their scatter follow the 9,552 galaxies of the published test
catalogue of Boucaud et al. 2020 (MNRAS 491, 2481): 18 to 23 mag in F160W, counts rising by 0.2 dex a magnitude,
median radius 0.52" at 19.5, 0.39" at 20.5 and 0.35" fainter. Shapes are broad by choice.
``deeplegato``: the simulated ranges of Tuccillo et al. 2018 (MNRAS 475, 894), flat in all of them; 64 px stamps are
theirs. The index of the bulge is not among those ranges: de Vaucouleurs' 4 stands here.
``sdss``: r from 14 to 22.5, for seeing of about 1.4". All round numbers, broad by choice and fitted to no catalogue
of a tile that the networks are compared on: 1" at r = 20, growing by a quarter a magnitude with a scatter of a factor
of two, four sources in ten points. Counts rise more slowly than the sky's (0.15 instead of about 0.4 dex a magnitude),
so that the bright end, where networks are worst, is not rare.
"""


class ParametricPriors(ConfigModel):
    """Joint priors of bulge + disc galaxies; ``preset`` fills the keys that are not given."""

    kind: Literal["parametric"] = Field("parametric", description="Sersic bulge + exponential disc.")
    preset: Literal["candels", "deeplegato", "sdss"] = Field(
        "candels", description="Named set of values for all keys of the priors that are not given."
    )
    mag: MagRange = Field((18.0, 23.0), description="Brightest and faintest total AB magnitude.")
    mag_slope: float = Field(
        0.2, ge=-1, le=1, description="Slope of the counts: log10 N grows by this per magnitude; 0 is flat."
    )
    sizes: SizePrior = Field(SizeRelation(), description="Prior of the half-light radii.")
    disc_only_fraction: float = Field(0.2, ge=0, le=1, description="Fraction of galaxies without a bulge.")
    bulge_only_fraction: float = Field(0.1, ge=0, le=1, description="Fraction of galaxies without a disc.")
    bulge_to_total: FractionRange = Field(
        (0.0, 0.8), description="Bulge's fraction of the flux, drawn evenly, where there are both."
    )
    bulge_n: SersicRange = Field((1.0, 4.0), description="Smallest and largest Sersic index of the bulge.")
    bulge_n_step: float = Field(
        0.5,
        ge=0.05,
        le=5,
        description="Step of the grid of indices; each index costs a set-up of 40 ms a process.",
    )
    bulge_ellipticity: EllipticityRange = Field(
        (0.0, 0.6), description="1 - axis ratio of the bulge, drawn evenly."
    )
    disc_ellipticity: EllipticityRange = Field(
        (0.0, 0.8), description="1 - axis ratio of the disc, drawn evenly."
    )
    knots: KnotsConfig | None = Field(
        None, description="Star-forming knots in discs; null: all galaxies are smooth."
    )
    point_source_fraction: float = Field(0.0, ge=0, le=1, description="Fraction of point sources (stars).")
    fft_max_px: int = Field(
        4096,
        ge=128,
        le=16384,
        description="Largest Fourier transform; a galaxy that needs more fails by itself.",
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, values: Any) -> Any:
        """Put the preset's values below the given ones; sizes are mixed key by key if they are of one kind."""
        return fill_from_preset(values, PRESETS, DEFAULT_PRESET, "sizes")

    @model_validator(mode="after")
    def _shares_fit(self) -> ParametricPriors:
        share = self.disc_only_fraction + self.bulge_only_fraction
        if share > 1:
            raise ValueError(f"disc_only_fraction + bulge_only_fraction: expected at most 1, found {share:g}")
        return self


class _Images(ConfigModel):
    """What populations that are made from images share."""

    catalogue: str = Field(
        min_length=1,
        description="real: path of the catalogue (FITS); its image and PSF files lie beside it, and the run's "
        "data_dir replaces its folder. cutouts: path of the table (TSV).",
    )
    max_noise_rms: float = Field(
        0.3,
        gt=0,
        le=100,
        description="Largest noise that comes along with the image, in units of the survey's background_rms: no galaxy "
        "is made brighter than this allows.",
    )
    mag_slope: float = Field(0.2, ge=-1, le=1, description="Slope of the counts where `mag` is drawn.")
    fft_max_px: int = Field(
        4096,
        ge=128,
        le=16384,
        description="Largest Fourier transform; a galaxy that needs more fails by itself.",
    )


class RealPriors(_Images):
    """Real galaxies of a GalSim RealGalaxyCatalog, brought to the survey's PSF, pixels and zero-point."""

    kind: Literal["real"] = Field(description="Galaxies from images that are deconvolved.")
    catalogue_mag: MagRange = Field(
        (-5.0, 40.0), description="Which galaxies are used, by the catalogue's MAG column."
    )
    min_image_px: int = Field(
        1, ge=1, le=10_000, description="Galaxies on smaller images are not used: their light is cut off."
    )
    max_flux_mismatch_mag: float = Field(
        0.3,
        gt=0,
        le=10,
        description="Galaxies are left out whose image is brighter or fainter than MAG says by more than this.",
    )
    mag: MagRange | None = Field(
        None,
        description="Magnitudes to scale to, for each galaxy from what max_noise_rms allows; null: the catalogue's MAG "
        "+ mag_offset, and galaxies whose noise is too large at that are not used.",
    )
    mag_offset: float = Field(
        0.0, ge=-20, le=20, description="Added to the catalogue's magnitudes: its band to the survey's."
    )
    is_rotated: bool = Field(True, description="Whether each galaxy is turned by a random angle.")
    noise_pad_arcsec: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="Width to which the image's noise is continued beyond its edge; 0: not.",
    )


class CutoutPriors(_Images):
    """Observed, isolated galaxies, moved farther away: shrunk and dimmed until their own PSF and noise are small."""

    kind: Literal["cutouts"] = Field(
        description="Galaxies from images with a segmentation map; none is deconvolved."
    )
    mag: MagRange = Field(
        description="Magnitudes to dim to, for each galaxy from what its own magnitude and max_noise_rms allow."
    )
    shrink: Annotated[Range, _between(1e-3, 1)] = Field(
        description="Smallest and largest factor that angular sizes are multiplied by, drawn evenly in the log."
    )
    max_psf_fraction: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Largest width of an image's PSF after shrinking, in units of the survey's; others are an error.",
    )


class _Stamps(ConfigModel):
    """How many galaxies are drawn, and on what."""

    execution_keys: ClassVar[frozenset[str]] = frozenset({"shard_size"})

    n_galaxies: int = Field(gt=0, le=10**8, description="Number of galaxies.")
    stamp_px: int = Field(160, ge=8, le=2048, description="Side of a stamp; even.")
    shard_size: int = Field(
        500, gt=0, le=10**6, description="Galaxies that one job draws; does not change them."
    )

    @field_validator("stamp_px")
    @classmethod
    def _even(cls, size: int) -> int:
        if size % 2:
            raise ValueError(f"expected an even number, found {size}")
        return size


class ParametricPopulation(ParametricPriors, _Stamps):
    """Isolated bulge + disc galaxies."""


class RealPopulation(RealPriors, _Stamps):
    """Isolated galaxies from images."""


class CutoutPopulation(CutoutPriors, _Stamps):
    """Isolated galaxies from observed images, moved farther away."""


GENERATED_KEYS = ("mag", "mag_slope", "sizes")
GENERATED_PRESETS = {
    name: {key: values[key] for key in GENERATED_KEYS if key in values}
    for name, values in PRESETS.items()
    if values["sizes"]["kind"] == "relation"
}


class GeneratedPopulation(_Stamps):
    """Isolated galaxies that a network draws, of magnitudes and sizes that are given."""

    kind: Literal["generator"] = Field(description="Galaxies drawn by a network.")
    model: str = Field(pattern=NAME_PATTERN, description="Which of `generators` draws them.")
    preset: Literal["candels", "sdss"] = Field(
        "candels", description="Named set of values for mag, mag_slope and sizes where they are not given."
    )
    mag: MagRange = Field((18.0, 23.0), description="Brightest and faintest total AB magnitude.")
    mag_slope: float = Field(0.2, ge=-1, le=1, description="Slope of the counts, dex a magnitude.")
    sizes: SizeRelation = Field(SizeRelation(), description="Prior of the half-light radii.")

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, values: Any) -> Any:
        """Put the preset's values below the given ones."""
        return fill_from_preset(values, GENERATED_PRESETS, DEFAULT_PRESET, "sizes")


PopulationConfig = Annotated[
    ParametricPopulation | RealPopulation | CutoutPopulation | GeneratedPopulation,
    Field(discriminator="kind"),
]
"""A population of isolated galaxies."""


class SplitConfig(ConfigModel):
    """Division of the galaxies before any blend is made, so that no galaxy is on two sides."""

    train: float = Field(0.7, ge=0, le=1, description="Fraction of the galaxies to train on.")
    validation: float = Field(0.1, ge=0, le=1, description="Fraction to watch the training with.")
    test: float = Field(0.2, ge=0, le=1, description="Fraction to test on.")

    @model_validator(mode="after")
    def _whole(self) -> SplitConfig:
        total = self.train + self.validation + self.test
        if not math.isclose(total, 1, abs_tol=1e-9):
            raise ValueError(f"train + validation + test: expected 1, found {total:g}")
        return self


class FieldConfig(ConfigModel):
    """A simulated telescope image."""

    width_px: int = Field(1024, ge=32, le=20000, description="Width of the image.")
    height_px: int = Field(1024, ge=32, le=20000, description="Height of the image.")
    ra_deg: float = Field(150.1, ge=0, lt=360, description="Right ascension of the image's centre.")
    dec_deg: float = Field(2.2, ge=-89, le=89, description="Declination of the image's centre.")
    galaxies: Annotated[ParametricPriors | RealPriors, Field(discriminator="kind")] = Field(
        ParametricPriors(), description="Priors of the galaxies; point sources come from the keys below."
    )
    galaxies_per_arcmin2: float = Field(60.0, ge=0, le=10**4, description="Density of galaxies.")
    clustered_fraction: float = Field(
        0.2, ge=0, le=1, description="Fraction of the galaxies that are put beside another galaxy."
    )
    clustered_separation_re: Annotated[Range, _between(0, 1000)] = Field(
        (1.0, 4.0),
        description="Distance of those from the other galaxy, drawn evenly, in units of the larger half-light "
        "radius of the two or of half the PSF's width.",
    )
    stars_per_arcmin2: float = Field(5.0, ge=0, le=10**4, description="Density of stars.")
    star_mag: MagRange = Field((17.0, 24.0), description="Brightest and faintest star.")
    star_mag_slope: float = Field(
        0.1, ge=-1, le=1, description="Slope of the stars' counts, dex a magnitude."
    )
    background: float = Field(0.0, ge=0, description="Level of the sky in the image, image units.")
