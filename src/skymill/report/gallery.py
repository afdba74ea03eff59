"""Gallery: the blends that each detector measured best and worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skymill.catalog.catalogue import Catalogue
from skymill.data.stamps import StampSet
from skymill.report.examples import truth_marks
from skymill.report.figures_scatter import measured_rows
from skymill.report.images import Mark, Picture, picture
from skymill.report.inventory import Entry
from skymill.report.look import TRUTH, Palette, Style


@dataclass(frozen=True)
class Ratio:
    """Measured over true flux of one detector; a dash where it did not find the galaxy."""

    style: Style
    text: str
    is_subject: bool


@dataclass(frozen=True)
class Case:
    """One blend of the gallery.

    Parameters
    ----------
    picture : Picture
        The image with true and measured positions.
    lines : sequence of str
        Facts.
    ratios : sequence of Ratio
        What every detector made of the galaxy.
    """

    picture: Picture
    lines: Sequence[str]
    ratios: Sequence[Ratio]


@dataclass(frozen=True)
class Wall:
    """The best and the worst cases of one detector."""

    style: Style
    worst: Sequence[Case]
    best: Sequence[Case]


def gallery(
    matched: Catalogue, dataset: str, blends: Entry, palette: Palette, background_rms: float, count: int
) -> list[Wall]:
    """Return the walls of all detectors that measured blends.

    Parameters
    ----------
    matched : Catalogue
        The matched table.
    dataset : str
        How metrics name the blends.
    blends : Entry
        The blends.
    palette : Palette
        Styles of the detectors.
    background_rms : float
        Noise of the blends, image units.
    count : int
        Cases on each side of a wall.
    """
    rows = matched.select((matched["dataset"] == dataset) & (matched["truth_id"] >= 0))
    truth = Catalogue.read(blends.folder / "truth.parquet", "blends")
    chosen = {style: extremes(rows, dataset, style.detector, count) for style in palette}
    with StampSet.open(blends.main) as stamps:
        maker = _CaseMaker(rows, truth, stamps, palette, background_rms)
        return [
            Wall(style, maker.cases(worst), maker.cases(best))
            for style, (worst, best) in chosen.items()
            if len(worst)
        ]


def extremes(
    rows: Catalogue, dataset: str, detector: str, count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of the largest and of the smallest relative flux errors in blends, each blend once."""
    candidates = np.flatnonzero(measured_rows(rows, dataset, detector) & np.isfinite(rows["separation"]))
    error = np.abs(rows["flux"][candidates] / rows["flux_true"][candidates] - 1.0)
    order = candidates[np.argsort(error, kind="stable")]
    # A list that is shorter than two full sides is shared between them, so that no case is both best and worst.
    best = _each_stamp_once(rows, order, min(count, (len(order) + 1) // 2))
    worst = _each_stamp_once(rows, order[::-1], min(count, len(order) // 2))
    return worst, best


def _each_stamp_once(rows: Catalogue, order: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    _, first = np.unique(rows["stamp_id"][order], return_index=True)
    return order[np.sort(first)[:count]]


class _CaseMaker:
    """Makes cases from the matched table and the images of the blends.

    A wall has dozens of cases: columns are taken out of the tables once, rows of a blend found by bisection.
    """

    def __init__(
        self, rows: Catalogue, truth: Catalogue, stamps: StampSet, palette: Palette, rms: float
    ) -> None:
        self.columns = {name: rows[name] for name in rows.table.colnames}
        self.order = np.argsort(self.columns["stamp_id"], kind="stable")
        self.sorted_stamps = self.columns["stamp_id"][self.order]
        self.truth, self.stamps, self.palette, self.rms = truth, stamps, palette, rms

    def cases(self, numbers: NDArray[np.int64]) -> list[Case]:
        images = self.stamps.read("image", self.columns["stamp_id"][numbers])[:, 0]
        return [self._case(int(number), image) for number, image in zip(numbers, images, strict=True)]

    def _case(self, number: int, image: NDArray) -> Case:
        stamp_id, subject = self.columns["stamp_id"][number], str(self.columns["detector"][number])
        ends = np.searchsorted(self.sorted_stamps, [stamp_id, stamp_id + 1])
        in_stamp = self.order[slice(*ends)]
        galaxies = self.truth.select(self.truth["stamp_id"] == stamp_id)
        marks = [self._target(number), *truth_marks(galaxies), *self._found(in_stamp, subject)]
        return Case(
            picture(image, self.rms, marks=marks), self._lines(number), self._ratios(in_stamp, number)
        )

    def _lines(self, number: int) -> list[str]:
        row = {name: values[number] for name, values in self.columns.items()}
        return [
            f"blend {row['stamp_id']}, {row['role']}",
            f"{row['mag_true']:.2f} mag, {row['separation_re']:.1f} Re apart",
        ]

    def _target(self, number: int) -> Mark:
        """Mark the galaxy that the case is about."""
        x, y = self.columns["x_true"][number], self.columns["y_true"][number]
        return Mark(float(x), float(y), TRUTH, "target", 7.0, "the galaxy in question")

    def _found(self, in_stamp: NDArray[np.int64], detector: str) -> list[Mark]:
        """Mark where a detector measured."""
        columns = (self.columns[name][in_stamp] for name in ("detector", "x", "y", "mag"))
        colour = self.palette[detector].colour
        return [
            Mark(float(x), float(y), colour, "ring", 3.5, f"{detector}: {mag:.2f} mag")
            for name, x, y, mag in zip(*columns, strict=True)
            if name == detector and np.isfinite(x)
        ]

    def _ratios(self, in_stamp: NDArray[np.int64], number: int) -> list[Ratio]:
        of_galaxy = in_stamp[self.columns["truth_id"][in_stamp] == self.columns["truth_id"][number]]
        detectors = self.columns["detector"][of_galaxy].tolist()
        ratios = self.columns["flux"][of_galaxy] / self.columns["flux_true"][of_galaxy]
        by_detector = dict(zip(detectors, map(_ratio_text, ratios), strict=True))
        subject = self.columns["detector"][number]
        return [
            Ratio(style, by_detector[style.detector], style.detector == subject)
            for style in self.palette
            if style.detector in by_detector
        ]


def _ratio_text(ratio: float) -> str:
    return f"{ratio:.2f}".replace("-", "−") if np.isfinite(ratio) else "–"
