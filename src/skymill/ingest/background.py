"""Background and noise of an image, measured on a mesh with the sources left out.

The mesh is that of SExtractor (Bertin & Arnouts 1996, A&AS 117, 393, section 3) as `sep` implements it: in each cell
a clipped mode and standard deviation, a median filter over the cells, a bicubic spline between them. Sources are
found on a first background and left out of a second, so that crowded cells are not biased high.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import sep

from skymill.config.ingest import IngestConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

BAND_CELLS = 8
"""Rows of mesh cells that are measured at once: bounds the memory on large images."""
OVERLAP_CELLS = 5
"""Cells beyond a band that are measured with it: one for the median filter, and the spline's memory fades by 0.27 a
cell, so that 0.5 % of a cell's own error is left."""
GROW_PX = 2
"""Sources are left out with a rim of this many pixels, where their wings still rise above the noise."""
MIN_SOURCE_PX = 5


@dataclass(frozen=True)
class Background:
    """Background level and noise of a band of an image.

    Parameters
    ----------
    rows : slice
        The band.
    level, rms : ndarray (y, x), float32
        Sky level and its noise per pixel, image units.
    """

    rows: slice
    level: NDArray[np.float32]
    rms: NDArray[np.float32]


def measure_background(
    science: NDArray[np.float32], bad: NDArray[np.bool_], config: IngestConfig
) -> Iterator[Background]:
    """Measure sky level and noise of an image, band by band.

    Parameters
    ----------
    science : ndarray (y, x), float32
        The image, finite everywhere. What it holds in the band that was given last is looked at for the next one.
    bad : ndarray (y, x)
        Pixels to leave out: those that are not 0.
    config : IngestConfig
        Size of the mesh, of its filter, and the threshold of the sources.

    Yields
    ------
    Background
        Of rows that follow each other; the noise is 0 where the image has none.
    """
    for core, outer in _bands(science.shape[0], config.background_box_px):
        inside = slice(core.start - outer.start, core.stop - outer.start)
        mesh = _mesh(science[outer], bad[outer] != 0, config)
        level, rms = mesh.back(dtype=np.float32)[inside], mesh.rms(dtype=np.float32)[inside]
        yield Background(core, level, rms)


def _bands(rows: int, box: int) -> Iterator[tuple[slice, slice]]:
    """Give bands of rows whose borders lie on the mesh, each alone and with its overlap."""
    for start in range(0, rows, BAND_CELLS * box):
        stop = min(start + BAND_CELLS * box, rows)
        outer = slice(max(0, start - OVERLAP_CELLS * box), min(rows, stop + OVERLAP_CELLS * box))
        yield slice(start, stop), outer


def _mesh(science: NDArray[np.float32], bad: NDArray[np.bool_], config: IngestConfig) -> sep.Background:
    box, cells = config.background_box_px, config.background_filter_cells
    science, bad = np.ascontiguousarray(science), np.ascontiguousarray(bad)
    first = sep.Background(science, mask=bad, bw=box, bh=box, fw=cells, fh=cells)
    if not first.globalrms > 0:
        return first
    sources = source_pixels(science, bad, first, config.source_threshold_rms)
    return sep.Background(science, mask=bad | sources, bw=box, bh=box, fw=cells, fh=cells)


def source_pixels(
    science: NDArray[np.float32], bad: NDArray[np.bool_], background: sep.Background, threshold: float
) -> NDArray[np.bool_]:
    """Find the pixels that belong to sources: at least five connected ones above `threshold` times the noise."""
    from scipy.ndimage import binary_dilation, label

    clean = science - background.back(dtype=np.float32)
    above = (clean > threshold * background.rms(dtype=np.float32)) & ~bad
    labels, count = label(above)
    large = np.bincount(labels.ravel(), minlength=count + 1) >= MIN_SOURCE_PX
    large[0] = False
    return binary_dilation(large[labels], iterations=GROW_PX)


def sky_pixels(
    science: NDArray[np.float32], bad: NDArray[np.bool_], config: IngestConfig
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Return the pixels of a small image that are good and in no source, and its sky level (y, x).

    Parameters
    ----------
    science : ndarray (y, x), float32
        The image, finite everywhere, contiguous.
    bad : ndarray (y, x), bool
        Pixels to leave out.
    config : IngestConfig
        Mesh and threshold of the sources.
    """
    mesh = _mesh(science, bad, config)
    if not mesh.globalrms > 0:
        return ~bad, mesh.back(dtype=np.float32)
    sources = source_pixels(science, bad, mesh, config.source_threshold_rms)
    return ~(bad | sources), mesh.back(dtype=np.float32)
