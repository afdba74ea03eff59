"""From a pass's columns to a catalogue: units, sky positions and the flags that are the same for every detector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from skymill.catalog.catalogue import Catalogue
from skymill.catalog.flags import Flag
from skymill.data.survey import image_flux_to_njy, njy_to_mag
from skymill.data.tile import MaskBit, Tile, cutouts
from skymill.detectors.detector import Columns
from skymill.detectors.ellipses import contained

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAG_PER_RELATIVE_FLUX = 2.5 / np.log(10.0)
QUANTILES = ("flux_q025", "flux_q16", "flux_q84", "flux_q975")
"""Columns of detectors that give the flux's distribution."""
NEAR_RADII = 3.0
"""Masked pixels within this many half-light radii are near a source."""
NEAR_LIMITS_PX = (3.0, 24.0)
CHUNK_SOURCES = 20_000
STAMP_STRIDE_PX = 1e6


def catalogue(
    columns: Columns, tile: Tile, meta: Mapping[str, Any], canvas_px: int | None = None
) -> Catalogue:
    """Make the catalogue of what a detector found.

    Parameters
    ----------
    columns : dict of str to ndarray (n,)
        x, y (px), flux, flux_err (image units), flags, is_primary; and what else of the schema ``measurement`` the
        detector gives. With ``stamp_id`` for blends, whose x and y are canvas pixels.
    tile : Tile
        Where they were found; gives zero-point, WCS and mask.
    meta : mapping
        Header of the catalogue.
    canvas_px : int, optional
        Side of the blends' canvas, for sources found on a mosaic; its own edges then count and not the mosaic's.

    Returns
    -------
    Catalogue
        Schema ``measurement``, sorted by stamp, y and x. Sources whose flux or position is not finite have the flag
        FAILED.
    """
    stamp_id = columns.get("stamp_id", np.full(len(columns["x"]), -1))
    order = np.lexsort((columns["x"], columns["y"], stamp_id))
    columns = {name: values[order] for name, values in {**columns, "stamp_id": stamp_id}.items()}
    x, y = columns["x"], columns["y"]
    flags = columns.pop("flags").astype(np.int64) | _common_flags(columns, tile, canvas_px)
    ra, dec = (np.full(len(x), np.nan),) * 2 if canvas_px is not None else tile.sky(x, y)
    quantiles = {name: columns.pop(name) for name in QUANTILES if name in columns}
    return Catalogue.from_columns(
        "measurement",
        meta,
        object_id=np.arange(len(x)),
        galaxy_id=columns.pop("galaxy_id", np.full(len(x), -1)),
        ra=ra,
        dec=dec,
        **photometry(columns.pop("flux"), columns.pop("flux_err"), tile.meta.zero_point_mag, quantiles),
        flags=flags,
        **columns,
    )


def photometry(
    flux: NDArray, flux_err: NDArray, zero_point_mag: float, quantiles: Mapping[str, NDArray] | None = None
) -> dict[str, NDArray]:
    """Turn image fluxes into the columns flux, flux_err and `quantiles` (nJy), mag, mag_err and snr."""
    njy = image_flux_to_njy(np.asarray(flux, dtype=np.float64), zero_point_mag)
    error = image_flux_to_njy(np.asarray(flux_err, dtype=np.float64), zero_point_mag)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(njy > 0, error / njy, np.nan)
        snr = np.where(error > 0, njy / error, np.nan)
    return {
        "flux": njy,
        "flux_err": error,
        "mag": njy_to_mag(njy),
        "mag_err": MAG_PER_RELATIVE_FLUX * relative,
        "snr": snr,
        **{name: image_flux_to_njy(values, zero_point_mag) for name, values in (quantiles or {}).items()},
    }


def _common_flags(columns: Columns, tile: Tile, canvas_px: int | None) -> NDArray[np.int64]:
    x, y = columns["x"], columns["y"]
    flags = np.zeros(len(x), dtype=np.int64)
    failed = ~(np.isfinite(columns["flux"]) & np.isfinite(columns["flux_err"]))
    flags[failed] |= int(Flag.FAILED)
    radius = np.clip(
        np.nan_to_num(NEAR_RADII * columns["flux_radius"], nan=NEAR_LIMITS_PX[0]), *NEAR_LIMITS_PX
    )
    height, width = tile.shape if canvas_px is None else (canvas_px, canvas_px)
    reach = [x - radius < -0.5, x + radius > width - 0.5, y - radius < -0.5, y + radius > height - 0.5]
    flags[np.any(reach, axis=0)] |= int(Flag.EDGE)
    flags[overlapping(columns)] |= int(Flag.BLENDED)
    if canvas_px is None:
        flags |= mask_flags(tile.mask, x, y, radius)
    return flags


def overlapping(columns: Columns) -> NDArray[np.int64]:
    """Return the rows whose Kron ellipse holds the centre of another primary source of the same stamp."""
    # Canvases all begin at 0: stamps are laid side by side, far apart, before neighbours are looked for.
    x = columns["x"] + STAMP_STRIDE_PX * (columns["stamp_id"] + 1)
    position, source = contained(x, columns["y"], {**columns, "x": x})
    return np.unique(source[(position != source) & columns["is_primary"][position]])


def mask_flags(mask: NDArray[np.uint8], x: NDArray, y: NDArray, radius: NDArray) -> NDArray[np.int64]:
    """Return MASKED and SATURATED for sources with such pixels within `radius` (px) of their centre.

    Parameters
    ----------
    mask : ndarray (y, x), uint8
        A tile's mask.
    x, y, radius : ndarray (n,)
        Centres and radii in pixels.

    Returns
    -------
    ndarray (n,), int64
        Flag bits.
    """
    flags = np.zeros(len(x), dtype=np.int64)
    size = 2 * int(np.ceil(NEAR_LIMITS_PX[1])) + 1
    offset = np.arange(size) - size // 2
    distance = np.hypot(offset[:, None], offset[None, :])
    for start in range(0, len(x), CHUNK_SOURCES):
        rows = slice(start, start + CHUNK_SOURCES)
        near = cutouts(mask, x[rows], y[rows], size)
        near[distance[None] > radius[rows, None, None]] = 0
        bits = np.bitwise_or.reduce(near, axis=(1, 2)).astype(np.int64)
        flags[rows] = np.where(bits & int(MaskBit.BAD | MaskBit.NO_DATA), int(Flag.MASKED), 0)
        flags[rows] |= np.where(bits & int(MaskBit.SATURATED), int(Flag.SATURATED), 0)
    return flags
