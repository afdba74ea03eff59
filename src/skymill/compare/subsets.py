"""The rows of a matched table that each figure is made of, by the names that they have in metrics.json.

``both_found``, ``central_found`` and ``companion_found`` are the blends in which the *reference detector* found both
galaxies, the central one or the companion: detectors are compared there on the same galaxies. ``close_pair_fainter``
are sources with a brighter one nearer than ``compare.close_pair_px``: the hard ones to find. Magnitude and separation
bins exist for all rows and, as ``both_found/…`` on blends and ``isolated/…`` on tiles, for the cleaner ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skymill.compare.blends import BOTH, CENTRAL_ONLY, COMPANION_ONLY
from skymill.compare.matched import is_of_blends
from skymill.compare.truth import NONE
from skymill.metrics.binning import Bins

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skymill.catalog.catalogue import Catalogue
    from skymill.config.compare import CompareConfig

TYPE_LIMITS = (0.2, 0.5)
"""Bulge's fraction of the flux below which a galaxy counts as a disc, and from which as a bulge."""
Subsets = dict[str, "NDArray[np.bool_]"]


def truth_subsets(matched: Catalogue, dataset: str, config: CompareConfig) -> Subsets:
    """Return subsets of the true sources that are counted.

    Parameters
    ----------
    matched : Catalogue
        Schema ``matched``, n rows of one dataset and one detector.
    dataset : str
        Name of the dataset.
    config : CompareConfig
        Edges of the bins, limit of what is bright.

    Returns
    -------
    dict of str to ndarray (n,), bool
        ``all`` first.
    """
    base = matched["is_counted"] & (matched["truth_id"] >= 0)
    mag = Bins("mag", config.mag_edges_mag).members(matched["mag_true"])
    special = _of_blends(matched, config) if is_of_blends(dataset) else _of_sources(matched, mag, config)
    close = matched["brighter_distance"] < config.close_pair_px
    subsets = {"all": np.ones(len(matched), dtype=bool), "close_pair_fainter": close, **special, **mag}
    return {name: rows & base for name, rows in subsets.items()}


def detection_subsets(matched: Catalogue, config: CompareConfig) -> Subsets:
    """Return subsets of the detections that are counted; magnitude bins are of the **measured** magnitude.

    Parameters and return value are those of :func:`truth_subsets`.
    """
    base = matched["is_counted"] & (matched["object_id"] >= 0)
    mag = Bins("mag", config.mag_edges_mag).members(matched["mag"])
    return {name: rows & base for name, rows in {"all": np.ones(len(matched), dtype=bool), **mag}.items()}


def blend_subsets(matched: Catalogue, config: CompareConfig) -> Subsets:
    """Return subsets of whole blends, each stood for by its central galaxy's row.

    Parameters and return value are those of :func:`truth_subsets`.
    """
    base = (matched["role"] == "central") & (matched["outcome"] != NONE)
    bins = Bins("separation", config.separation_edges_re).members(matched["separation_re"])
    return {name: rows & base for name, rows in {"all": np.ones(len(matched), dtype=bool), **bins}.items()}


def _of_blends(matched: Catalogue, config: CompareConfig) -> Subsets:
    is_central, is_companion = (matched["role"] == role for role in ("central", "companion"))
    separation = Bins("separation", config.separation_edges_re).members(matched["separation_re"])
    classes = {
        f"blend_class:{name}": matched["blend_class"] == name for name in ("isolated", "moderate", "strong")
    }
    classes |= _types(matched["bulge_to_total"])
    subsets = {"central": is_central, "companion": is_companion, **separation, **classes}
    reference = matched["reference_outcome"]
    if not (reference != NONE).any():
        return subsets
    both = reference == BOTH
    mag = Bins("mag", config.mag_edges_mag).members(matched["mag_true"])
    return {
        "both_found": both,
        "central_found": is_central & np.isin(reference, [BOTH, CENTRAL_ONLY]),
        "companion_found": is_companion & np.isin(reference, [BOTH, COMPANION_ONLY]),
        **subsets,
        **{f"both_found/{name}": rows & both for name, rows in {**separation, **classes, **mag}.items()},
    }


def _types(bulge_to_total: NDArray) -> Subsets:
    """Return galaxies by type: mostly disc, in between, mostly bulge."""
    low, high = TYPE_LIMITS
    return {
        "type:disc": bulge_to_total < low,
        "type:disc_and_bulge": (bulge_to_total >= low) & (bulge_to_total < high),
        "type:bulge": bulge_to_total >= high,
    }


def _of_sources(matched: Catalogue, mag: Subsets, config: CompareConfig) -> Subsets:
    isolated, bright = matched["is_isolated"], matched["mag_true"] < config.bright_limit_mag
    galaxies, stars = (matched["kind"] == kind for kind in ("galaxy", "star"))
    return {
        "galaxies": galaxies,
        "stars": stars,
        "bright": bright,
        "isolated": isolated,
        "blended": ~isolated,
        "isolated_bright": isolated & bright,
        "isolated_bright_galaxies": isolated & bright & galaxies,
        **{f"isolated/{name}": rows & isolated for name, rows in mag.items()},
    }
