"""Sky coordinates and pixel scale of an image."""

from __future__ import annotations

import logging
import warnings

from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_area

from skymill.errors import DataError

log = logging.getLogger(__name__)


def celestial_wcs(header: fits.Header, where: str) -> WCS | None:
    """Read the celestial WCS of an image.

    Parameters
    ----------
    header : astropy.io.fits.Header
        Header of the image.
    where : str
        File and HDU, for messages.

    Returns
    -------
    astropy.wcs.WCS or None
        None, with a warning in the log, if the header has no celestial coordinates.

    Raises
    ------
    DataError
        If there is a WCS that cannot be understood.
    """
    # Old keywords (RADECSYS, equinoxes) and cards of private conventions draw warnings; they are no fault of the WCS.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            wcs = WCS(header)
            if wcs.has_celestial:
                proj_plane_pixel_area(wcs.celestial)
                return wcs.celestial
        except Exception as error:  # wcslib raises many kinds, all of one meaning
            raise DataError(
                where, expected="a readable WCS", found=f"{type(error).__name__}: {error}"
            ) from error
    for warning in caught:
        log.debug("%s: %s", where, str(warning.message).splitlines()[0])
    log.warning("%s: no celestial WCS: ra and dec will be NaN, the pixel scale cannot be checked", where)
    return None


def pixel_scale_arcsec(wcs: WCS) -> float:
    """Return the side of a square pixel of the WCS's pixel area at its reference point, in arcsec."""
    return float(proj_plane_pixel_area(wcs)) ** 0.5 * 3600.0
