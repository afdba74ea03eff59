"""The tile table and how tiles are read: what the workflow and the ingest stage agree on."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated, Literal
from urllib.parse import unquote

from pydantic import BeforeValidator, Field, field_validator, model_validator

from skymill.config.base import NAME_PATTERN, ConfigModel
from skymill.config.table import read_table

SHA256_PATTERN = r"^[0-9a-f]{64}$"
URL_STARTS = ("http://", "https://")

_PLANE = r"(?:[A-Za-z][\w.]*|[1-5]?[0-9]|6[0-3])\s*(?:=\s*(?:bad|saturated|no_data))?"
MASK_PLANES_PATTERN = rf"^{_PLANE}(?:\s*,\s*{_PLANE})*$"
"""Names or numbers from 0 to 63, each with what it means to skymill if that is not its usual meaning."""
MaskConvention = Literal[
    "decam_bits", "decam_codes", "des", "hst_acs", "hst_wfc3_ir", "hst_wfc3_uvis", "jwst", "ps1", "ztf"
]


def _hdu(value: object) -> object:
    """Turn ``"3"`` into 3 and leave names (``"SCI"``) alone."""
    return int(value) if isinstance(value, str) and value.strip().isdigit() else value


Hdu = Annotated[int | str, BeforeValidator(_hdu)]
"""Number (0 is the primary HDU) or name of a FITS extension."""


def is_url(location: str) -> bool:
    """Whether `location` is an http(s) address rather than a path."""
    return location.lower().startswith(URL_STARTS)


class TileFacts(ConfigModel):
    """What a tile's files hold, wherever they lie."""

    tile_id: str = Field(pattern=NAME_PATTERN, description="Name of the tile; becomes a folder name.")
    survey: str = Field(pattern=NAME_PATTERN, description="Name of a file in config/surveys.")
    image_hdu: Hdu | None = Field(
        None, description="HDU of the image; empty: the only one with a 2-D image that no other column names."
    )
    zero_point_mag: float | None = Field(
        None, allow_inf_nan=False, description="AB magnitude of one image unit; empty: the survey's."
    )
    gain_e_per_unit: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Electrons for one image unit over the whole exposure; empty: the survey's, at this zero-point.",
    )
    rms_hdu: Hdu | None = Field(
        None, description="HDU of the noise map; given without `rms`, it is one of the image's file."
    )
    rms_kind: Literal["rms", "variance", "inverse_variance"] = Field(
        "rms", description="What the noise map holds, in image units (squared for the variances)."
    )
    rms_holds: Literal["sky", "total"] | None = Field(
        None,
        description="Whose noise the map holds: 'sky', or 'total' with that of the sources' photons (LSST, HSC, DECam, "
        "HST's ERR); empty: what the map's pixels under bright sources show, where they can tell, else 'sky'.",
    )
    mask_hdu: Hdu | None = Field(
        None, description="HDU of the mask; given without `mask`, it is one of the image's file."
    )
    mask_planes: str | None = Field(
        None,
        pattern=MASK_PLANES_PATTERN,
        description="Planes of the mask that count, by name or bit number between commas, with =saturated or =no_data"
        " if they do not mean bad pixels ('BAD, SAT, 8=no_data'); 'nonzero' or 'zero': all such pixels. Empty: what"
        " the mask's convention says; for a mask of one nonzero value, that value is bad.",
    )
    mask_convention: MaskConvention | None = Field(
        None, description="Whose planes the mask has; empty: as its header says, if it does."
    )
    background: Literal["measure", "subtracted"] = Field(
        "measure", description="'measure': measure and subtract it; 'subtracted': it is gone already."
    )
    sha256: str | None = Field(None, pattern=SHA256_PATTERN, description="SHA-256 of the image file.")
    rms_sha256: str | None = Field(None, pattern=SHA256_PATTERN, description="SHA-256 of the noise map.")
    mask_sha256: str | None = Field(None, pattern=SHA256_PATTERN, description="SHA-256 of the mask.")


class TileRow(TileFacts):
    """One row of the tile table: the facts about a tile and where its files are."""

    image: str = Field(min_length=1, description="Path or http(s) URL of the FITS image.")
    rms: str | None = Field(None, description="Path or URL of the noise map; empty: measured on the image.")
    mask: str | None = Field(
        None,
        description="Path or URL of a mask, an image of flags or SDSS's fpM; `mask_planes` says which count.",
    )
    reference: str | None = Field(None, description="Path or URL of a catalogue to compare with.")
    reference_format: str | None = Field(
        None, pattern=NAME_PATTERN, description="Its format: a name that skymill.ingest.reference knows."
    )
    reference_sha256: str | None = Field(
        None, pattern=SHA256_PATTERN, description="SHA-256 of the reference."
    )

    @field_validator("image", "rms", "mask", "reference")
    @classmethod
    def _location(cls, location: str | None) -> str | None:
        """Refuse addresses that no part of skymill can fetch (ftp://…, s3://…)."""
        if location and "://" in location and not is_url(location):
            raise ValueError("a path or an http(s) URL")
        return location

    @model_validator(mode="after")
    def _whole(self) -> TileRow:
        """Refuse a reference without its format, and what is said of a file that is not given."""
        if (self.reference is None) != (self.reference_format is None):
            raise ValueError("reference and reference_format are given together or not at all")
        for key in ("rms", "mask", "reference"):
            if getattr(self, f"{key}_sha256") and not getattr(self, key):
                raise ValueError(f"{key}_sha256 is given but {key} is empty")
        for key in ("mask_planes", "mask_convention"):
            if getattr(self, key) and self.mask is None and self.mask_hdu is None:
                raise ValueError(f"{key} is given but mask and mask_hdu are empty")
        return self


class SurveyMatch(ConfigModel):
    """How far a tile may be from the survey that it, or a model, belongs to."""

    pixel_scale_tolerance: float = Field(
        0.02,
        gt=0,
        description="Largest |tile / survey - 1| of the pixel scale that is accepted. Pixels of which one direction is "
        "longer than another by more are refused; a scale that varies by more over the tile is a warning.",
    )
    psf_tolerance: float = Field(
        0.3, gt=0, description="Largest |tile / survey - 1| of the PSF's FWHM that is accepted."
    )
    on_mismatch: Literal["refuse", "go_on"] = Field(
        "refuse", description="What a tile beyond these meets: an error, or a warning in the log."
    )


class IngestConfig(SurveyMatch):
    """How tiles are read, measured and checked against their survey."""

    background_box_px: int = Field(128, ge=16, description="Side of the background mesh's cells (px).")
    background_filter_cells: int = Field(
        3, ge=1, le=15, description="Side of the median filter over the mesh (cells)."
    )
    source_threshold_rms: float = Field(
        2.0, gt=0, description="Pixels in sources above this many rms are left out of the background."
    )
    saturation: float | None = Field(
        None, gt=0, description="Pixels at or above this (image units) are saturated; null: the survey's."
    )
    max_bad_rms_fraction: float = Field(
        0.5, gt=0, le=1, description="A noise map with a larger part unusable (zero, negative) is refused."
    )
    noise_warning: float = Field(
        0.3, gt=0, description="Largest |tile / survey - 1| of the noise that passes without a warning."
    )
    noise_factor: float = Field(
        3.0, gt=1, description="A noise this many times above or below the survey's is a mismatch."
    )
    psf_min_stars: int = Field(5, ge=1, description="With fewer stars the survey's PSF is assumed, and said.")
    psf_max_stars: int = Field(60, ge=1, description="At most this many stars, the brightest, are fitted.")
    psf_min_snr: float = Field(50.0, gt=0, description="Stars below this signal to noise are not used.")


def load_tiles(path: str | Path) -> list[TileRow]:
    """Read and check the tile table; see :func:`skymill.config.table.read_table` for its form and errors."""
    return read_table(path, TileRow, "tile_id", "tile table")


def last_part(location: str) -> str:
    """Return the last part of a path or of a URL's path, a URL's ``%20`` turned into what it stands for."""
    if is_url(location):
        beyond_scheme = location.partition("://")[2]
        location = unquote(beyond_scheme.partition("#")[0].partition("?")[0].partition("/")[2])
    name = PurePosixPath(location).name
    return "" if name == ".." else name


def local_location(location: str, data_dir: str | Path | None = None) -> str:
    """Say where a file of the tile table is to be read from.

    Parameters
    ----------
    location : str
        Path or URL as it stands in the table.
    data_dir : str or Path, optional
        A folder that holds files of the same names; replaces the path or the URL.

    Returns
    -------
    str
        ``data_dir/<name>``, or `location` unchanged without `data_dir`. A location without a name gives the folder
        itself, which is no file: what reads it says so.
    """
    return location if data_dir is None else str(Path(data_dir) / last_part(location))
