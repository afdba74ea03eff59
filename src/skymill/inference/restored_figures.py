"""How good restored images are: columns of single galaxies, and the records of all."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from skymill.metrics.bootstrap import bootstrap_intervals
from skymill.metrics.growth import radius_of_fraction
from skymill.metrics.images import (
    aperture_flux,
    asinh,
    linear,
    mean_percent,
    median_percent,
    peak,
    psnr,
    ssim,
)
from skymill.metrics.moments import moments, size_error
from skymill.metrics.record import MetricRecord
from skymill.metrics.weighted import mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_WINDOW_PX = 1.0
APERTURE_RADII = 2.0
"""Radius of the aperture, half-light radii of the true image."""
SOFTENING_RMS = 1.0
"""Pictures are arsinh of light in units of the survey's background rms."""
FIGURES = {
    "psnr": ("image_psnr", "dB", mean),
    "psnr_asinh": ("image_psnr_asinh", "dB", mean),
    "ssim": ("image_ssim", "number", mean),
    "aperture_error": ("image_aperture_mape", "percent", mean_percent),
    "size_error": ("image_size_error", "percent", median_percent),
}
"""Column → metric, unit and statistic."""


def image_psnr(images: NDArray, true: NDArray, *, is_linear: bool) -> NDArray[np.float64]:
    """Return the PSNR (n,), dB, of linear pixels or of pictures; range: the true image's brightest pixel, so seen."""
    stretch = linear if is_linear else asinh(SOFTENING_RMS)
    return psnr(images, true, data_range=stretch(peak(true)), background=0.0, stretch=stretch)


def figures(images: NDArray, true: NDArray, x: NDArray, y: NDArray) -> dict[str, NDArray[np.float64]]:
    """Return what :data:`FIGURES` is made of, for each galaxy.

    Parameters
    ----------
    images, true : ndarray (n, y, x)
        Restored and true images, the survey's background rms, sky-subtracted.
    x, y : ndarray (n,)
        True centres, 0-based px.

    Returns
    -------
    dict of str to ndarray (n,)
        PSNR of linear pixels and of pictures, SSIM of linear pixels (their range: the true image's peak), relative
        errors of the light within two half-light radii and of the size (second moments under a Gaussian window as wide
        as the true half-light radius). NaN where an image has no size.
    """
    half_px = np.maximum(radius_of_fraction(true, x, y, 0.5, np.inf), LEAST_WINDOW_PX)
    light, aim = (aperture_flux(one, x, y, APERTURE_RADII * half_px) for one in (images, true))
    sizes = (moments(one, x, y, half_px) for one in (images, true))
    return {
        "psnr": image_psnr(images, true, is_linear=True),
        "psnr_asinh": image_psnr(images, true, is_linear=False),
        "ssim": ssim(images, true, data_range=peak(true), background=0.0, stretch=linear),
        "aperture_error": light / aim - 1,
        "size_error": size_error(*sizes),
    }


def records_of(
    columns: Mapping[str, Mapping[str, NDArray]],
    dataset: str,
    setting: str,
    network: str,
    generator: np.random.Generator,
) -> list[MetricRecord]:
    """Return the figures of all methods on the same galaxies, and how far the network is ahead of each.

    Parameters
    ----------
    columns : mapping
        Of each method by name, from :func:`figures`.
    dataset, setting : str
        Dataset and subset of the records.
    network : str
        Name of the network, whose gain in PSNR over each other method has the subset ``<setting>/<method>``.
    generator : numpy.random.Generator
        For the bootstrap intervals over galaxies.
    """
    records = []
    for method, found in columns.items():
        for column, (metric, unit, statistic) in FIGURES.items():
            records.append(
                _record((metric, dataset, method, setting), found[column], unit, statistic, generator)
            )
    for method, found in columns.items():
        if method != network:
            gain = columns[network]["psnr"] - found["psnr"]
            key = ("psnr_gain", dataset, network, f"{setting}/{method}")
            records.append(_record(key, gain, "dB", mean, generator))
    return records


def _record(
    key: tuple[str, str, str, str], values: NDArray, unit: str, statistic, generator: np.random.Generator
) -> MetricRecord:
    """Make a record of the values that there are; its interval is that of resampled galaxies."""
    values = values[np.isfinite(values)]
    interval = bootstrap_intervals(
        {"value": partial(statistic, values)}, np.arange(len(values)), generator, n_resamples=1000
    )["value"]
    return MetricRecord(*key, float(statistic(values)), unit, len(values), *interval)
