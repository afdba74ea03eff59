"""Stage field: a simulated telescope image full of galaxies and stars, and what is true of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from skymill.catalog.catalogue import Catalogue, essentials
from skymill.catalog.flags import Flag
from skymill.config.simulate import FieldConfig
from skymill.data.survey import Survey, mag_to_njy
from skymill.errors import ConfigError
from skymill.provenance.atomic import atomic_path
from skymill.provenance.record import recording
from skymill.rng import rng
from skymill.simulate.exposure import expose
from skymill.simulate.scene import Scene, place

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

ISOLATION_FWHM = 3.0
ISOLATION_RE = 3.0
ISOLATION_FLUX_RATIO = 0.01
"""A source is isolated if no other one with more than 1 % of its flux is nearer than three PSF widths plus three times
the half-light radii of both."""


def draw_field(recipe: Mapping[str, Any], image: str | Path, truth: str | Path) -> None:
    """Draw a simulated telescope image.

    Parameters
    ----------
    recipe : mapping
        :meth:`skymill.provenance.recipe.Recipe.to_dict`; params: seed, survey, field.
    image : path
        FITS to write: one image in the primary HDU as a telescope's pipeline would give it (survey units, TAN
        projection, background not subtracted, noise, saturated pixels clipped).
    truth : path
        Catalogue to write, schema ``sources``; sources fainter than the noise are in it, too.

    Raises
    ------
    ConfigError
        If the field has no source at all, or none could be drawn.
    """
    params = recipe["params"]
    config, survey = FieldConfig.model_validate(params["field"]), Survey.model_validate(params["survey"])
    with recording(recipe, Path(image).parent) as record:
        scene = place(config, survey, params["seed"], recipe["name"])
        light, failed = scene.draw()
        if failed.all():
            raise ConfigError(
                f"field {recipe['name']}",
                expected="sources that can be drawn",
                found=f"{len(failed)} sources, {int(failed.sum())} of which failed",
                remedy="Raise galaxies_per_arcmin2 or the size of the field; the log names what failed.",
            )
        noise = rng(params["seed"], "field", recipe["name"], "noise")
        data, saturated = expose(light, config.background, survey, noise)
        _write(image, data, config, survey, recipe)
        catalogue = _truth(scene, failed, saturated, _wcs(config, survey), recipe)
        catalogue.write(truth)
        record.rows = len(catalogue)
        record.extra["failed_sources"] = int(failed.sum())


def _wcs(config: FieldConfig, survey: Survey) -> WCS:
    """Return a tangential projection, north up and east left, with its reference point at the image's centre."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [config.ra_deg, config.dec_deg]
    wcs.wcs.crpix = [(config.width_px + 1) / 2, (config.height_px + 1) / 2]
    wcs.wcs.cdelt = [-survey.pixel_scale_arcsec / 3600, survey.pixel_scale_arcsec / 3600]
    wcs.wcs.cunit = ["deg", "deg"]
    return wcs


def _write(
    path: str | Path,
    data: NDArray[np.float32],
    config: FieldConfig,
    survey: Survey,
    recipe: Mapping[str, Any],
) -> None:
    header = _wcs(config, survey).to_header()
    header["RADESYS"] = ("ICRS", "")
    header["OBJECT"] = (recipe["name"], "simulated by skymill")
    header["FILTER"] = (survey.band, f"survey {survey.name}")
    header["MAGZERO"] = (survey.zero_point_mag, "AB magnitude of one image unit")
    header["GAIN"] = (survey.gain_e_per_unit, "electrons per image unit")
    if survey.saturation is not None:
        header["SATURATE"] = (survey.saturation + config.background, "image units, background included")
    header["PIXSCALE"] = (survey.pixel_scale_arcsec, "arcsec")
    header["BACKLEV"] = (config.background, "level of the background, image units")
    header["BACKRMS"] = (survey.background_rms, "noise of the background, image units")
    header["SKYMILLV"] = (recipe["version"], "version of the artifact")
    with atomic_path(path) as partial:
        fits.PrimaryHDU(data, header).writeto(partial)


def _truth(
    scene: Scene, failed: NDArray[np.bool_], saturated: NDArray[np.bool_], wcs: WCS, recipe: Mapping[str, Any]
) -> Catalogue:
    """Make the catalogue of what was drawn; sources that failed are not on the image and left out."""
    kept = np.flatnonzero(~failed)
    x, y, mag, re = (values[kept] for values in (scene.x, scene.y, scene.mag, scene.re_px))
    ra, dec = wcs.all_pix2world(x, y, 0)
    fwhm = scene.survey.psf_fwhm_px
    return Catalogue.from_columns(
        "sources",
        essentials(recipe),
        source_id=np.arange(len(kept)),
        x=x,
        y=y,
        ra=ra,
        dec=dec,
        mag=mag,
        flux=mag_to_njy(mag),
        re=re,
        kind=np.where(scene.is_star[kept], "star", "galaxy"),
        is_isolated=isolated(x, y, re, mag_to_njy(mag), fwhm),
        flags=_flags(x, y, fwhm, saturated),
    )


def _flags(x: NDArray, y: NDArray, fwhm_px: float, saturated: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Flag sources within two PSF widths of the edge, and those on saturated pixels."""
    height, width = saturated.shape
    margin = 2 * fwhm_px
    at_edge = (x < margin) | (y < margin) | (x > width - 1 - margin) | (y > height - 1 - margin)
    column = np.clip(np.rint(x).astype(int), 0, width - 1)
    row = np.clip(np.rint(y).astype(int), 0, height - 1)
    return np.where(at_edge, int(Flag.EDGE), 0) | np.where(saturated[row, column], int(Flag.SATURATED), 0)


def isolated(x: NDArray, y: NDArray, re_px: NDArray, flux: NDArray, fwhm_px: float) -> NDArray[np.bool_]:
    """Return which sources have no neighbour that touches their photometry (:data:`ISOLATION_FWHM` and below)."""
    from scipy.spatial import cKDTree

    alone = np.ones(len(x), dtype=bool)
    if len(x) < 2:
        return alone
    reach = ISOLATION_FWHM * fwhm_px + 2 * ISOLATION_RE * float(re_px.max())
    first, second = cKDTree(np.column_stack([x, y])).query_pairs(reach, output_type="ndarray").T
    distance = np.hypot(x[first] - x[second], y[first] - y[second])
    near = distance < ISOLATION_FWHM * fwhm_px + ISOLATION_RE * (re_px[first] + re_px[second])
    for one, other in ((first[near], second[near]), (second[near], first[near])):
        alone[one[flux[other] > ISOLATION_FLUX_RATIO * flux[one]]] = False
    return alone
