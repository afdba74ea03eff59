"""Stage ingest: an image from a telescope becomes a checked tile."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skymill.config.ingest import IngestConfig, TileFacts
from skymill.data.fits_image import FitsImage, read_image, verify_sha256
from skymill.data.survey import Survey
from skymill.data.tile import MaskBit, Tile, TileMeta, bands, release, scratch
from skymill.errors import DataError
from skymill.ingest.background import measure_background
from skymill.ingest.calibration import Calibration, calibrate, check_electrons
from skymill.ingest.checks import Checks
from skymill.ingest.geometry import celestial_wcs, measured_scale
from skymill.ingest.header import read_header
from skymill.ingest.noise import grid_step, rms_from, typical, usable_rms
from skymill.ingest.noise_map import (
    OWN_GAIN,
    check_scatter,
    measure_scatter,
    photons_in_map,
    take_photons_out,
)
from skymill.ingest.pixels import Raw, count_pixels, mask_pixels
from skymill.ingest.stars import PsfWidth, measure_psf
from skymill.ingest.survey_check import check_depth, check_survey
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
    others = [hdu for hdu, own in ((row.rms_hdu, files.rms), (row.mask_hdu, files.mask)) if own is None]
    image = read_image(files.image, row.image_hdu, [hdu for hdu in others if hdu is not None])
    checks = Checks(image.where)
    checks.note("hdu", image.where.rpartition("[")[2][:-1], "read" if row.image_hdu is None else "given")
    wcs = celestial_wcs(image)
    pixels = None if wcs is None else measured_scale(wcs, image, config.pixel_scale_tolerance)
    scale = survey.pixel_scale_arcsec if pixels is None else pixels.arcsec
    calibration = calibrate(read_header(image.header, image.primary, scale**2), row, survey, config, checks)
    raw = Raw.of(image)
    mask_file = files.mask or (None if row.mask_hdu is None else files.image)
    mask, mask_facts = mask_pixels(raw, image, row, mask_file, calibration.saturation, checks)
    noise, level = _subtract_background(raw, mask, row, files, config)
    rms, calibration = _check_noise(raw, noise, mask, row, calibration, config, checks)
    psf = measure_psf(raw.data, rms, mask, config)
    release(rms)
    saturation = calibration.saturation
    meta = TileMeta(
        tile_id=row.tile_id,
        survey=survey.name,
        band=survey.band,
        pixel_scale_arcsec=scale,
        zero_point_mag=calibration.zero_point_mag - 2.5 * np.log10(raw.unit),
        gain_e_per_unit=calibration.gain_e_per_unit * raw.unit,
        saturation=None if saturation is None else saturation / raw.unit - level,
        psf_fwhm_px=psf.fwhm_px if psf.stars else survey.psf.fwhm_arcsec / scale,
        psf_stars=psf.stars,
        version=version,
        unit=raw.unit,
        assumed=" ".join(["pixel_scale"] * (wcs is None) + ["psf_fwhm"] * (not psf.stars)),
    )
    _note_geometry(meta, psf, wcs is not None, checks)
    check_survey(meta, survey, config, image.where)
    check_depth(typical(rms) * raw.unit, calibration.zero_point_mag, survey, config, checks)
    log.info("%s: %s", row.tile_id, checks.line())
    facts = {
        **checks.record(),
        "has_wcs": wcs is not None,
        "pixel_scale_source": "survey, not checked: the image has no WCS" if wcs is None else "WCS",
        "pixel_scale_arcsec_range": None if pixels is None else [pixels.lowest, pixels.highest],
        "psf_source": "stars" if psf.stars else "survey: too few stars",
        "psf_stars": psf.stars,
        "psf_fwhm_px": meta.psf_fwhm_px,
        "psf_scatter_px": psf.scatter_px if psf.stars else None,
        "background_level": level * raw.unit,
        "rms_median": typical(rms) * raw.unit,
        **{f"pixels_{bit.name.lower()}": count_pixels(mask, bit) for bit in MaskBit},
        **mask_facts,
    }
    return Tile(raw.data, rms, mask, wcs, meta), facts


def _note_geometry(meta: TileMeta, psf: PsfWidth, has_wcs: bool, checks: Checks) -> None:
    scale, width = f"{meta.pixel_scale_arcsec:.5g} arcsec/px", f"FWHM {meta.psf_fwhm_px:.2f} px"
    checks.note("scale", scale, *(("read", "WCS") if has_wcs else ("assumed", "no celestial WCS")))
    if psf.stars:
        checks.note("PSF", width, "measured", f"{psf.stars} stars")
    else:
        checks.note("PSF", width, "assumed", "too few stars")
        checks.warn(f"the PSF of survey {meta.survey} is assumed: {width}")


def _same_shape(given: FitsImage, raw: Raw) -> FitsImage:
    if given.data.shape != raw.data.shape:
        raise DataError(
            given.where,
            expected=f"the shape {raw.data.shape} of {raw.where}",
            found=f"{given.data.shape}",
            remedy="Name the map that belongs to the image.",
        )
    return given


@dataclass
class Noise:
    """Noise per pixel, and what it is.

    Parameters
    ----------
    rms : ndarray (y, x), float32
        In the unit of :class:`Raw`, positive everywhere.
    where : str or None
        File and HDU of the map; None for noise that is measured.
    """

    rms: NDArray[np.float32]
    where: str | None = None


def _given_noise(
    raw: Raw, row: TileFacts, files: Sources, config: IngestConfig
) -> tuple[Noise, NDArray[np.bool_]] | None:
    """Read the noise map and the pixels that it is no use for; None if the row names no map."""
    if files.rms is None and row.rms_hdu is None:
        return None
    given = _same_shape(read_image(files.rms or files.image, row.rms_hdu), raw)
    rms, bad = rms_from(given.data, row.rms_kind, config.max_bad_rms_fraction, given.where, 1 / raw.unit)
    return Noise(rms, given.where), bad


def _subtract_background(
    raw: Raw, mask: NDArray[np.uint8], row: TileFacts, files: Sources, config: IngestConfig
) -> tuple[Noise, float]:
    """Subtract the background from the image where it is still there.

    Returns the noise, given or measured, and the median level that was subtracted. Pixels without a usable noise are
    masked and set to 0: they have no exposure, so what they hold is not sky.
    """
    given, level = _given_noise(raw, row, files, config), 0.0
    if given is None or row.background == "measure":
        rms = scratch(raw.data.shape) if given is None else None
        measured = _measure_background(raw, mask, config, rms, subtract=row.background == "measure")
        level = measured if row.background == "measure" else 0.0
        if rms is not None:
            rms, bad = usable_rms(rms, config.max_bad_rms_fraction, raw.where)
            given = Noise(rms), bad
    noise, bad = given
    mask[bad] |= np.uint8(MaskBit.BAD)
    for rows in bands(len(mask)):
        raw.data[rows][bad[rows] | ((mask[rows] & int(MaskBit.NO_DATA)) > 0)] = 0.0
    return noise, level


def _check_noise(
    raw: Raw,
    noise: Noise,
    mask: NDArray[np.uint8],
    row: TileFacts,
    calibration: Calibration,
    config: IngestConfig,
    checks: Checks,
) -> tuple[NDArray[np.float32], Calibration]:
    """Check the noise against the pixels; a map of the total noise becomes one of the sky's.

    Returns the noise, and the calibration with the gain that the map shows, where it shows one.
    """
    rms = noise.rms
    if noise.where is None:
        checks.note("noise map", f"{typical(rms) * raw.unit:.4g} a pixel", "measured", "sky")
    else:
        calibration, holds = _sky_noise(raw, noise, mask, row, calibration, config, checks)
        compared = check_scatter(measure_scatter(raw.data, rms, mask, config), noise.where, config, checks)
        note = f"{row.rms_kind} of {holds}, {compared}"
        checks.note("noise map", f"{typical(rms) * raw.unit:.4g} a pixel", "read", note)
    check_electrons(calibration.gain_e_per_unit, typical(rms) * raw.unit, raw.where, config, checks)
    return rms, calibration


def _sky_noise(
    raw: Raw,
    noise: Noise,
    mask: NDArray[np.uint8],
    row: TileFacts,
    calibration: Calibration,
    config: IngestConfig,
    checks: Checks,
) -> tuple[Calibration, str]:
    """Take the sources' photons out of a map that holds them; returns calibration and what the map held, in words."""
    gain = calibration.gain_e_per_unit * raw.unit
    shown = photons_in_map(raw.data, noise.rms, mask)
    holds = row.rms_holds or ("total" if np.isfinite(shown) else "sky")
    if row.rms_holds == "sky" and np.isfinite(shown):
        checks.warn("the noise map rises under bright sources as photon noise does, but rms_holds says 'sky'")
    if holds == "sky":
        return calibration, "sky"
    if row.gain_e_per_unit is None and np.isfinite(shown):
        calibration = replace(calibration, gain_e_per_unit=shown / raw.unit)
        if not 1 / OWN_GAIN < shown / gain < OWN_GAIN:
            checks.warn(
                f"the noise map shows a gain of {shown / raw.unit:.4g} e/unit, which is taken, not "
                f"{gain / raw.unit:.4g}"
            )
        checks.note("gain", f"{calibration.gain_e_per_unit:.4g} e/unit", "measured", "rise of the noise map")
    take_photons_out(raw.data, noise.rms, mask, calibration.gain_e_per_unit * raw.unit)
    return calibration, "sky and sources"


def _measure_background(
    raw: Raw,
    mask: NDArray[np.uint8],
    config: IngestConfig,
    rms: NDArray[np.float32] | None,
    *,
    subtract: bool,
) -> float:
    """Measure the background, write its noise into `rms`, subtract it if asked; returns the median level."""
    step, grid, before = grid_step(raw.data.size), [], None
    for band in measure_background(raw.data, mask, config):
        if rms is not None:
            rms[band.rows] = band.rms
            release(rms)
        grid.append(band.level[-band.rows.start % step :: step, ::step].copy())
        # One band later: the next one's mesh looks back at this one as it is.
        if subtract and before is not None:
            raw.data[before.rows] -= before.level
        before = band
    if subtract:
        raw.data[before.rows] -= before.level
    return float(np.median(np.concatenate(grid)))
