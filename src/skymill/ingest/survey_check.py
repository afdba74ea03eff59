"""Whether a tile fits the survey that it, or a model, belongs to."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from skymill.config.ingest import IngestConfig, SurveyMatch
from skymill.data.survey import Survey, flux_scale
from skymill.data.tile import TileMeta
from skymill.errors import DataError

if TYPE_CHECKING:
    from skymill.ingest.checks import Checks

log = logging.getLogger(__name__)


def check_survey(meta: TileMeta, survey: Survey, limits: SurveyMatch, where: str) -> None:
    """Compare a tile's pixel scale and PSF with a survey's.

    Parameters
    ----------
    meta : TileMeta
        The tile's facts.
    survey : Survey
        What it is compared with: its own survey, or the one that a model was trained for.
    limits : SurveyMatch
        The tolerances, and whether to refuse.
    where : str
        File or tile, for the message.

    Raises
    ------
    DataError
        With both numbers, if one differs by more than its tolerance and ``on_mismatch`` is ``refuse``.
    """
    fwhm_arcsec = meta.psf_fwhm_px * meta.pixel_scale_arcsec
    _check(
        where,
        "a pixel scale",
        meta.pixel_scale_arcsec,
        survey.pixel_scale_arcsec,
        limits.pixel_scale_tolerance,
        survey,
        limits,
    )
    _check(where, "a PSF FWHM", fwhm_arcsec, survey.psf.fwhm_arcsec, limits.psf_tolerance, survey, limits)


def _check(
    where: str,
    what: str,
    found: float,
    expected: float,
    tolerance: float,
    survey: Survey,
    limits: SurveyMatch,
) -> None:
    if abs(found / expected - 1) <= tolerance:
        return
    error = DataError(
        where,
        expected=f'{what} of {expected:.4g}" within {tolerance:.0%} (survey {survey.name})',
        found=f'{found:.4g}"',
        remedy="Name the right survey, add one that fits, or set on_mismatch: go_on.",
    )
    if limits.on_mismatch == "refuse":
        raise error
    log.warning("%s Going on, as on_mismatch says.", error)


def check_depth(
    rms: float, zero_point_mag: float, survey: Survey, config: IngestConfig, checks: Checks
) -> None:
    """Compare a tile's noise with its survey's.

    Parameters
    ----------
    rms : float
        Typical noise of the sky a pixel, image units.
    zero_point_mag : float
        AB magnitude of one image unit.
    survey : Survey
        What it is compared with.
    config : IngestConfig
        What is a warning (``noise_warning``) and what a mismatch (``noise_factor``).
    checks : Checks
        Account of the tile.

    Raises
    ------
    DataError
        With both numbers, if they differ by more than ``noise_factor`` and ``on_mismatch`` is ``refuse``.
    """
    expected = survey.background_rms * flux_scale(survey.zero_point_mag, zero_point_mag)
    ratio = rms / expected
    if not 1 / config.noise_factor <= ratio <= config.noise_factor:
        error = DataError(
            checks.where,
            expected=f"a noise of {expected:.4g} a pixel within a factor of {config.noise_factor:g} (survey "
            f"{survey.name} at the zero-point {zero_point_mag:.4g} mag)",
            found=f"{rms:.4g}",
            remedy="Check zero_point_mag and the survey, or set on_mismatch: go_on.",
        )
        checks.refuse(error, config)
    elif abs(ratio - 1) > config.noise_warning:
        checks.warn(f"the noise, {rms:.4g} a pixel, is {ratio:.2f} times the survey's ({expected:.4g})")
