"""Width of the PSF, measured from the stars of an image.

Stars are the locus of equal, smallest half-light radius among the bright round sources. Each is fitted with a round
Moffat (1969, A&A 3, 455) profile; the result is the median. The width is that of the image: pixel included.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import sep

from skymill.config.ingest import IngestConfig
from skymill.data.tile import cutouts

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

WINDOW_PX = 2048
THRESHOLD_RMS = 5.0
LOCUS_WIDTH = 0.18
"""Stars' half-light radii spread by noise, focus and sampling over about this fraction."""
LOCUS_CONTRAST = 0.5
"""The locus is the smallest radius at which the density reaches this fraction of its maximum: where galaxies
outnumber stars, theirs is the highest peak but never the smallest radius."""
MIN_SIGNIFICANCE = 2.0
"""The locus must hold more sources than the interval of the same width above it, by this many standard deviations."""
MIN_ROUNDNESS = 0.8
MAX_SCATTER = 0.15
"""A set of 'stars' whose widths scatter (MAD x 1.48 / median) by more than this are not one width."""
FITTED_RADII = 2.5
"""Half-width of the fitted stamps in units of the half-light radius: the core alone. Wings that a Moffat profile does
not have pull its width down, for the PSF of `sdss_r` by 1.8 % with twice this and by 1.1 % so (a test)."""


@dataclass(frozen=True)
class PsfWidth:
    """Width of a PSF.

    Parameters
    ----------
    fwhm_px : float
        Median full width at half maximum; NaN when there were too few stars.
    scatter_px : float
        1.48 times the median absolute deviation between stars.
    stars : int
        Stars that it rests on; 0 when there were too few.
    """

    fwhm_px: float
    scatter_px: float
    stars: int


NOT_MEASURED = PsfWidth(np.nan, np.nan, 0)


def measure_psf(
    science: NDArray[np.float32], rms: NDArray[np.float32], bad: NDArray, config: IngestConfig
) -> PsfWidth:
    """Measure the PSF's width from the stars of an image.

    Parameters
    ----------
    science, rms : ndarray (y, x), float32
        Background-subtracted image and its noise.
    bad : ndarray (y, x)
        Bad and saturated pixels, those that are not 0; no star has any near it.
    config : IngestConfig
        Number and signal to noise of the stars.

    Returns
    -------
    PsfWidth
        :data:`NOT_MEASURED` if fewer than ``psf_min_stars`` stars are found or their widths do not agree; the log says
        which.
    """
    found = [sources for sources in _candidates(science, rms, bad, config) if len(sources["x"])]
    if not found:
        log.warning("no unsaturated round source above S/N %g: no PSF measured", config.psf_min_snr)
        return NOT_MEASURED
    sources = {key: np.concatenate([part[key] for part in found]) for key in found[0]}
    locus = stellar_locus(sources["radius"])
    if not locus.any():
        log.warning("%d bright round sources have no common size: no PSF measured", len(locus))
        return NOT_MEASURED
    brightest = np.flatnonzero(locus)[np.argsort(-sources["snr"][locus], kind="stable")][
        : config.psf_max_stars
    ]
    half = int(np.ceil(FITTED_RADII * np.median(sources["radius"][brightest])))
    stamps = cutouts(science, sources["x"][brightest], sources["y"][brightest], 2 * half + 1, fill=np.nan)
    widths = np.array([_moffat_fwhm(stamp) for stamp in stamps])
    return _summary(widths[np.isfinite(widths)], config.psf_min_stars)


def stellar_locus(radius: NDArray) -> NDArray[np.bool_]:
    """Pick the sources on the stellar locus.

    Parameters
    ----------
    radius : ndarray (n,)
        Half-light radii of bright, round sources (px).

    Returns
    -------
    ndarray (n,), bool
        True for those in the densest narrow interval at small radii; nowhere if that is not denser than the next one.
    """
    if not len(radius):
        return np.zeros(0, dtype=bool)
    size = np.log(radius)
    ordered = np.sort(size)
    inside = np.searchsorted(ordered, ordered + LOCUS_WIDTH, side="right") - np.arange(len(ordered))
    start = int(np.flatnonzero(inside >= LOCUS_CONTRAST * inside.max())[0])
    # Slide on while the interval gains: it then sits on the peak and not on its lower edge.
    near = np.flatnonzero(ordered <= ordered[start] + LOCUS_WIDTH)
    near = near[near >= start]
    best = near[np.argmax(inside[near])]
    locus = (size >= ordered[best]) & (size <= ordered[best] + LOCUS_WIDTH)
    above = np.count_nonzero((size > ordered[best] + LOCUS_WIDTH) & (size <= ordered[best] + 2 * LOCUS_WIDTH))
    stars = np.count_nonzero(locus)
    return locus & (stars - above > MIN_SIGNIFICANCE * np.sqrt(stars + above))


def _candidates(
    science: NDArray, rms: NDArray, bad: NDArray, config: IngestConfig
) -> Iterator[dict[str, NDArray[np.float64]]]:
    """Give bright round sources window by window, from the centre outwards, until there are plenty."""
    enough = 8 * config.psf_max_stars
    for y0, x0 in _windows(science.shape):
        box = np.s_[y0 : y0 + WINDOW_PX, x0 : x0 + WINDOW_PX]
        images = (np.ascontiguousarray(image[box]) for image in (science, rms))
        part = _bright_sources(*images, np.ascontiguousarray(bad[box] != 0), config)
        yield {**part, "x": part["x"] + x0, "y": part["y"] + y0}
        enough -= len(part["x"])
        if enough <= 0:
            return


def _windows(shape: tuple[int, int]) -> list[tuple[int, int]]:
    corners = [(y, x) for y in range(0, shape[0], WINDOW_PX) for x in range(0, shape[1], WINDOW_PX)]
    middle = (np.array(shape) - WINDOW_PX) / 2
    return sorted(corners, key=lambda corner: (float(np.hypot(*(np.array(corner) - middle))), corner))


def _bright_sources(
    science: NDArray, rms: NDArray, bad: NDArray, config: IngestConfig
) -> dict[str, NDArray[np.float64]]:
    sources = sep.extract(science, THRESHOLD_RMS, err=rms, mask=bad, minarea=5, deblend_nthresh=16)
    x, y = sources["x"], sources["y"]
    width = 2.3548 * np.sqrt((sources["a"] ** 2 + sources["b"] ** 2) / 2)
    flux, error, flag = sep.sum_circle(science, x, y, 1.5 * width, err=rms, mask=bad)
    radius, _ = sep.flux_radius(science, x, y, 3.0 * width, 0.5, normflux=flux, subpix=5)
    touched, _, _ = sep.sum_circle(bad.astype(np.float32), x, y, 2.0 * width)
    with np.errstate(divide="ignore", invalid="ignore"):
        snr = np.nan_to_num(flux / error)
        good = (snr > config.psf_min_snr) & (sources["b"] / sources["a"] > MIN_ROUNDNESS) & (radius > 0.5)
    good &= (sources["flag"] == 0) & (flag == 0) & (touched == 0)
    return {"x": x[good], "y": y[good], "radius": radius[good], "snr": snr[good]}


def _moffat_fwhm(stamp: NDArray[np.float32]) -> float:
    """Fit a round Moffat profile on a constant; NaN if it does not fit or the stamp reaches over the edge."""
    from scipy.optimize import least_squares

    if not np.isfinite(stamp).all():
        return np.nan
    half = stamp.shape[0] // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    peak = float(stamp.max())

    def residual(p: NDArray) -> NDArray:
        amplitude, x0, y0, fwhm, beta, level = p
        scale = fwhm**2 / (4 * (2 ** (1 / beta) - 1))
        return (
            amplitude * (1 + ((x - x0) ** 2 + (y - y0) ** 2) / scale) ** -beta + level - stamp / peak
        ).ravel()

    fit = least_squares(
        residual,
        [1.0, 0.0, 0.0, half / 2, 3.0, 0.0],
        bounds=([0.1, -2, -2, 0.5, 1.2, -0.2], [5, 2, 2, 2 * half, 20, 0.2]),
    )
    return float(fit.x[3]) if fit.success else np.nan


def _summary(widths: NDArray[np.float64], min_stars: int) -> PsfWidth:
    if len(widths) >= min_stars:
        middle = np.median(widths)
        scatter = 1.4826 * np.median(np.abs(widths - middle))
        kept = widths[np.abs(widths - middle) <= max(4 * scatter, 0.02 * middle)]
        if scatter <= MAX_SCATTER * middle and len(kept) >= min_stars:
            log.info("PSF: FWHM %.3f px (scatter %.3f) from %d stars", np.median(kept), scatter, len(kept))
            return PsfWidth(float(np.median(kept)), float(scatter), len(kept))
        log.warning(
            "%d compact sources have FWHM %.2f +- %.2f px: no PSF measured", len(widths), middle, scatter
        )
    else:
        log.warning("%d stars found, %d needed: no PSF measured", len(widths), min_stars)
    return NOT_MEASURED
