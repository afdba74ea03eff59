"""Look: one colour, dash and symbol for each detector in all figures, and axes that look alike."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from math import ceil, floor, log10
from typing import Any

FAMILIES = {
    "unet": "#0072B2",
    "cnn": "#56B4E9",
    "gan": "#009E73",
    "source_extractor": "#D55E00",
    "sep": "#E69F00",
    "photutils": "#B8609A",
}
"""The colour-blind safe palette of Okabe & Ito (2008, https://jfly.uni-koeln.de/color/), purple a little darker: blues
for networks, warm colours for SExtractor and its kin."""
SPARE = ("#009E73", "#5D3A9B", "#7F7F7F", "#994F00", "#117733", "#882255")
TRUTH = "#111111"
INK, GREY, GRID, ACCENT = "#1f2933", "#5f6b7a", "#e6eaef", "#0b4f8a"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "x", "star")


@dataclass(frozen=True)
class Style:
    """How one detector is drawn.

    Parameters
    ----------
    detector : str
        Its name.
    colour : str
        ``#rrggbb``.
    dash, symbol : str
        Of plotly.
    is_variant : bool
        Whether it is another set-up of a detector that is drawn too (``sep_plain`` beside ``sep``).
    rank : int
        Place among all detectors, from 0.
    """

    detector: str
    colour: str
    dash: str
    symbol: str
    is_variant: bool
    rank: int

    @property
    def label(self) -> str:
        """The name, escaped: plotly reads labels as HTML."""
        return html.escape(self.detector)


class Palette:
    """Styles of all detectors of a run.

    Parameters
    ----------
    detectors : sequence of str
        Their names, networks first.
    """

    def __init__(self, detectors: Sequence[str]) -> None:
        spare = cycle(SPARE)
        self._styles: dict[str, Style] = {}
        for rank, name in enumerate(detectors):
            family = next((family for family in FAMILIES if name.startswith(family)), None)
            is_variant = family is not None and name != family and family in detectors
            colour = FAMILIES[family] if family else next(spare)
            symbol = SYMBOLS[rank % len(SYMBOLS)] + ("-open" if is_variant else "")
            self._styles[name] = Style(
                name, colour, "dot" if is_variant else "solid", symbol, is_variant, rank
            )

    def __getitem__(self, detector: str) -> Style:
        """Return a detector's style; one that is not of this run is grey."""
        return self._styles.get(detector) or Style(
            detector, GREY, "solid", "circle", False, len(self._styles)
        )

    def __iter__(self) -> Iterator[Style]:
        """Iterate over the styles in the detectors' order."""
        return iter(self._styles.values())

    def __len__(self) -> int:
        """Return the number of detectors."""
        return len(self._styles)

    def ordered(self, detectors: Sequence[str]) -> list[Style]:
        """Return the styles of some detectors in the run's order; strangers last."""
        return sorted((self[name] for name in detectors), key=lambda style: style.rank)


def log_axis(values: Sequence[float]) -> dict[str, Any]:
    """Return range and ticks (1, 2, 5, 10, …) of a logarithmic axis around positive values.

    Intervals that reach far below a value do not stretch the axis: those of a few sources go down to zero.
    """
    positive = [value for value in values if value > 0] or [1.0]
    low, high = min(positive) / 1.7, max(positive) * 1.7
    decades = range(floor(log10(low)), ceil(log10(high)) + 1)
    ticks = [digit * 10.0**decade for decade in decades for digit in (1, 2, 5)]
    shown = [tick for tick in ticks if low <= tick <= high]
    return {
        "type": "log",
        "range": [log10(low), log10(high)],
        "tickvals": shown,
        "ticktext": [f"{tick:.10g}" for tick in shown],
    }


def faded(colour: str, alpha: float) -> str:
    """Return ``#rrggbb`` as a colour that lets the ground shine through."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"
