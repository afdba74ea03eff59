"""The section on drawn galaxies: pictures, figures and curves of each generator, and the most anomalous sources."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skymill.catalog.catalogue import Catalogue
from skymill.catalog.flags import Flag
from skymill.data.tile import Tile, cutouts
from skymill.errors import DataError
from skymill.metrics.record import MetricRecord
from skymill.report.chart import Chart
from skymill.report.images import Mark, Picture, picture
from skymill.report.inventory import Entry, Inventory
from skymill.report.look import ACCENT, GREY
from skymill.report.panel import Panel
from skymill.report.scores import Scores

HEIGHT = 280
N_ANOMALIES = 18
CROP_PX = 48
PICTURES = {
    "samples.png": "Rows in pairs: galaxies of the test side above drawn ones of the same magnitude, size and place.",
    "interpolations.png": "From one drawn galaxy (left) to another (right): the latent numbers change in even steps.",
    "traversals.png": "Each row walks along one of the strongest latent directions, from −2.5 to 2.5 standard "
    "deviations; the strongest direction is the uppermost row.",
    "plane.png": "The plane of the two strongest directions, the first to the right, the second upwards.",
}
FILM = "What the network made of the same latent numbers after each epoch."
WORDS = {
    "distance_mean": "mean distance of the statistics",
    "distance_by_chance": "what two samples of real galaxies stay below (95 %)",
    "requested_mag_error": "|requested − measured magnitude|, median",
    "requested_size_error": "half-light radius beside that of the real galaxy of the same size, median difference",
    "power_spectrum_difference": "mean |log10 of the ratio of power spectra|",
    "asymmetry_median": "median asymmetry",
    "memorisation_ratio": "distance to the nearest training galaxy over that of unseen real galaxies",
    "memorisation_copies": "nearer to a training galaxy than 99 % of unseen real galaxies",
    "memorisation_nearer_own_half": "of two networks on halves of the galaxies: nearer to the own half (0.5: nothing "
    "is remembered)",
    "memorisation_own_half_ratio": "of the same: median distance to the own half over that to the other",
    "anomaly_false_alarms": "isolated galaxies above that score",
    "anomaly_auroc": "area under the curve of the anomaly score",
}
LINES = {"blends": ACCENT, "mergers": "#c1443c", "apart": "#2f855a", "similar_brightness": "#805ad5"}
NO_WONDER = Flag.EDGE | Flag.MASKED | Flag.SATURATED
PIXEL_PNG = "data:image/png;base64,"


@dataclass(frozen=True)
class Sheet:
    """A picture of many galaxies, as it was written by the stage judge or the training."""

    uri: str
    caption: str


@dataclass(frozen=True)
class Anomaly:
    """A source of a tile with a high score."""

    picture: Picture
    lines: tuple[str, ...]


def generator_context(inventory: Inventory, scores: Scores) -> dict[str, Any]:
    """Return what the section shows: one entry for each generator, one wall for each tile whose sources have scores.

    All networks of a run measure the same candidates, whose scores do not depend on who measures them.

    Raises
    ------
    DataError
        If a file of a generator cannot be read.
    """
    generators = [_generator(entry, inventory, scores) for entry in whole_generators(inventory)]
    walls: dict[str, dict[str, Any]] = {}
    for entry in inventory.of_stage("infer"):
        if entry.dataset not in walls and (wall := _wall(entry, inventory)):
            walls[entry.dataset] = wall
    return {"generators": generators, "anomalies": list(walls.values())}


def whole_generators(inventory: Inventory) -> list[Entry]:
    """Return the generators without those that are trained on halves of the galaxies, whose names have a dot."""
    return [entry for entry in inventory.of_stage("generator") if "." not in entry.name]


def _generator(entry: Entry, inventory: Inventory, scores: Scores) -> dict[str, Any]:
    judged = inventory.find("judge", entry.name)
    # A shipped network comes without its film.
    sheets = [Sheet(png_uri(entry, "film.png"), FILM)] if (entry.folder / "film.png").exists() else []
    panels: list[Panel] = []
    if judged is not None:
        sheets = [*(Sheet(png_uri(judged, name), words) for name, words in PICTURES.items()), *sheets]
        curves = read_curves(judged)
        panels = [
            roc_panel(entry.name, curves["roc"], scores),
            spectrum_panel(entry.name, curves["power_spectrum"]),
        ]
    rows = [
        _row(record)
        for record in scores.records
        if record.dataset in (f"generated:{entry.name}", f"anomaly:{entry.name}")
    ]
    return {"name": entry.name, "sheets": sheets, "panels": panels, "rows": rows}


def _row(record: MetricRecord) -> tuple[str, ...]:
    words = WORDS.get(record.metric) or record.metric.replace("distance_", "distance of ")
    subset = record.subset.replace("_", " ")
    return (
        words,
        subset,
        f"{record.value:.3g}",
        f"{record.low:.3g} to {record.high:.3g}",
        record.unit,
        str(record.n),
    )


def png_uri(entry: Entry, name: str) -> str:
    """Return a PNG of an artifact's folder as a data URI.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    try:
        return PIXEL_PNG + base64.b64encode((entry.folder / name).read_bytes()).decode("ascii")
    except OSError as error:
        raise DataError(entry.folder / name, expected="a picture", found=str(error)) from error


def read_curves(entry: Entry) -> dict[str, Any]:
    """Read the curves that the stage judge wrote.

    Raises
    ------
    DataError
        If they cannot be read.
    """
    try:
        curves = json.loads((entry.folder / "curves.json").read_text(encoding="utf-8"))
        if not isinstance(curves, dict):
            raise ValueError(f"JSON of kind {type(curves).__name__}")
        return curves
    except (OSError, ValueError) as error:
        raise DataError(entry.folder / "curves.json", expected="curves as JSON", found=str(error)) from error


def roc_panel(name: str, curves: Mapping[str, Mapping[str, list[float]]], scores: Scores) -> Panel:
    """Draw the part of blends that is flagged against the part of isolated galaxies, for every least score."""
    title = f"{name}: anomaly scores of blends"
    if not curves:
        return Panel.words(title, "There are no blends of two galaxies among the test blends.")
    chart = Chart()
    line = {"color": GREY, "dash": "dash", "width": 1}
    chart.add(
        {"type": "scatter", "mode": "lines", "x": [0, 1], "y": [0, 1], "line": line, "showlegend": False}
    )
    for subset, curve in curves.items():
        record = scores.get("anomaly_auroc", f"anomaly:{name}", name, subset)
        words = subset.replace("_", " ") + (f", {record.value:.3f}" if record else "")
        chart.add(
            {
                "type": "scatter",
                "mode": "lines",
                **curve,
                "name": words,
                "line": {"color": LINES[subset], "width": 1.8},
                "hovertemplate": f"<b>{words}</b><br>%{{y:.2f}} of blends, %{{x:.2f}} of isolated<extra></extra>",
            }
        )
    chart.set_x(title="fraction of isolated galaxies flagged", range=[-0.02, 1.02])
    chart.set_y(title="fraction of blends flagged", range=[-0.02, 1.02])
    caption = (
        "Test blends against their central galaxies alone, with the same noise; the network has learned from isolated "
        "galaxies only. Numbers: area under the curve. Mergers: neighbour within one half-light radius of the larger "
        "galaxy; similar brightness: within a magnitude."
    )
    return Panel.plot(f"roc-{name}", title, chart.spec(HEIGHT), caption)


def spectrum_panel(name: str, spectrum: Mapping[str, list[float]]) -> Panel:
    """Draw the mean power spectra of drawn and of real galaxies without noise."""
    chart = Chart()
    for which, colour in (("real", GREY), ("drawn", ACCENT)):
        line = {"color": colour, "width": 1.8}
        chart.add(
            {
                "type": "scatter",
                "mode": "lines",
                "x": spectrum["wave_number"],
                "y": spectrum[which],
                "name": which,
                "line": line,
            }
        )
    chart.set_x(title="wave number (cycles per px)")
    chart.set_y(title="mean power", type="log")
    caption = "Images of flux 1 without noise, up to the wave numbers that the PSF lets pass."
    return Panel.plot(f"spectrum-{name}", f"{name}: power spectra", chart.spec(HEIGHT), caption)


def _wall(entry: Entry, inventory: Inventory) -> dict[str, Any] | None:
    """Return the most anomalous sources of a tile as one network's catalogue has them; None without scores."""
    tile_entry = inventory.find("ingest", entry.dataset)
    if tile_entry is None:
        return None
    catalogue = Catalogue.read(entry.main, "measurement")
    score = np.array(catalogue["anomaly_score"], dtype=np.float64)
    if not np.isfinite(score).any():
        return None
    chosen = most_anomalous(score, np.array(catalogue["is_primary"]), np.array(catalogue["flags"]))
    tile = Tile.read(tile_entry.main)
    place = (catalogue["x"][chosen], catalogue["y"][chosen], CROP_PX)
    images, noises = cutouts(tile.science, *place), cutouts(tile.rms, *place, fill=np.nan)
    cases = []
    for row, image, noise in zip(chosen, images, noises, strict=True):
        lines = (
            f"score {score[row]:.1f}",
            f"{catalogue['mag'][row]:.2f} mag",
            f"object {catalogue['object_id'][row]}",
        )
        marks = [Mark(CROP_PX // 2, CROP_PX // 2, ACCENT, "target", 5.0, "the source")]
        cases.append(Anomaly(picture(image, float(np.nanmedian(noise)), marks=marks), lines))
    return {
        "tile": entry.dataset,
        "detector": entry.detector,
        "cases": cases,
        "above": float((score > 2).mean()),
    }


def most_anomalous(score: NDArray, is_primary: NDArray[np.bool_], flags: NDArray) -> NDArray[np.int64]:
    """Return the rows of the highest scores, the highest first; what is cut off, masked or saturated is left out."""
    rows = np.flatnonzero(is_primary & np.isfinite(score) & (flags & int(NO_WONDER) == 0))
    return rows[np.argsort(-score[rows], kind="stable")][:N_ANOMALIES]
