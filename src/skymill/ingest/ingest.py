"""Stage ingest: an image from a telescope becomes a checked tile."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skymill.config.ingest import IngestConfig, TileFacts
from skymill.data.fits_image import FitsImage, read_image, verify_sha256
from skymill.data.survey import Survey
from skymill.data.tile import MaskBit, Tile, TileMeta, bands, release, scratch
from skymill.errors import DataError
from skymill.ingest.background import measure_background
from skymill.ingest.geometry import celestial_wcs, pixel_scale_arcsec
from skymill.ingest.mask import read_mask
from skymill.ingest.noise import grid_step, rms_from, typical, usable_rms
from skymill.ingest.stars import measure_psf
from skymill.ingest.survey_check import check_survey
from skymill.provenance.record import recording

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

Path_ = str | Path


@dataclass(frozen=True)
class Sources:
    """Local files of one row of the tile table; None where the row names none."""

    image: Path_
    rms: Path_ | None = None
    mask: Path_ | None = None


def ingest_tile(
    recipe: Mapping[str, Any],
    image: Path_,
    output: Path_,
    rms: Path_ | None = None,
    mask: Path_ | None = None,
) -> None:
    """Read, measure and check one tile, and write it as skymill's tile.

    Parameters
    ----------
    recipe : mapping
        Recipe of the artifact; ``params`` holds ``tile`` (:class:`~skymill.config.ingest.TileFacts`), ``survey`` and
        ``ingest``.
    image, rms, mask : str or Path
        Local files that the row's addresses stand for; `rms` and `mask` only where the row names them.
    output : str or Path
        The tile, FITS.

    Raises
    ------
    DataError
        If a file is unusable, not the one meant (checksum), or does not fit its survey.
    """
    params = recipe["params"]
    row, survey = TileFacts.model_validate(params["tile"]), Survey.model_validate(params["survey"])
    config = IngestConfig.model_validate(params["ingest"])
    files = Sources(image, rms, mask)
    parents = {role: path for role, path in vars(files).items() if path is not None}
    for role, path in parents.items():
        verify_sha256(path, getattr(row, "sha256" if role == "image" else f"{role}_sha256"))
    with recording(recipe, Path(output).parent, parents=parents) as record:
        tile, facts = make_tile(row, survey, config, files, version=recipe["version"])
        tile.write(output)
        record.rows = tile.shape[0]
        record.extra.update(facts)


def make_tile(
    row: TileFacts, survey: Survey, config: IngestConfig, files: Sources, version: str = ""
) -> tuple[Tile, dict[str, Any]]:
    """Make a tile from files.

    Parameters
    ----------
    row : TileFacts
        What the files hold, and in which HDU.
    survey : Survey
        What the tile must fit.
    config : IngestConfig
        How to measure and check.
    files : Sources
        Local files.
    version : str
        Version of the artifact.

    Returns
    -------
    tile : Tile
        Background-subtracted, with positive noise everywhere.
    facts : dict
        What was measured, for the provenance record.
    """
    image = read_image(files.image, row.image_hdu)
    saturation = _saturation(survey, row, config)
    mask, mask_facts = _mask(image, row, files, saturation)
    rms, level = _subtract_background(image, mask, row, files, config)
    psf = measure_psf(image.data, rms, mask, config)
    release(rms)
    wcs = celestial_wcs(image.header, image.where)
    scale = survey.pixel_scale_arcsec if wcs is None else pixel_scale_arcsec(wcs)
    meta = TileMeta(
        tile_id=row.tile_id,
        survey=survey.name,
        band=survey.band,
        pixel_scale_arcsec=scale,
        zero_point_mag=survey.zero_point_mag if row.zero_point_mag is None else row.zero_point_mag,
        gain_e_per_unit=survey.gain_e_per_unit / _tile_units(survey, row),
        saturation=None if saturation is None else saturation - level,
        psf_fwhm_px=psf.fwhm_px if psf.stars else survey.psf.fwhm_arcsec / scale,
        psf_stars=psf.stars,
        version=version,
    )
    if not psf.stars:
        log.warning(
            "%s: the PSF of survey %s is assumed: FWHM %.2f px", image.where, survey.name, meta.psf_fwhm_px
        )
    check_survey(meta, survey, config, image.where)
    facts = {
        "has_wcs": wcs is not None,
        "pixel_scale_source": "survey, not checked: the image has no WCS" if wcs is None else "WCS",
        "psf_source": "stars" if psf.stars else "survey: too few stars",
        "psf_stars": psf.stars,
        "psf_fwhm_px": meta.psf_fwhm_px,
        "psf_scatter_px": psf.scatter_px if psf.stars else None,
        "background_level": level,
        "rms_median": typical(rms),
        **{f"pixels_{bit.name.lower()}": _count(mask, bit) for bit in MaskBit},
        **mask_facts,
    }
    return Tile(image.data, rms, mask, wcs, meta), facts


def _count(mask: NDArray[np.uint8], bit: MaskBit) -> int:
    return sum(int(np.count_nonzero(mask[rows] & int(bit))) for rows in bands(len(mask)))


def _tile_units(survey: Survey, row: TileFacts) -> float:
    """Return how many image units of the tile are one of the survey's: 1 unless the row has its own zero-point."""
    return 1.0 if row.zero_point_mag is None else 10 ** (0.4 * (row.zero_point_mag - survey.zero_point_mag))


def _saturation(survey: Survey, row: TileFacts, config: IngestConfig) -> float | None:
    if config.saturation is not None or survey.saturation is None:
        return config.saturation
    return survey.saturation * _tile_units(survey, row)


def _mask(
    image: FitsImage, row: TileFacts, files: Sources, saturation: float | None
) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Return the pixels not to be used, by the image itself and by its mask, and what is to be recorded of the mask."""
    no_data = ~np.isfinite(image.data)
    if no_data.all():
        raise DataError(image.where, expected="an image with data", found="NaN or infinite values only")
    mask = np.where(no_data, np.uint8(MaskBit.NO_DATA), np.uint8(0))
    if saturation is not None:
        mask[(image.data >= saturation) & ~no_data] |= np.uint8(MaskBit.SATURATED)
    facts: dict[str, Any] = {}
    if files.mask is not None or row.mask_hdu is not None:
        given = read_mask(files.mask or files.image, row, image)
        mask, facts = mask | given.bits, given.facts
    if (mask > 0).all():
        raise DataError(image.where, expected="good pixels", found="none that is not masked")
    image.data[(mask & int(MaskBit.NO_DATA)) > 0] = 0.0
    return mask, facts


def _given_noise(
    image: FitsImage, row: TileFacts, files: Sources, config: IngestConfig
) -> tuple[NDArray[np.float32], NDArray[np.bool_]] | None:
    """Read the noise map and the pixels that it is no use for; None if the row names no map."""
    if files.rms is None and row.rms_hdu is None:
        return None
    given = _same_shape(read_image(files.rms or files.image, row.rms_hdu), image)
    return rms_from(given.data, row.rms_kind, config.max_bad_rms_fraction, given.where)


def _same_shape(given: FitsImage, image: FitsImage) -> FitsImage:
    if given.data.shape != image.data.shape:
        raise DataError(
            given.where,
            expected=f"the shape {image.data.shape} of {image.where}",
            found=f"{given.data.shape}",
            remedy="Name the map that belongs to the image.",
        )
    return given


def _subtract_background(
    image: FitsImage, mask: NDArray[np.uint8], row: TileFacts, files: Sources, config: IngestConfig
) -> tuple[NDArray[np.float32], float]:
    """Subtract the background from the image where it is still there.

    Returns the noise, given or measured, and the median level that was subtracted. Pixels without a usable noise are
    masked and set to 0: they have no exposure, so what they hold is not sky.
    """
    noise, level = _given_noise(image, row, files, config), 0.0
    if noise is None or row.background == "measure":
        rms = scratch(image.data.shape) if noise is None else None
        measured = _measure_background(image, mask, config, rms, subtract=row.background == "measure")
        level = measured if row.background == "measure" else 0.0
        if rms is not None:
            noise = usable_rms(rms, config.max_bad_rms_fraction, image.where)
    rms, bad = noise
    mask[bad] |= np.uint8(MaskBit.BAD)
    for rows in bands(len(rms)):
        image.data[rows][bad[rows] | ((mask[rows] & int(MaskBit.NO_DATA)) > 0)] = 0.0
    return rms, level


def _measure_background(
    image: FitsImage,
    mask: NDArray[np.uint8],
    config: IngestConfig,
    rms: NDArray[np.float32] | None,
    *,
    subtract: bool,
) -> float:
    """Measure the background, write its noise into `rms`, subtract it if asked; returns the median level."""
    step, grid, before = grid_step(image.data.size), [], None
    for band in measure_background(image.data, mask, config):
        if rms is not None:
            rms[band.rows] = band.rms
            release(rms)
        grid.append(band.level[-band.rows.start % step :: step, ::step].copy())
        # One band later: the next one's mesh looks back at this one as it is.
        if subtract and before is not None:
            image.data[before.rows] -= before.level
        before = band
    if subtract:
        image.data[before.rows] -= before.level
    return float(np.median(np.concatenate(grid)))
