"""Examples of the data: isolated galaxies and blends with their layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skymill.catalog.catalogue import Catalogue
from skymill.data.stamps import StampSet
from skymill.report.images import Mark, Picture, mask_picture, picture
from skymill.report.inventory import Entry
from skymill.report.look import TRUTH

NOISE_FREE = 0.0
"""White level of images without noise: an empty sky is white."""
DIFFERENCE_RMS = 25.0
"""White level of differences, units of the noise below zero: zero is grey."""
LAYERS = {"image": "image", "central": "central alone", "neighbours": "neighbours alone"}


@dataclass(frozen=True)
class Example:
    """Pictures of one thing with what is known about it.

    Parameters
    ----------
    pictures : sequence of Picture
        The images.
    lines : sequence of str
        Facts.
    """

    pictures: Sequence[Picture]
    lines: Sequence[str]


def spread(n: int, count: int) -> np.ndarray:
    """Return `count` numbers spread evenly over 0 … n - 1 (all of them if there are fewer)."""
    return np.unique(np.linspace(0, n - 1, min(n, count)).astype(np.int64)) if n else np.empty(0, np.int64)


def isolated_examples(entry: Entry, background_rms: float, count: int) -> list[Example]:
    """Return pictures of isolated galaxies from the brightest to the faintest, all with the same grey levels."""
    truth = Catalogue.read(entry.folder / "truth.parquet", "galaxies")
    order = np.argsort(truth["mag"], kind="stable")
    rows = order[spread(len(order), count)]
    with StampSet.open(entry.main) as stamps:
        images = stamps.read("image", rows)[:, 0]
    return [
        Example([picture(image, background_rms, faint=NOISE_FREE)], _galaxy_lines(truth, int(row)))
        for row, image in zip(rows, images, strict=True)
    ]


def _galaxy_lines(truth: Catalogue, row: int) -> list[str]:
    bulge = truth["bulge_to_total"][row]
    shape = f"B/T = {bulge:.2f}" if np.isfinite(bulge) else str(truth["kind"][row])
    return [f"{truth['mag'][row]:.2f} mag", f"Re = {truth['re'][row]:.2f}″, {shape}"]


def blend_examples(entry: Entry, background_rms: float, count: int) -> list[Example]:
    """Return the layers of some blends, from the closest to the widest, with the true positions."""
    truth = Catalogue.read(entry.folder / "truth.parquet", "blends")
    stamp_ids = _chosen(truth, count)
    with StampSet.open(entry.main) as stamps:
        layers = {
            name: stamps.read(name, stamp_ids)[:, 0] for name in (*LAYERS, "masks") if name in stamps.layers
        }
    return [
        _blend_example(
            truth, int(stamp_id), {name: images[place] for name, images in layers.items()}, background_rms
        )
        for place, stamp_id in enumerate(stamp_ids)
    ]


def _chosen(truth: Catalogue, count: int) -> np.ndarray:
    """Return the numbers of some blends, from the closest to the widest."""
    centrals = np.flatnonzero(truth["role"] == "central")
    order = centrals[np.argsort(truth["separation_re"][centrals], kind="stable")]
    return truth["stamp_id"][order[spread(len(order), count)]]


def deblended_examples(entry: Entry, blends: Entry, background_rms: float, count: int) -> list[Example]:
    """Return what a network took out of the blends that :func:`blend_examples` shows."""
    truth = Catalogue.read(blends.folder / "truth.parquet", "blends")
    stamp_ids = _chosen(truth, count)
    centrals = truth.select(truth["role"] == "central")
    place = centrals.select(np.argsort(centrals["stamp_id"], kind="stable"))
    with StampSet.open(entry.main) as stamps, StampSet.open(blends.main) as source:
        size = stamps.shape("image")[-1]
        given = {layer: stamps.read(layer, stamp_ids)[:, 0] for layer in stamps.layers}
        canvases = {layer: source.read(layer, stamp_ids)[:, 0] for layer in ("image", "central")}
    examples = []
    for row, stamp_id in enumerate(stamp_ids):
        x, y = (round(float(place[axis][place["stamp_id"] == stamp_id][0])) for axis in ("x", "y"))
        blend, true = (middle_of(canvases[layer][row], x, y, size) for layer in ("image", "central"))
        found = given["image"][row]
        pictures = [
            picture(blend, background_rms, "image"),
            picture(true, background_rms, "central alone", faint=NOISE_FREE),
            picture(found, background_rms, "deblended"),
            picture(found - true, background_rms, "difference", faint=-DIFFERENCE_RMS),
            *([mask_picture(given["masks"][row], "masks")] if "masks" in given else []),
        ]
        examples.append(Example(pictures, blend_lines(truth.select(truth["stamp_id"] == stamp_id))))
    return examples


def middle_of(canvas: np.ndarray, x: int, y: int, size: int) -> np.ndarray:
    """Cut a stamp of side `size` with pixel (x, y) at its ``size // 2``; 0 beyond the canvas."""
    padded = np.pad(canvas, size)
    x0, y0 = x + size - size // 2, y + size - size // 2
    return padded[y0 : y0 + size, x0 : x0 + size]


def _blend_example(truth: Catalogue, stamp_id: int, layers: dict[str, np.ndarray], rms: float) -> Example:
    galaxies = truth.select(truth["stamp_id"] == stamp_id)
    marks = truth_marks(galaxies)
    pictures = [picture(layers["image"], rms, LAYERS["image"], marks)] if "image" in layers else []
    pictures += [
        picture(layers[name], rms, LAYERS[name], faint=NOISE_FREE)
        for name in ("central", "neighbours")
        if name in layers
    ]
    if "masks" in layers:
        pictures.append(mask_picture(layers["masks"], "masks"))
    return Example(pictures, blend_lines(galaxies))


def truth_marks(galaxies: Catalogue) -> list[Mark]:
    """Return a cross at each true position of a blend."""
    columns = (galaxies[name] for name in ("x", "y", "mag", "role"))
    return [
        Mark(float(x), float(y), TRUTH, "cross", 3.5, f"{role}, {mag:.2f} mag")
        for x, y, mag, role in zip(*columns, strict=True)
    ]


def blend_lines(galaxies: Catalogue) -> list[str]:
    """Return what is known about a blend: magnitudes, separation and class."""
    mags = " + ".join(f"{mag:.2f}" for mag in galaxies["mag"])
    central = galaxies["role"] == "central"
    separation = galaxies["separation_re"][central]
    lines = [f"{mags} mag"]
    if len(separation) and np.isfinite(separation[0]):
        lines.append(f"{separation[0]:.1f} Re apart, {galaxies['blend_class'][central][0]}")
    return lines
