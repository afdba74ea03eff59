"""Anomaly scores of stamps, of test blends and of the sources of a tile."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from skymill.catalog.catalogue import Catalogue
from skymill.data.survey import Survey
from skymill.data.tile import Tile, cutouts
from skymill.inference.measure import stamps_in_rms
from skymill.metrics.detection import binomial_interval
from skymill.metrics.record import MetricRecord
from skymill.metrics.roc import auroc, roc_curve
from skymill.models.device import choose_device
from skymill.training.anomaly import anomaly_score, misfits
from skymill.training.galaxies import read_middles
from skymill.training.generator_card import GeneratorModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

AT_ONCE = 128
CLOSE_RE = 1.0
"""Pairs nearer than this many half-light radii of the larger one are called mergers."""
MOST_POINTS = 300


def score_sources(
    tile: Tile, x: NDArray, y: NDArray, flux_radius: NDArray, model: GeneratorModel, device: str = "auto"
) -> NDArray[np.float64]:
    """Return the anomaly scores of sources of a tile, (n,); NaN where there is no noise to measure by.

    Parameters
    ----------
    tile : Tile
        Background-subtracted; stamps are cut as :func:`skymill.inference.measure.measure` does.
    x, y : ndarray (n,)
        0-based positions in pixels.
    flux_radius : ndarray (n,)
        Half-light radii in pixels, as the finder of the candidates has measured them; NaN where it has not. The network
        knows single galaxies alone: a neighbour anywhere on the stamp would make it see one large galaxy.
    model : GeneratorModel
        The network, and what is usual for isolated galaxies.
    device : {'auto', 'cpu', 'gpu'}
        Where to compute.
    """
    where, size = choose_device(device), model.network.stamp_px
    model = model._replace(network=model.network.to(where))
    scores = [np.empty(0)]
    for start in range(0, len(x), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        masks = cutouts(tile.mask, x[some], y[some], size)
        stamps, rms = stamps_in_rms(tile, x[some], y[some], size, masks)
        electrons = np.where(np.isfinite(rms), rms, 1.0) * tile.meta.gain_e_per_unit
        found = score_stamps(model, stamps[:, None], electrons, where, flux_radius[some])
        scores.append(np.where(np.isfinite(rms), found, np.nan))
        tile.release()
    return np.concatenate(scores)


def score_stamps(
    model: GeneratorModel,
    stamps: NDArray,
    electrons: NDArray,
    device: torch.device | None = None,
    flux_radius: NDArray | None = None,
) -> NDArray[np.float64]:
    """Return anomaly scores of stamps (n, 1, y, x) in units of their noise, which is `electrons` (n,) electrons.

    With `flux_radius` (n,) no light beyond three of these radii (px) counts; where it is NaN, as without it.
    """
    seen = np.full(len(stamps), np.inf) if flux_radius is None else np.nan_to_num(flux_radius, nan=np.inf)
    error, scores = model.card.noise.relative_error, [np.empty(0)]
    for start in range(0, len(stamps), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        image, unit, radius = (
            torch.from_numpy(np.asarray(values[some], dtype=np.float32)).to(device)
            for values in (stamps, electrons, seen)
        )
        found = misfits(model.network, image, torch.ones_like(unit), unit, error, radius)
        scores.append(anomaly_score(*found, model.card.ordinary))
    return np.concatenate(scores)


def anomaly_of_blends(
    model: GeneratorModel, stamps: str | Path, truth: str | Path, survey: Survey
) -> dict[str, NDArray]:
    """Return scores of test blends as they are, and of their central galaxies alone with the same noise.

    Returns
    -------
    dict of str to ndarray (n,)
        ``blend``, ``isolated`` (scores), ``separation_re`` and ``delta_mag`` of the central galaxy's neighbour, for
        blends of two galaxies and more.
    """
    table = Catalogue.read(truth, "blends")
    central = table.select(
        (table["role"] == "central") & (table["n_galaxies"] > 1) & (table["kind"] != "point")
    )
    rows, size = np.array(central["stamp_id"], dtype=np.int64), model.network.stamp_px
    layers = {
        name: read_middles(stamps, rows, size, name) / np.float32(survey.background_rms)
        for name in ("image", "neighbours")
    }
    electrons = np.full(len(rows), survey.gain_e_per_unit * survey.background_rms)
    scores = {
        "blend": score_stamps(model, layers["image"], electrons),
        "isolated": score_stamps(model, layers["image"] - layers["neighbours"], electrons),
    }
    return {
        **scores,
        **{name: np.array(central[name], dtype=np.float64) for name in ("separation_re", "delta_mag")},
    }


def false_alarms(scores: NDArray, dataset: str, detector: str) -> list[MetricRecord]:
    """Return which parts of isolated galaxies have scores above 1 and 2: a tenth and a hundredth if they mean that."""
    records = []
    for level in (1, 2):
        above = int((scores > level).sum())
        low, high = binomial_interval(above, len(scores))
        value, key = above / len(scores), (dataset, detector, f"score:{level}")
        records.append(
            MetricRecord(
                "anomaly_false_alarms", *key, value, "fraction", len(scores), float(low), float(high)
            )
        )
    return records


def anomaly_records(
    scores: Mapping[str, NDArray], dataset: str, detector: str
) -> tuple[list[MetricRecord], dict[str, Any]]:
    """Return the areas under the curve of blends, near pairs and bright neighbours, and the curves themselves."""
    is_near = scores["separation_re"] < CLOSE_RE
    subsets = {
        "blends": np.ones(len(is_near), dtype=bool),
        "mergers": is_near,
        "apart": ~is_near,
        "similar_brightness": np.abs(scores["delta_mag"]) < 1,
    }
    records, curves = [], {}
    for subset, rows in subsets.items():
        if not rows.any():
            continue
        found = auroc(scores["blend"][rows], scores["isolated"])
        records.append(
            MetricRecord(
                "anomaly_auroc",
                dataset,
                detector,
                subset,
                found.value,
                "fraction",
                found.n,
                found.low,
                found.high,
            )
        )
        points = roc_curve(scores["blend"][rows], scores["isolated"])
        chosen = np.unique(np.linspace(0, len(points[0]) - 1, MOST_POINTS).round().astype(int))
        curves[subset] = {
            name: axis[chosen].round(4).tolist() for name, axis in zip(("x", "y"), points, strict=True)
        }
    return records, curves
