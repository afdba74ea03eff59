"""SExtractor's parameter files, as skymill writes them.

They are made here and not shipped as files, so that the code stamp of the rules that use them covers their content.
The meaning of each key is in SExtractor's manual (https://sextractor.readthedocs.io).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from skymill.config.detect import Pass, SourceExtractorConfig
from skymill.data.tile import TileMeta

CONFIG, PARAMETERS, KERNEL = "skymill.sex", "skymill.param", "pyramid.conv"
SCIENCE, RMS, MASK, CATALOGUE = "science.fits", "rms.fits", "mask.fits", "catalogue.fits"

OUTPUT_COLUMNS = (
    "X_IMAGE",
    "Y_IMAGE",
    "FLUX_AUTO",
    "FLUXERR_AUTO",
    "A_IMAGE",
    "B_IMAGE",
    "THETA_IMAGE",
    "FLUX_RADIUS",
    "KRON_RADIUS",
    "FLAGS",
)

PYRAMID = "CONV NORM\n1 2 1\n2 4 2\n1 2 1\n"
"""The 3 x 3 pyramid that is SExtractor's default.conv."""

NOT_SATURATED = 1e29
MEMORY = {"MEMORY_OBJSTACK": 30_000, "MEMORY_BUFSIZE": 2048}
PIXEL_STACK = (300_000, 6_000_000)
"""Least and most pixels of detections held at once, about 40 bytes each."""
PIXEL_STACK_FRACTION = 0.2


def settings(
    config: SourceExtractorConfig, one_pass: Pass, meta: TileMeta, shape: tuple[int, int]
) -> dict[str, str | int | float]:
    """Return the keys of the configuration file for one pass.

    Parameters
    ----------
    config : SourceExtractorConfig
        Filter, cleaning and photometric ellipse.
    one_pass : Pass
        Thresholds.
    meta : TileMeta
        Facts about the tile.
    shape : tuple of int
        (y, x) size of the tile.

    Returns
    -------
    dict
        Key to value. Tiles come background-subtracted and with a noise map in absolute units, so that SExtractor
        subtracts nothing and rescales nothing.
    """
    pixels = int(min(max(PIXEL_STACK_FRACTION * shape[0] * shape[1], PIXEL_STACK[0]), PIXEL_STACK[1]))
    return {
        "CATALOG_NAME": CATALOGUE,
        "CATALOG_TYPE": "FITS_1.0",
        "PARAMETERS_NAME": PARAMETERS,
        "DETECT_TYPE": "CCD",
        "DETECT_MINAREA": one_pass.min_area_px,
        "DETECT_THRESH": one_pass.threshold_rms,
        "ANALYSIS_THRESH": one_pass.threshold_rms,
        "FILTER": "N" if config.kernel == "none" else "Y",
        "FILTER_NAME": KERNEL,
        "DEBLEND_NTHRESH": one_pass.deblend_levels,
        "DEBLEND_MINCONT": one_pass.deblend_contrast,
        "CLEAN": "Y",
        "CLEAN_PARAM": config.clean_param,
        "MASK_TYPE": "CORRECT",
        "WEIGHT_TYPE": "MAP_RMS",
        "WEIGHT_IMAGE": RMS,
        "WEIGHT_GAIN": "N",
        "RESCALE_WEIGHTS": "N",
        "INTERP_TYPE": "NONE",
        "PHOT_AUTOPARAMS": f"{config.kron_factor},{config.kron_min_radius}",
        "PHOT_FLUXFRAC": 0.5,
        "SATUR_LEVEL": NOT_SATURATED if meta.saturation is None else meta.saturation,
        "SATUR_KEY": "NONE",
        "MAG_ZEROPOINT": meta.zero_point_mag,
        "GAIN": meta.gain_e_per_unit,
        "GAIN_KEY": "NONE",
        "PIXEL_SCALE": meta.pixel_scale_arcsec,
        "SEEING_FWHM": meta.psf_fwhm_px * meta.pixel_scale_arcsec,
        "BACK_TYPE": "MANUAL",
        "BACK_VALUE": "0.0,0.0",
        "BACKPHOTO_TYPE": "GLOBAL",
        "CHECKIMAGE_TYPE": "NONE",
        "MEMORY_PIXSTACK": pixels,
        **MEMORY,
        "VERBOSE_TYPE": "QUIET",
        "WRITE_XML": "N",
        "NTHREADS": 1,
    }


def write_files(folder: Path, keys: Mapping[str, str | int | float]) -> None:
    """Write configuration, list of output columns and filter into `folder`."""
    text = "".join(f"{key:<18} {value}\n" for key, value in keys.items())
    (folder / CONFIG).write_text(text, encoding="ascii")
    (folder / PARAMETERS).write_text("\n".join(OUTPUT_COLUMNS) + "\n", encoding="ascii")
    (folder / KERNEL).write_text(PYRAMID, encoding="ascii")
