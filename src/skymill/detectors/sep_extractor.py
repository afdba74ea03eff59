"""SExtractor's algorithms as the library sep, with SExtractor's photometry.

sep finds the same sources as SExtractor if it is asked to (``filter_type='conv'``); its own aperture sums scale the
flux up for masked neighbours. Here the neighbours' pixels are replaced by their mirror images instead, as SExtractor
does (MASK_TYPE CORRECT).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import sep

from skymill.catalog.flags import Flag
from skymill.config.detect import Pass, SepConfig
from skymill.data.tile import Tile, cutouts
from skymill.detectors.detector import EXTRACTORS, Columns, as_columns, no_sources, unusable
from skymill.detectors.windowed import over_windows
from skymill.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

PYRAMID = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], dtype=np.float32)
KRON_NSIG = 6.0
"""The Kron radius is the first moment within this many a, b (SExtractor: KRON_NSIG)."""
PIXEL_STACK, SUB_OBJECTS = 1_000_000, 4096
LARGEST_FACTOR = 256
CHUNK_PIXELS = 2**21
LEAST_RMS_PX = 12**-0.5
"""Standard deviation of a uniform pixel: no source is narrower."""


@EXTRACTORS.register("sep")
class Sep:
    """The library sep (Barbary 2016, JOSS 1, 58) on tiles, window by window.

    Parameters
    ----------
    config : SepConfig
        Its settings.
    """

    def __init__(self, config: SepConfig) -> None:
        self.config = config

    def tools(self) -> dict[str, str]:
        """Return the library's version."""
        return {"sep": sep.__version__}

    def extract(self, tile: Tile, settings: Pass) -> Columns:
        """Return the sources of a tile; see :data:`~skymill.detectors.detector.SOURCE_COLUMNS`."""
        return over_windows(tile, self.config, lambda window: self._extract(window, settings))

    def _extract(self, tile: Tile, settings: Pass) -> Columns:
        science, rms = (np.ascontiguousarray(image, dtype=np.float32) for image in (tile.science, tile.rms))
        mask = np.ascontiguousarray(unusable(tile))
        objects, segments = _with_enough_memory(
            lambda: sep.extract(
                science,
                settings.threshold_rms,
                err=rms,
                mask=mask,
                minarea=settings.min_area_px,
                filter_kernel=None if self.config.kernel == "none" else PYRAMID,
                filter_type="conv",
                deblend_nthresh=settings.deblend_levels,
                deblend_cont=settings.deblend_contrast,
                clean_param=self.config.clean_param,
                segmentation_map=True,
            ),
            tile,
        )
        if not len(objects):
            return no_sources()
        return _measure(objects, Images(science, rms, mask, segments), self.config, tile)


@dataclass(frozen=True)
class Images:
    """The images of one window.

    Parameters
    ----------
    science, rms : ndarray (y, x), float32
        As of the tile, in native byte order.
    mask : ndarray (y, x), bool
        Unusable pixels.
    segments : ndarray (y, x), int32
        0 for sky, else the number of the source, from 1.
    """

    science: NDArray[np.float32]
    rms: NDArray[np.float32]
    mask: NDArray[np.bool_]
    segments: NDArray[np.int32]


def _with_enough_memory(extract: Callable[[], tuple], tile: Tile) -> tuple:
    """Run sep's extraction again with larger limits until none of them is hit.

    A single crowded blend would otherwise abort the whole image.
    """
    factor = 1
    while True:
        sep.set_extract_pixstack(PIXEL_STACK * factor)
        sep.set_sub_object_limit(SUB_OBJECTS * factor)
        try:
            return extract()
        except Exception as error:  # sep raises bare Exception
            if factor >= LARGEST_FACTOR or not any(
                word in str(error) for word in ("overflow", "full", "limit")
            ):
                raise DataError(
                    f"tile {tile.meta.tile_id}", expected="sources that sep can separate", found=str(error)
                ) from error
            factor *= 4
            log.warning("sep: %s; again with %d times the limits", error, factor)


def _measure(objects: NDArray, images: Images, config: SepConfig, tile: Tile) -> Columns:
    x, y = objects["x"], objects["y"]
    a = np.maximum(np.nan_to_num(objects["a"], nan=LEAST_RMS_PX), LEAST_RMS_PX)
    b = np.clip(np.nan_to_num(objects["b"], nan=LEAST_RMS_PX), LEAST_RMS_PX, a)
    # Rounding in single precision puts some angles a hair beyond a right one, which sep then refuses.
    theta = np.clip(np.nan_to_num(objects["theta"]), -np.pi / 2, np.pi / 2)
    own = {"seg_id": np.arange(1, len(x) + 1, dtype=np.int32), "segmap": images.segments, "mask": images.mask}
    kron, _ = sep.kron_radius(images.science, x, y, a, b, theta, KRON_NSIG, **own)
    kron = np.maximum(
        np.nan_to_num(config.kron_factor * kron, posinf=0.0, neginf=0.0), config.kron_min_radius
    )
    kron = np.minimum(kron, config.kron_factor * KRON_NSIG)
    flux, error, aperture = sep.sum_ellipse(
        images.science,
        x,
        y,
        a,
        b,
        theta,
        kron,
        err=images.rms,
        gain=tile.meta.gain_e_per_unit,
        subpix=1,
        **own,
    )
    crowded = np.flatnonzero(aperture & sep.APER_HASMASKED)
    shape = np.column_stack([x, y, a, b, theta, kron])
    flux[crowded] = mirrored_sum(images.science, images.segments, images.mask, crowded, shape[crowded])
    # Without a single usable pixel there is no flux; sep gives 0.
    flux[(aperture & sep.APER_ALLMASKED) > 0] = np.nan
    radius, _ = sep.flux_radius(images.science, x, y, KRON_NSIG * a, 0.5, normflux=flux, **own)
    return as_columns(
        x=x,
        y=y,
        flux=flux,
        flux_err=error,
        a=a,
        b=b,
        theta=np.rad2deg(theta),
        flux_radius=radius,
        kron_radius=kron,
        flags=np.where(objects["flag"] & sep.OBJ_DOVERFLOW, int(Flag.TRUNCATED), 0),
    )


def mirrored_sum(
    science: NDArray[np.float32],
    segments: NDArray[np.int32],
    mask: NDArray[np.bool_],
    rows: NDArray[np.int64],
    shape: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Sum the light in ellipses with the neighbours' pixels replaced.

    A pixel of another source, or an unusable one, takes the value of the pixel opposite it through the centre, or 0
    if that one belongs to another source too. Pixels count whole if their centre is inside (SExtractor's AUTO).

    Parameters
    ----------
    science, segments, mask : ndarray (y, x)
        As of :class:`Images`.
    rows : ndarray (n,)
        Numbers of the sources, from 0: source i has the segment i + 1.
    shape : ndarray (n, 6)
        x, y, a, b (px), theta (radians) and the size of the ellipse in units of a and b.

    Returns
    -------
    ndarray (n,)
        Sums in image units.
    """
    sums = np.empty(len(rows))
    half = np.minimum(np.ceil(shape[:, 2] * shape[:, 5]).astype(np.int64) + 1, max(science.shape))
    order = np.argsort(half, kind="stable")
    while len(order):
        # Ellipses of similar size go together: as many as fit into a chunk with the largest of them.
        fitting = np.arange(1, len(order) + 1) * (2 * half[order] + 1) ** 2 <= CHUNK_PIXELS
        count = max(1, int(np.count_nonzero(fitting)))
        now, order = order[:count], order[count:]
        sums[now] = _mirrored_chunk(science, segments, mask, rows[now], shape[now], int(half[now].max()))
    return sums


def _mirrored_chunk(
    science: NDArray, segments: NDArray, mask: NDArray, rows: NDArray, shape: NDArray, half: int
) -> NDArray[np.float64]:
    size = 2 * half + 1
    x, y, a, b, theta, kron = (column[:, None, None] for column in shape.T)
    light = cutouts(science, shape[:, 0], shape[:, 1], size)  # (n, size, size)
    segment = cutouts(segments, shape[:, 0], shape[:, 1], size)
    other = ((segment > 0) & (segment != rows[:, None, None] + 1)) | cutouts(
        mask, shape[:, 0], shape[:, 1], size
    )
    opposite = np.where(other, 0.0, light)[:, ::-1, ::-1]
    offset = np.arange(size) - half
    dx = offset[None, None, :] - (x - np.rint(x))  # (n, 1, size)
    dy = offset[None, :, None] - (y - np.rint(y))  # (n, size, 1)
    along = (dx * np.cos(theta) + dy * np.sin(theta)) / a
    across = (dy * np.cos(theta) - dx * np.sin(theta)) / b
    inside = along**2 + across**2 <= kron**2
    return np.where(inside, np.where(other, opposite, light), 0.0).sum(axis=(1, 2), dtype=np.float64)
