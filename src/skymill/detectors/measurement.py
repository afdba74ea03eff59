"""From a pass's columns to a catalogue: units, sky positions and flags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from skymill.catalog.catalogue import Catalogue
from skymill.data.survey import image_flux_to_njy, njy_to_mag
from skymill.data.tile import Tile
from skymill.detectors.detector import Columns
from skymill.detectors.flags import mask_flags, source_flags

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAG_PER_RELATIVE_FLUX = 2.5 / np.log(10.0)
QUANTILES = ("flux_q025", "flux_q16", "flux_q84", "flux_q975")
"""Columns of detectors that give the flux's distribution."""


def catalogue(
    columns: Columns, tile: Tile, meta: Mapping[str, Any], canvas_px: int | None = None
) -> Catalogue:
    """Make the catalogue of what a detector found.

    Parameters
    ----------
    columns : dict of str to ndarray (n,)
        x, y (px), flux, flux_err (image units), flags (see :func:`~skymill.detectors.flags.source_flags`),
        is_primary; and what else of the schema ``measurement`` the
        detector gives. With ``stamp_id`` for blends, whose x and y are canvas pixels.
    tile : Tile
        Where they were found; gives zero-point, WCS and mask.
    meta : mapping
        Header of the catalogue; ``assumed`` is added where something of the tile is the survey's: pixel scale, PSF.
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
    shape = tile.shape if canvas_px is None else (canvas_px, canvas_px)
    columns["flags"] = source_flags(columns, tile.meta.psf_fwhm_px, shape)
    ra, dec = (np.full(len(x), np.nan),) * 2
    if canvas_px is None:
        ra, dec = tile.sky(x, y)
        columns["flags"] |= mask_flags(tile, x, y, columns["flux_radius"])
    quantiles = {name: columns.pop(name) for name in QUANTILES if name in columns}
    return Catalogue.from_columns(
        "measurement",
        {**meta, **({"assumed": tile.meta.assumed} if tile.meta.assumed else {})},
        object_id=np.arange(len(x)),
        galaxy_id=columns.pop("galaxy_id", np.full(len(x), -1)),
        ra=ra,
        dec=dec,
        **photometry(columns.pop("flux"), columns.pop("flux_err"), tile.meta.zero_point_mag, quantiles),
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
