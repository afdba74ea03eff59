"""Whether a tile fits the survey that it, or a model, belongs to."""

from __future__ import annotations

import logging

from skymill.config.ingest import SurveyMatch
from skymill.data.survey import Survey
from skymill.data.tile import TileMeta
from skymill.errors import DataError

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
