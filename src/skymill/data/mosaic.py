"""A set of blends laid out as one tile, so that detectors that work on tiles can work on test blends too."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from typing import TYPE_CHECKING

import numpy as np

from skymill.data.survey import Survey
from skymill.data.tile import Tile, TileMeta
from skymill.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

GAP_PX = 8


@dataclass(frozen=True)
class Layout:
    """Where each stamp lies in a mosaic.

    Parameters
    ----------
    stamp_ids : ndarray (n,), int64
        Numbers of the stamps, in the order in which they are laid out, row by row from the lower left.
    stamp_px, gap_px, columns : int
        Side of a stamp, width of the empty frame between stamps, stamps in a row.
    """

    stamp_ids: NDArray[np.int64]
    stamp_px: int
    gap_px: int
    columns: int

    @property
    def step_px(self) -> int:
        """Distance from one stamp's corner to the next one's."""
        return self.stamp_px + self.gap_px

    @property
    def shape(self) -> tuple[int, int]:
        """(y, x) size of the mosaic in pixels."""
        rows = ceil(len(self.stamp_ids) / self.columns)
        return rows * self.step_px + self.gap_px, self.columns * self.step_px + self.gap_px

    def corners(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return x and y of each stamp's first pixel, in the order of `stamp_ids`."""
        row, column = np.divmod(np.arange(len(self.stamp_ids)), self.columns)
        return column * self.step_px + self.gap_px, row * self.step_px + self.gap_px

    def to_mosaic(self, stamp_id: NDArray, x: NDArray, y: NDArray) -> tuple[NDArray, NDArray]:
        """Turn positions on stamps into positions on the mosaic.

        Raises
        ------
        DataError
            If a stamp is not in the layout.
        """
        if (unknown := np.setdiff1d(stamp_id, self.stamp_ids)).size:
            raise DataError("mosaic", expected="stamps of its layout", found=f"stamp {unknown[0]}")
        order = np.argsort(self.stamp_ids)
        place = order[np.searchsorted(self.stamp_ids, stamp_id, sorter=order)]
        corner_x, corner_y = self.corners()
        return np.asarray(x) + corner_x[place], np.asarray(y) + corner_y[place]

    def to_stamp(self, x: NDArray, y: NDArray) -> tuple[NDArray[np.int64], NDArray, NDArray]:
        """Turn positions on the mosaic into stamp numbers and positions on them; -1 for positions in a gap or NaN."""
        x, y = np.asarray(x, dtype=np.float64) - self.gap_px, np.asarray(y, dtype=np.float64) - self.gap_px
        column, row = np.floor((x + 0.5) / self.step_px), np.floor((y + 0.5) / self.step_px)
        on_x, on_y = x - column * self.step_px, y - row * self.step_px
        place = row * self.columns + column
        inside = (on_x < self.stamp_px - 0.5) & (on_y < self.stamp_px - 0.5)
        inside &= (column >= 0) & (column < self.columns) & (place >= 0) & (place < len(self.stamp_ids))
        stamp_id = np.full(x.shape, -1, dtype=np.int64)
        stamp_id[inside] = self.stamp_ids[place[inside].astype(np.int64)]
        return stamp_id, on_x, on_y


def mosaic(images: NDArray, stamp_ids: NDArray, survey: Survey, gap_px: int = GAP_PX) -> tuple[Tile, Layout]:
    """Lay stamps out on one tile.

    Parameters
    ----------
    images : ndarray (n, 1, y, x), float32
        Noisy stamps in image units, square, of one band.
    stamp_ids : ndarray (n,)
        Their numbers.
    survey : Survey
        Gives the noise, zero-point and the rest of the tile's facts.
    gap_px : int
        Width of the frame of zeros around each stamp; wide enough that a detection filter does not reach across.

    Returns
    -------
    tile : Tile
        Without a WCS; gaps are 0 and not masked.
    layout : Layout
        Turns positions from stamps to the mosaic and back.
    """
    layout = Layout(
        np.asarray(stamp_ids, dtype=np.int64), images.shape[-1], gap_px, max(1, ceil(sqrt(len(images))))
    )
    science = np.zeros(layout.shape, dtype=np.float32)
    for image, x0, y0 in zip(images[:, 0], *layout.corners(), strict=True):
        science[y0 : y0 + layout.stamp_px, x0 : x0 + layout.stamp_px] = image
    rms = np.full(layout.shape, survey.background_rms, dtype=np.float32)
    return Tile(science, rms, np.zeros(layout.shape, dtype=np.uint8), None, _meta(survey)), layout


def _meta(survey: Survey) -> TileMeta:
    return TileMeta(
        tile_id="blends",
        survey=survey.name,
        band=survey.band,
        pixel_scale_arcsec=survey.pixel_scale_arcsec,
        zero_point_mag=survey.zero_point_mag,
        gain_e_per_unit=survey.gain_e_per_unit,
        saturation=None,
        psf_fwhm_px=survey.psf_fwhm_px,
    )
