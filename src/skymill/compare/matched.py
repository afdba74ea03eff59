"""The matched table: every true source beside what a detector measured for it, and the detections that are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skymill.catalog.catalogue import Catalogue
from skymill.compare.blends import blend_outcomes
from skymill.compare.matching import Pairing, pair, positions_are_given
from skymill.compare.truth import NONE, UNCOUNTED, Truth
from skymill.errors import DataError
from skymill.metrics.distribution import normal_quantiles, pit
from skymill.metrics.photometry import mag_difference

if TYPE_CHECKING:
    from numpy.typing import NDArray

INJECTED = "injected:"
REFERENCE = "reference:"

#: Measured columns that pass through as they are, with the value they have where nothing was found.
MEASURED = {
    "object_id": -1,
    "x": np.nan,
    "y": np.nan,
    "mag": np.nan,
    "flux": np.nan,
    "flux_err": np.nan,
    "flux_q025": np.nan,
    "flux_q16": np.nan,
    "flux_q84": np.nan,
    "flux_q975": np.nan,
    "detection_probability": np.nan,
    "flags": 0,
}
#: Those of them that make the distribution of a flux, by :data:`skymill.metrics.distribution.LEVELS`.
QUANTILES = ("flux_q025", "flux_q16", "flux", "flux_q84", "flux_q975")
#: What a detection without a true source has in the truth's columns.
NO_TRUTH = {
    "truth_id": -1,
    "pair_id": 0,
    "role": NONE,
    "kind": NONE,
    "blend_class": NONE,
    "outcome": NONE,
    "is_matched": False,
    "is_isolated": False,
    "flags_true": 0,
    **dict.fromkeys(
        ("x_true", "y_true", "mag_true", "flux_true", "flux_bound"),
        np.nan,
    ),
    **dict.fromkeys(
        (
            *("delta_mag", "distance", "separation", "separation_re", "brighter_distance"),
            *("bulge_to_total", "pit"),
        ),
        np.nan,
    ),
}


def is_of_blends(dataset: str) -> bool:
    """Whether a dataset is a set of blends; otherwise it is a tile."""
    return not dataset.startswith((INJECTED, REFERENCE))


def match_dataset(
    dataset: str, detector: str, truth: Truth, catalogue: Catalogue, max_distance_px: float
) -> Catalogue:
    """Match one catalogue with the truth of its dataset.

    Entries that another window or tile holds (``is_primary`` false) are left out first. On a tile with injected
    galaxies only what was injected is known, so detections without a true source say nothing and have no rows.

    Parameters
    ----------
    dataset, detector : str
        Names, as in a metrics record.
    truth : Truth
        True sources.
    catalogue : Catalogue
        Schema ``measurement``.
    max_distance_px : float
        Largest distance of a pair.

    Returns
    -------
    Catalogue
        Schema ``matched``: the true sources in their order, then the detections that are none of them.
    """
    detections = catalogue.select(catalogue["is_primary"])
    pairing = pair(truth, detections, max_distance_px)
    columns = _true_rows(truth, detections, pairing)
    columns["outcome"] = _outcomes(dataset, truth, detections, pairing)
    if not dataset.startswith(INJECTED):
        spurious = _spurious_rows(detections.select(pairing.unmatched(len(detections))))
        columns = {name: np.concatenate([values, spurious[name]]) for name, values in columns.items()}
    n = len(columns["truth_id"])
    names = {
        "dataset": np.full(n, dataset),
        "detector": np.full(n, detector),
        "reference_outcome": np.full(n, NONE),
    }
    return Catalogue.from_columns("matched", **names, **columns)


def with_reference_outcome(matched: Catalogue, reference: Catalogue | None) -> Catalogue:
    """Return `matched` with what the reference detector found in each blend.

    Parameters
    ----------
    matched, reference : Catalogue
        Schema ``matched``, of one set of blends; None leaves the column at ``none``.
    """
    if reference is None or not len(reference):
        return matched
    # The first row of a blend is a true galaxy's: detections without one stand at the end.
    stamps, first = np.unique(reference["stamp_id"], return_index=True)
    place = np.minimum(np.searchsorted(stamps, matched["stamp_id"]), len(stamps) - 1)
    known = stamps[place] == matched["stamp_id"]
    table = matched.table.copy(copy_data=False)
    table["reference_outcome"] = np.where(known, reference["outcome"][first][place], NONE)
    return Catalogue(table, "matched")


def with_images(matched: Catalogue, errors: Catalogue) -> Catalogue:
    """Return `matched` with the errors of deblended images beside the galaxies that they are of.

    Parameters
    ----------
    matched : Catalogue
        Schema ``matched``, of one set of blends and the detector that made the images.
    errors : Catalogue
        Schema ``deblended``.

    Raises
    ------
    DataError
        If an image is of a galaxy that is not in the blends.
    """
    place = {key: row for row, key in enumerate(zip(matched["stamp_id"], matched["truth_id"], strict=True))}
    keys = list(zip(errors["stamp_id"], errors["galaxy_id"], strict=True))
    if unknown := [key for key in keys if key not in place]:
        stamp_id, galaxy_id = unknown[0]
        raise DataError(
            "deblended images",
            expected="images of the blends' galaxies",
            found=f"galaxy {galaxy_id} of blend {stamp_id}",
            remedy="Run deblend and compare again.",
        )
    rows = [place[key] for key in keys]
    table = matched.table.copy(copy_data=False)
    for name in set(errors.table.colnames) - {"stamp_id", "galaxy_id"}:
        values = np.full(len(matched), np.nan, dtype=np.float32)
        values[rows] = errors[name]
        table[name] = values
    return Catalogue(table, "matched")


def _true_rows(truth: Truth, detections: Catalogue, pairing: Pairing) -> dict[str, NDArray]:
    """Columns of the true sources' rows, `outcome` left out."""
    found = pairing.is_matched
    measured = {name: _taken(detections[name], pairing.row, absent) for name, absent in MEASURED.items()}
    measured |= _distribution(measured)
    quantiles = np.stack([measured[name] for name in QUANTILES], axis=1)
    same = (
        "truth_id",
        "stamp_id",
        "pair_id",
        "role",
        "kind",
        "blend_class",
        "separation",
        "separation_re",
        "bulge_to_total",
        "brighter_distance",
    )
    known = truth.flux > 0
    delta = np.full(len(truth), np.nan)
    delta[known] = mag_difference(measured["flux"][known], truth.flux[known])
    return {
        **{name: getattr(truth, name) for name in (*same, "is_isolated", "is_counted", "flux_bound")},
        **{f"{name}_true": getattr(truth, name) for name in ("x", "y", "mag", "flux", "flags")},
        **measured,
        "is_matched": found,
        "distance": pairing.distance,
        "delta_mag": delta,
        "pit": pit(quantiles, np.where(known, truth.flux, np.nan)),
    }


def _distribution(measured: dict[str, NDArray]) -> dict[str, NDArray]:
    """Return the quantiles of the fluxes: the detector's own, else those of a normal distribution."""
    assumed = normal_quantiles(measured["flux"], measured["flux_err"])  # (n, 5)
    own = [measured[name] for name in QUANTILES]
    return {
        name: np.where(np.isnan(given), normal, given)
        for name, given, normal in zip(QUANTILES, own, assumed.T, strict=True)
    }


def _outcomes(dataset: str, truth: Truth, detections: Catalogue, pairing: Pairing) -> NDArray[np.str_]:
    """Name what was found in each true galaxy's blend; ``none`` on tiles and for measurements at given positions."""
    if not is_of_blends(dataset) or positions_are_given(detections):
        return np.full(len(truth), NONE)
    return blend_outcomes(truth.stamp_id, truth.role == "central", pairing.is_matched, detections["stamp_id"])


def _spurious_rows(detections: Catalogue) -> dict[str, NDArray]:
    """Columns of detections that belong to no true source."""
    n = len(detections)
    return {
        **{name: np.full(n, value) for name, value in NO_TRUTH.items()},
        **{name: detections[name] for name in MEASURED},
        "stamp_id": detections["stamp_id"],
        "is_counted": (detections["flags"] & UNCOUNTED) == 0,
    }


def _taken(values: NDArray, rows: NDArray[np.int64], absent: float) -> NDArray:
    """Return ``values[rows]``, and `absent` where the row is -1."""
    taken = np.full(len(rows), absent, dtype=values.dtype)
    taken[rows >= 0] = values[rows[rows >= 0]]
    return taken
