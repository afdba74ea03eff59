"""A whole tile as a picture to zoom into, with every list of sources on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skymill.catalog.catalogue import Catalogue
from skymill.data.tile import MaskBit, Tile
from skymill.report.chart import PAGE_PX, Chart
from skymill.report.images import binned, data_uri, stretched
from skymill.report.look import TRUTH, Palette
from skymill.report.panel import Panel

MAX_HEIGHT = 800
REFERENCE = "reference"


@dataclass(frozen=True)
class Positions:
    """Where the sources of one list lie on a tile, brightest first.

    Parameters
    ----------
    name : str
        Name of the detector, or ``reference``.
    x, y, mag : ndarray (n,)
        Pixel positions and magnitudes.
    is_reference : bool
        Whether it is the reference catalogue.
    """

    name: str
    x: NDArray
    y: NDArray
    mag: NDArray
    is_reference: bool = False

    @classmethod
    def of_detector(cls, name: str, catalogue: Catalogue) -> Positions:
        """Take the primary rows of a measurement catalogue."""
        return cls(name, *_by_brightness(catalogue.select(catalogue["is_primary"])))

    @classmethod
    def of_reference(cls, catalogue: Catalogue) -> Positions:
        """Take the rows of a catalogue of known sources."""
        return cls(REFERENCE, *_by_brightness(catalogue), is_reference=True)

    def __len__(self) -> int:
        """Return the number of sources."""
        return len(self.x)


def _by_brightness(catalogue: Catalogue) -> tuple[NDArray, NDArray, NDArray]:
    """Return x, y and magnitude of the rows that have a position, in order of magnitude, rows without one last."""
    x, y, mag = (catalogue[name] for name in ("x", "y", "mag"))
    order = np.argsort(mag, kind="stable")
    order = order[np.isfinite(x[order]) & np.isfinite(y[order])]
    return x[order], y[order], mag[order]


@dataclass(frozen=True)
class Overview:
    """How a tile is drawn.

    Parameters
    ----------
    side_px : int
        Longer side of the picture; larger tiles are averaged in blocks.
    max_points : int
        Points of the whole figure; of longer lists the brightest are drawn.
    shown : frozenset of str
        Lists that are shown from the start, beside the reference; the others wait for a click in the legend.
    """

    side_px: int
    max_points: int
    shown: frozenset[str]

    def panel(self, name: str, title: str, tile: Tile, lists: Sequence[Positions], palette: Palette) -> Panel:
        """Draw a tile, which is read in bands, and the lists of sources on it."""
        factor = max(1, ceil(max(tile.shape) / self.side_px))
        share = max(1, self.max_points // max(1, len(lists)))
        chart = Chart()
        chart.add(_corners(tile))
        for positions in lists:
            is_shown = positions.is_reference or positions.name in self.shown
            chart.add(_points(positions, palette, share, is_shown))
        chart.layout["images"].append(_image(tile, factor))
        height, width = tile.shape
        pixels = {"showgrid": False, "constrain": "domain"}
        chart.set_x(title="x (px)", range=[-0.5, width - 0.5], **pixels)
        chart.set_y(title="y (px)", range=[-0.5, height - 0.5], scaleanchor="x", **pixels)
        spec = chart.spec(min(MAX_HEIGHT, round(PAGE_PX * height / width)), dragmode="zoom")
        return Panel.plot(name, title, spec, _caption(factor, lists, share))


def _image(tile: Tile, factor: int) -> dict[str, Any]:
    """Return the picture as an image of plotly, in the tile's pixel coordinates."""
    image = binned(tile.science, factor)
    rms = np.maximum(binned(tile.rms, factor), np.finfo(np.float32).tiny)
    height, width = tile.shape
    # The mean of factor² pixels has the noise of one divided by the factor.
    uri = data_uri(stretched(image, rms / factor), "jpeg")
    place = {"x": -0.5, "y": height - 0.5, "sizex": width, "sizey": height, "xref": "x", "yref": "y"}
    return {"source": uri, "sizing": "stretch", "layer": "below", **place}


def _caption(factor: int, lists: Sequence[Positions], share: int) -> str:
    caption = "Drag to zoom, double-click for the whole, click a name in the legend to show or hide its list."
    if factor > 1:
        caption += f" One pixel of the picture is the mean of {factor} × {factor} of the tile."
    if cut := [positions.name for positions in lists if len(positions) > share]:
        caption += f" Of {', '.join(cut)} only the brightest {share} are drawn."
    if empty := [positions.name for positions in lists if not len(positions)]:
        caption += f" Without any source: {', '.join(empty)}."
    return caption


def _corners(tile: Tile) -> dict[str, Any]:
    """Return an invisible trace: it keeps the axes alive where there are no detections at all."""
    height, width = tile.shape
    invisible = {"mode": "markers", "marker": {"opacity": 0}, "showlegend": False, "hoverinfo": "skip"}
    return {"type": "scatter", "x": [0, width - 1], "y": [0, height - 1], **invisible}


def _points(positions: Positions, palette: Palette, share: int, is_shown: bool) -> dict[str, Any]:
    """Return a cross for each source of the reference, a ring of its own size for each of a detector."""
    style = palette[positions.name]
    label = REFERENCE if positions.is_reference else style.label
    colour = TRUTH if positions.is_reference else style.colour
    symbol, size = ("cross-thin", 11.0) if positions.is_reference else ("circle-open", 10 + 2.5 * style.rank)
    return {
        "type": "scatter",
        "mode": "markers",
        "x": np.round(positions.x[:share], 2).tolist(),
        "y": np.round(positions.y[:share], 2).tolist(),
        "name": f"{label} ({len(positions):,})",
        "visible": True if is_shown else "legendonly",
        "marker": {"symbol": symbol, "size": size, "color": colour, "line": {"color": colour, "width": 1.5}},
        "text": [f"{mag:.2f} mag" if np.isfinite(mag) else "no magnitude" for mag in positions.mag[:share]],
        "hovertemplate": f"<b>{label}</b><br>x %{{x:.1f}}, y %{{y:.1f}}<br>%{{text}}<extra></extra>",
    }


def masked_percent(tile: Tile) -> dict[str, float]:
    """Return the percentage of pixels with each bit of the mask."""
    return {bit.name.lower(): 100.0 * float(np.mean((tile.mask & bit) > 0)) for bit in MaskBit if bit.name}
