"""The table of observed galaxies: what the workflow and the stage simulate agree on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from skymill.config.base import NAME_PATTERN, ConfigModel
from skymill.config.ingest import local_location
from skymill.config.table import read_table


def _segment(value: object) -> object:
    """Turn ``"3"`` into 3 and leave ``centre`` alone."""
    return int(value) if isinstance(value, str) and value.strip().isdigit() else value


Segment = Annotated[Annotated[int, Field(ge=1)] | Literal["centre"], BeforeValidator(_segment)]


class CutoutRow(ConfigModel):
    """One row of the table of a population of kind ``cutouts``: an observed, isolated galaxy and its files.

    Paths that are not absolute begin at the table's own folder, the run's data_dir replaces all folders; each file
    holds one 2-D image.
    """

    id: str = Field(pattern=NAME_PATTERN, description="Name of the galaxy.")
    image: str = Field(min_length=1, description="Path of the FITS image, sky-subtracted.")
    segmentation: str = Field(
        min_length=1, description="Path of the segmentation map: 0 is sky, each source has a number."
    )
    psf: str = Field(min_length=1, description="Path of the image's PSF, on the image's pixels.")
    segment: Segment = Field(
        "centre", description="The galaxy's number in the map; 'centre': that of the middle pixel."
    )
    pixel_scale_arcsec: float = Field(gt=0, le=60, description="Side of the image's pixels.")
    zero_point_mag: float = Field(allow_inf_nan=False, description="AB magnitude of one image unit.")
    mask: str | None = Field(None, description="Path of a mask whose nonzero pixels are bad.")
    sigma: str | None = Field(
        None, description="Path of the noise per pixel, image units; empty: measured on the sky pixels."
    )

    @field_validator("image", "segmentation", "psf", "mask", "sigma")
    @classmethod
    def _location(cls, location: str | None) -> str | None:
        """Refuse addresses: nothing fetches them."""
        if location and "://" in location:
            raise ValueError("a path")
        return location

    def files(self, table: str | Path, data_dir: str | Path | None = None) -> dict[str, Path]:
        """Return the paths of the row's files by column.

        Parameters
        ----------
        table : str or Path
            Where the table lies.
        data_dir : str or Path, optional
            A folder that holds files of the same names; replaces their paths.
        """
        named = {role: getattr(self, role) for role in ("image", "segmentation", "psf", "mask", "sigma")}
        given = {role: path for role, path in named.items() if path is not None}
        if data_dir is not None:
            return {role: Path(local_location(path, data_dir)) for role, path in given.items()}
        return {role: Path(table).parent / path for role, path in given.items()}


def load_cutouts(path: str | Path) -> list[CutoutRow]:
    """Read and check the table; see :func:`skymill.config.table.read_table` for its form and errors."""
    return read_table(path, CutoutRow, "id", "table of cutouts")
