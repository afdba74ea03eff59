"""Running what needs whole images in memory on one window of a tile after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from skymill.config.detect import Windows
from skymill.data.tile import Tile
from skymill.detectors.detector import Columns
from skymill.inference.windows import Window, split, stitch

log = logging.getLogger(__name__)


def over_windows(
    tile: Tile, config: Windows, extract: Callable[[Tile], Columns], step_px: int = 1
) -> Columns:
    """Extract the sources of a tile window by window.

    Parameters
    ----------
    tile : Tile
        A tile of any size; only one window's pixels are in memory at a time.
    config : Windows
        Size and overlap of the windows.
    extract : callable
        Gives the sources of a small tile, x and y in its own pixels.
    step_px : int
        Windows begin at multiples of this.

    Returns
    -------
    dict of str to ndarray
        The sources of the whole tile, each once, but for duplicates at seams that are marked so.
    """
    windows = split(tile.shape, config.window_px, config.margin_px, step_px)

    def parts() -> Iterator[tuple[Window, Columns]]:
        for number, window in enumerate(windows, start=1):
            y0, y1, x0, x1 = window.outer
            columns = extract(tile.window(y0, y1, x0, x1))
            log.info("window %d of %d: %d sources", number, len(windows), len(columns["x"]))
            tile.release()
            yield window, {**columns, "x": columns["x"] + x0, "y": columns["y"] + y0}

    return stitch(parts(), tile.shape, config.seam_tolerance_px)
