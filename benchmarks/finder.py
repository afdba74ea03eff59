"""A network that finds sources beside SExtractor and sep: completeness and purity on test patches, and on a tile.

    PYTHONPATH=src python benchmarks/finder.py FINDER --stamps STAMPS --truth TRUTH --out FILE
    PYTHONPATH=src python benchmarks/finder.py FINDER … --tile TILE --injected TRUTH

FINDER is the folder of a trained or a shipped one. STAMPS and TRUTH are a set of patches that it has not seen
(results/artifacts/scene/test/VERSION/stamps.h5 and truth.parquet). TILE and the second TRUTH are a tile with injected
galaxies (results/artifacts/inject/TILE/VERSION/tile.fits and truth.parquet): there only these are known, and there is
no purity. FILE gets the figures as a run's metrics.json has them; `skymill ship --metrics FILE` puts those of the
patches onto the card.

Every detector is given the same images and rms. A detection is real if an object is within the distance that the
finder's card says (on patches, for large galaxies, as many times farther as the finder was trained with), surest
detection first (brightest first for detectors without a probability). One beside a source that is too faint or too
near a brighter one to be an object is left out: it is neither right nor wrong. Figures are at each detector's own
threshold; "at purity of" SExtractor are the finder's where its purity on the patches is that one's.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from skymill.catalog.catalogue import Catalogue
from skymill.catalog.ranked import match_ranked
from skymill.catalog.texttable import aligned
from skymill.compare.truth import read_truth
from skymill.config.detect import SepConfig, SourceExtractorConfig
from skymill.data.stamps import StampSet
from skymill.data.survey import Survey
from skymill.data.tile import Tile, TileMeta
from skymill.detectors.build import build_detector
from skymill.inference.detection import Finder
from skymill.metrics.detection import binomial_interval
from skymill.metrics.ranking import rank
from skymill.metrics.record import MetricRecord, to_json
from skymill.plan.available import missing_detectors
from skymill.provenance.atomic import write_text
from skymill.training.finder_card import FinderModel, load_finder

CLOSE_FWHM = 2.0
SNR_EDGES = (4.0, 6.0, 10.0, 20.0, np.inf)
LEAST_PROBABILITY = 0.02
"""Candidates below it are noise; down to it the purity is known."""
ANY = -np.finfo(np.float64).max
"""Every detection has at least this score."""
OTHERS = {
    "source_extractor": SourceExtractorConfig(kind="source_extractor", setting="cold_hot"),
    "source_extractor_plain": SourceExtractorConfig(kind="source_extractor", setting="plain"),
    "sep": SepConfig(kind="sep", setting="cold_hot"),
    "sep_plain": SepConfig(kind="sep", setting="plain"),
}
HEADER = ("dataset", "detector", "metric", "subset", "value", "95 %", "n")


class Detections(NamedTuple):
    """Detections on one image: position (px) and how sure each is."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    score: NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """What of n detections is real, and what of m objects is found.

    Parameters
    ----------
    score : ndarray (n,)
        Of the detections that count.
    is_real : ndarray (n,), bool
        Whether each is an object.
    best : ndarray (m,)
        Score of each object's detection; -inf where there is none.
    """

    score: NDArray[np.float64]
    is_real: NDArray[np.bool_]
    best: NDArray[np.float64]


def judge(
    found: Detections, x: NDArray, y: NDArray, is_object: NDArray[np.bool_], max_distance: NDArray | float
) -> Judged:
    """Match the detections on one image with the sources there; `max_distance` is that of all or of each source."""
    max_distance = np.broadcast_to(max_distance, x.shape)
    row = match_ranked(*found, x[is_object], y[is_object], max_distance[is_object])
    best = np.full(int(is_object.sum()), -np.inf)
    best[row[row >= 0]] = found.score[row >= 0]
    left = Detections(*(values[row < 0] for values in found))
    counts = row >= 0
    counts[row < 0] = match_ranked(*left, x[~is_object], y[~is_object], max_distance[~is_object]) < 0
    return Judged(found.score[counts], (row >= 0)[counts], best)


def joined(parts: Sequence[Judged]) -> Judged:
    """Put what was judged on several images together."""
    names = ("score", "is_real", "best")
    return Judged(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


class Finders:
    """All detectors, asked in the same way."""

    def __init__(self, model: FinderModel) -> None:
        self.name, self.finder = model.card.name, Finder(model, LEAST_PROBABILITY)
        self.least = model.card.detection.least_probability
        missing = missing_detectors()
        for reason in missing.values():
            print(reason, file=sys.stderr)
        self.others = {
            name: build_detector(config) for name, config in OTHERS.items() if config.kind not in missing
        }
        self.names = [self.name, *self.others]

    def aims(self) -> list[str]:
        """Return the detectors at whose purity the finder is looked at: SExtractor, where it is installed."""
        return [name for name in self.others if OTHERS[name].kind == "source_extractor"] or list(self.others)

    def find(self, name: str, tile: Tile) -> Detections:
        """Return what a detector finds on a tile; the finder also what is below its own threshold."""
        if name == self.name:
            found = self.finder.find(tile)
            return Detections(found["x"], found["y"], found["detection_probability"])
        found = self.others[name].find(tile)
        primary = found["is_primary"]
        return Detections(*(found[column][primary] for column in ("x", "y", "flux")))

    def threshold(self, name: str) -> float:
        """Return the score that a detector itself asks for."""
        return self.least if name == self.name else ANY


def patches(stamps: str, survey: Survey, most: int | None) -> Iterator[Tile]:
    """Give the patches as tiles whose rms is the survey's."""
    facts = (survey.pixel_scale_arcsec, survey.zero_point_mag, survey.gain_e_per_unit)
    with StampSet.open(stamps) as opened:
        for number in range(min(opened.n, most or opened.n)):
            image = opened.read("image", np.array([number]))[0, 0]
            rms = np.full(image.shape, survey.background_rms, dtype=np.float32)
            mask = np.zeros(image.shape, dtype=np.uint8)
            meta = TileMeta(f"patch{number}", survey.name, survey.band, *facts, None, survey.psf_fwhm_px)
            yield Tile(image, rms, mask, None, meta)


def figure(
    metric: str, dataset: str, detector: str, subset: str, successes: NDArray[np.bool_]
) -> Iterator[MetricRecord]:
    """Give the fraction of some rows with its Wilson interval; nothing without rows."""
    if len(successes):
        low, high = binomial_interval(successes.sum(), len(successes))
        numbers = (float(successes.mean()), "fraction", len(successes), float(low), float(high))
        yield MetricRecord(metric, dataset, detector, subset, *numbers)


def at(
    threshold: float, judged: Judged, subsets: dict[str, NDArray], dataset: str, detector: str, suffix: str
) -> Iterator[MetricRecord]:
    """Give all figures of one detector at one threshold."""
    for subset, rows in subsets.items():
        yield from figure(
            "completeness", dataset, detector, f"{subset}{suffix}", judged.best[rows] >= threshold
        )
    yield from figure("purity", dataset, detector, f"all{suffix}", judged.is_real[judged.score >= threshold])


def on_patches(
    finders: Finders, model: FinderModel, stamps: str, truth: str, most: int | None
) -> tuple[list[MetricRecord], dict[str, float]]:
    """Return the figures on the patches, and the finder's probability at the purity of each other detector."""
    survey, distance = model.card.survey, model.card.detection.max_distance_px
    sources, parts = Catalogue.read(truth, "scenes"), {name: [] for name in finders.names}
    distance = distance * model.task.vagueness(torch.from_numpy(sources["width"])).numpy()
    rows = np.zeros(len(sources), dtype=bool)
    for number, tile in enumerate(patches(stamps, survey, most)):
        here = sources["patch_id"] == number
        rows |= here & sources["is_object"]
        place = (sources["x"][here], sources["y"][here], sources["is_object"][here])
        for name in finders.names:
            parts[name].append(judge(finders.find(name, tile), *place, distance[here]))
    judged = {name: joined(each) for name, each in parts.items()}
    snr, brighter = sources["snr"][rows], sources["brighter_distance"][rows]
    subsets = {
        "all": np.ones(len(snr), dtype=bool),
        "close_pair_fainter": brighter < CLOSE_FWHM * survey.psf_fwhm_px,
    }
    subsets |= {f"snr:{low:g}-{high:g}": (snr >= low) & (snr < high) for low, high in pairwise(SNR_EDGES)}
    records = []
    for name, each in judged.items():
        records += at(finders.threshold(name), each, subsets, "test_scenes", name, "")
    ours = judged[finders.name]
    ranking, limits = rank(ours.score, ours.is_real, len(ours.best)), {}
    for name in finders.aims():
        if not len(judged[name].score):
            continue
        limits[name] = ranking.threshold_of_purity(float(judged[name].is_real.mean()))
        print(f"{finders.name} has the purity of {name} at least_probability {limits[name]:.3f}")
        records += at(limits[name], ours, subsets, "test_scenes", finders.name, f" at purity of {name}")
    return records, limits


def on_tile(
    finders: Finders, model: FinderModel, tile: str, truth: str, limits: dict[str, float]
) -> list[MetricRecord]:
    """Return the completeness of injected galaxies, at the thresholds of the patches."""
    image, known = Tile.read(tile), read_truth(truth)
    counted, dataset = known.is_counted, f"injected:{image.meta.tile_id}"
    close = known.brighter_distance[counted] < CLOSE_FWHM * image.meta.psf_fwhm_px
    alone, mag = known.is_isolated[counted], known.mag[counted]
    subsets = {"all": np.ones(len(close), dtype=bool), "close_pair_fainter": close, "isolated": alone}
    for bright in range(int(mag.min()), int(mag.max()) + 1):
        subsets[f"isolated/mag:{bright}-{bright + 1}"] = alone & (mag >= bright) & (mag < bright + 1)
    subsets = {name: rows for name, rows in subsets.items() if rows.any()}
    records = []
    for name in finders.names:
        found = finders.find(name, image)
        print(f"{name}: {(found.score >= finders.threshold(name)).sum()} detections on {tile}")
        best = judge(found, known.x, known.y, counted, model.card.detection.max_distance_px).best
        steps = {"": finders.threshold(name)}
        if name == finders.name:
            steps |= {f" at purity of {other}": limit for other, limit in limits.items()}
        for suffix, threshold in steps.items():
            for subset, rows in subsets.items():
                records += figure("completeness", dataset, name, f"{subset}{suffix}", best[rows] >= threshold)
    return records


def line(one: MetricRecord) -> tuple[str, ...]:
    """Return a figure as a line of the table."""
    place = (one.dataset, one.detector, one.metric, one.subset)
    return *place, f"{one.value:.3f}", f"{one.low:.3f} to {one.high:.3f}", str(one.n)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("finder", help="folder of a finder")
    parser.add_argument("--stamps", required=True, help="patches")
    parser.add_argument("--truth", required=True, help="their sources")
    parser.add_argument("--patches", type=int, help="only the first so many")
    parser.add_argument("--tile", help="a tile with injected galaxies")
    parser.add_argument("--injected", help="these galaxies")
    parser.add_argument("--out", help="file for the figures as JSON")
    options = parser.parse_args(arguments)
    if bool(options.tile) != bool(options.injected):
        parser.error("--tile and --injected go together")
    model = load_finder(options.finder)
    finders = Finders(model)
    records, limits = on_patches(finders, model, options.stamps, options.truth, options.patches)
    if options.tile:
        records += on_tile(finders, model, options.tile, options.injected, limits)
    print(aligned(HEADER, map(line, records)))
    if options.out:
        Path(options.out).parent.mkdir(parents=True, exist_ok=True)
        write_text(options.out, to_json(records))


if __name__ == "__main__":
    main()
