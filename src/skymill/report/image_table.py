"""How good deblended images are, beside the blends that they were taken out of."""

from __future__ import annotations

from collections.abc import Sequence

from skymill.metrics.record import MetricRecord
from skymill.report.facts import Table
from skymill.report.headline import value_text
from skymill.report.look import Palette
from skymill.report.scores import Scores

COLUMNS = {
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "flux_mape": "flux MAPE, all pixels (%)",
    "aperture_mape": "flux MAPE, aperture (%)",
    "conservation": "light lost or made up (%)",
    "size_error": "size error (%)",
    "ellipticity_error": "ellipticity error",
}
"""Figures with their headings, without what they are of: ``image_psnr``, ``blend_psnr``."""
Figures = list[MetricRecord | None]
ALL = "all"
UNTOUCHED = "no deblending"


def image_table(scores: Scores, palette: Palette, dataset: str) -> Table | None:
    """Return the errors of every network's deblended images on a set of blends, and those of the blends themselves.

    Parameters
    ----------
    scores : Scores
        The run's figures.
    palette : Palette
        Styles of the detectors.
    dataset : str
        A set of blends.

    Returns
    -------
    Table or None
        All galaxies first, then each blend class; None where no detector gives images.
    """
    detectors = [style.detector for style in palette.ordered(scores.detectors(dataset))]
    makers = [name for name in detectors if any(_figures(scores, dataset, name, ALL, "image"))]
    if not makers:
        return None
    rows = []
    for subset in (ALL, *scores.members(dataset, "blend_class")):
        label = "all" if subset == ALL else subset.partition(":")[2]
        lines = _lines(scores, dataset, subset, makers)
        rows += [
            (label, name, _count(figures), *map(value_text, figures))
            for name, figures in lines
            if any(figures)
        ]
    header = ("Blend class", "Image", "n", *COLUMNS.values())
    return Table(header, rows, tuple(range(2, len(header))))


def _lines(scores: Scores, dataset: str, subset: str, makers: Sequence[str]) -> list[tuple[str, Figures]]:
    """Return what is shown of each image; the blends once for all networks that see the same pixels of them."""
    lines: list[tuple[str, Figures]] = []
    known: list[list[float]] = []
    for name in makers:
        blend = _figures(scores, dataset, name, subset, "blend")
        values = [record.value for record in blend if record]
        if values not in known:
            lines.append((f"{UNTOUCHED}, stamps of {name}" if known else UNTOUCHED, blend))
            known.append(values)
        lines.append((name, _figures(scores, dataset, name, subset, "image")))
    return lines


def _figures(scores: Scores, dataset: str, detector: str, subset: str, seen: str) -> Figures:
    return [scores.get(f"{seen}_{metric}", dataset, detector, subset) for metric in COLUMNS]


def _count(figures: Figures) -> str:
    """Return the number of galaxies behind the figure with most of them."""
    return f"{max(record.n for record in figures if record):,}"
