"""The metrics by name. Adding one is one function and one entry here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from skymill.metrics import bound, detection, distribution, images, photometry
from skymill.metrics.weighted import mean, median
from skymill.registry import Registry


@dataclass(frozen=True)
class Metric:
    """A figure and what it is made of.

    Parameters
    ----------
    function : callable
        Takes the columns named in `needs`, each of shape (n,) without NaN, and optional bootstrap `weights` of shape
        (k, n); returns one number, or k.
    unit : str
        Unit of the value.
    needs : tuple of str
        Columns of the matched table, in the order of the function's arguments.
    over : {"measured", "shared", "truth", "detections", "blends"}
        What its rows are: true sources with a measurement, or with one by each of two detectors (the columns of the
        second begin with ``other_``), for which the 95 % interval is a bootstrap interval; or all
        true sources, all detections or all blends, for which it is a fraction of one boolean column with a binomial
        interval.
    """

    function: Callable[..., NDArray | np.floating]
    unit: str
    needs: tuple[str, ...]
    over: Literal["measured", "shared", "truth", "detections", "blends"] = "measured"


METRICS: Registry[Metric] = Registry("metric")

_DELTA = ("delta_mag",)
_BOUND = ("flux_true", "flux_bound")
METRICS.register("flux_mape")(Metric(photometry.flux_mape, "percent", ("flux", "flux_true")))
METRICS.register("flux_ape_median")(Metric(photometry.flux_ape_median, "percent", ("flux", "flux_true")))
METRICS.register("flux_mape_ratio")(
    Metric(photometry.flux_mape_ratio, "ratio", ("flux", "flux_true", "other_flux"), over="shared")
)
METRICS.register("mag_bias")(Metric(photometry.mag_bias, "mag", _DELTA))
METRICS.register("mag_abs_median")(Metric(photometry.mag_abs_median, "mag", _DELTA))
METRICS.register("mag_sigma")(Metric(photometry.mag_sigma, "mag", _DELTA))
METRICS.register("mag_nmad")(Metric(photometry.mag_nmad, "mag", _DELTA))
METRICS.register("outlier_fraction")(Metric(photometry.outlier_fraction, "fraction", _DELTA))
METRICS.register("coverage_68")(
    Metric(photometry.coverage, "fraction", ("flux_q16", "flux_q84", "flux_true"))
)
METRICS.register("coverage_95")(
    Metric(photometry.coverage, "fraction", ("flux_q025", "flux_q975", "flux_true"))
)
METRICS.register("pit_distance")(Metric(distribution.pit_distance, "fraction", ("pit",)))
METRICS.register("flux_error_over_bound")(
    Metric(bound.flux_error_over_bound, "ratio", ("flux", "flux_true", "flux_bound"))
)
METRICS.register("flux_bound_median")(Metric(bound.flux_bound_median, "percent", _BOUND))
METRICS.register("flux_mape_bound")(Metric(bound.flux_mape_bound, "percent", _BOUND))
# Of deblended images, and of the blends themselves as a yardstick.
for _seen in ("image", "blend"):
    METRICS.register(f"{_seen}_psnr")(Metric(mean, "dB", (f"{_seen}_psnr",)))
    METRICS.register(f"{_seen}_ssim")(Metric(mean, "number", (f"{_seen}_ssim",)))
    METRICS.register(f"{_seen}_flux_mape")(Metric(images.mean_percent, "percent", (f"{_seen}_flux_error",)))
    METRICS.register(f"{_seen}_aperture_mape")(
        Metric(images.mean_percent, "percent", (f"{_seen}_aperture_error",))
    )
    METRICS.register(f"{_seen}_conservation")(
        Metric(images.mean_percent, "percent", (f"{_seen}_conservation_error",))
    )
    METRICS.register(f"{_seen}_size_error")(
        Metric(images.median_percent, "percent", (f"{_seen}_size_error",))
    )
    METRICS.register(f"{_seen}_ellipticity_error")(Metric(median, "number", (f"{_seen}_ellipticity_error",)))
METRICS.register("completeness")(Metric(detection.completeness, "fraction", ("is_matched",), over="truth"))
METRICS.register("purity")(Metric(detection.purity, "fraction", ("is_matched",), over="detections"))
for _outcome in ("both", "central_only", "companion_only", "partial", "more", "nothing"):
    METRICS.register(f"found_{_outcome}")(Metric(mean, "fraction", (f"is_{_outcome}",), over="blends"))
