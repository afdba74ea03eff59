"""Segmentation, deblending and Kron photometry of photutils."""

from __future__ import annotations

import logging
import warnings
from importlib import metadata
from typing import TYPE_CHECKING

import numpy as np

from skymill.config.detect import Pass, PhotutilsConfig
from skymill.data.tile import Tile
from skymill.detectors.detector import EXTRACTORS, Columns, as_columns, no_sources, select, unusable
from skymill.detectors.windowed import over_windows

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from photutils.segmentation import SegmentationImage, SourceCatalog

log = logging.getLogger(__name__)

PYRAMID = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], dtype=np.float32) / 16.0


@EXTRACTORS.register("photutils")
class Photutils:
    """The segmentation of photutils (Bradley et al., 10.5281/zenodo.596036) on tiles, window by window.

    Parameters
    ----------
    config : PhotutilsConfig
        Its settings.
    """

    def __init__(self, config: PhotutilsConfig) -> None:
        self.config = config

    def tools(self) -> dict[str, str]:
        """Return the library's version."""
        return {"photutils": metadata.version("photutils")}

    def extract(self, tile: Tile, settings: Pass) -> Columns:
        """Return the sources of a tile; see :data:`~skymill.detectors.detector.SOURCE_COLUMNS`."""
        return over_windows(tile, self.config, lambda window: self._extract(window, settings))

    def _extract(self, tile: Tile, settings: Pass) -> Columns:
        science, rms = (np.ascontiguousarray(image, dtype=np.float32) for image in (tile.science, tile.rms))
        mask = unusable(tile)
        smooth = _smoothed(np.where(mask, np.float32(0), science), self.config.kernel)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            segments = _segments(smooth, settings.threshold_rms * rms, mask, settings)
            columns = (
                no_sources()
                if segments is None
                else self._measure(science, smooth, rms, mask, segments, tile)
            )
        for message in sorted({str(warning.message) for warning in caught}):
            log.info("photutils: %s", message)
        return columns

    def _measure(
        self,
        science: NDArray[np.float32],
        smooth: NDArray[np.float32],
        rms: NDArray[np.float32],
        mask: NDArray[np.bool_],
        segments: SegmentationImage,
        tile: Tile,
    ) -> Columns:
        from photutils.segmentation import SourceCatalog
        from photutils.utils import calc_total_error

        minimum = self.config.kron_min_radius / self.config.kron_factor
        catalogue = SourceCatalog(
            science,
            segments,
            convolved_data=smooth,
            error=calc_total_error(science, rms, tile.meta.gain_e_per_unit),
            mask=mask,
            kron_params=(self.config.kron_factor, minimum, 0.0),
        )
        return _columns(catalogue, self.config)


def _smoothed(science: NDArray[np.float32], kernel: str) -> NDArray[np.float32]:
    from scipy.ndimage import convolve

    return science if kernel == "none" else convolve(science, PYRAMID, mode="constant")


def _segments(
    smooth: NDArray[np.float32], threshold: NDArray[np.float32], mask: NDArray[np.bool_], settings: Pass
) -> SegmentationImage | None:
    """Find connected pixels above the threshold and split blends; None if there are none."""
    from photutils.segmentation import deblend_sources, detect_sources

    found = detect_sources(smooth, threshold, settings.min_area_px, mask=mask)
    if found is None:
        return None
    return deblend_sources(
        smooth,
        found,
        settings.min_area_px,
        n_levels=settings.deblend_levels,
        contrast=settings.deblend_contrast,
        progress_bar=False,
    )


def _columns(catalogue: SourceCatalog, config: PhotutilsConfig) -> Columns:
    """Turn photutils' table into columns; sources without a finite centre are none."""
    columns = as_columns(
        x=np.atleast_1d(catalogue.x_centroid),
        y=np.atleast_1d(catalogue.y_centroid),
        flux=np.atleast_1d(catalogue.kron_flux),
        flux_err=np.atleast_1d(catalogue.kron_flux_err),
        a=np.atleast_1d(catalogue.semimajor_axis.value),
        b=np.atleast_1d(catalogue.semiminor_axis.value),
        theta=np.atleast_1d(catalogue.orientation.value),
        flux_radius=np.atleast_1d(catalogue.flux_radius(0.5)),
        kron_radius=config.kron_factor * np.atleast_1d(catalogue.kron_radius.value),
        flags=np.zeros(catalogue.n_labels, dtype=np.int64),
    )
    return select(columns, np.isfinite(columns["x"]) & np.isfinite(columns["y"]))
