"""Published figures that the page shows beside the run's own.

Boucaud et al. 2020 (MNRAS 491, 2481), recomputed from the authors' per-object results
(https://github.com/aboucaud/coindeblend); a science test of skymill recomputes them with its own metrics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from skymill.config.blend import Composition
from skymill.report.blend_sets import BLEND_SETS

CITATION = "Boucaud et al. 2020, MNRAS 491, 2481"
SURVEY, MAG = "hst_f160w", (18.0, 23.0)
"""Of the published blends: images of CANDELS in F160W, and the galaxies' magnitudes."""
RECIPE = ("group_sizes", "separation", "delta_mag")
"""Keys of a composition that make the published blends what they are."""


def published_datasets(config: Mapping[str, Any]) -> list[str]:
    """Return the sets of blends of a run that were composed as the published ones.

    Parameters
    ----------
    config : mapping
        The resolved configuration, as plain values.

    Returns
    -------
    list of str
        Datasets of pairs with the paper's separations, magnitudes and differences of magnitude, in its survey. Figures
        of any other blends say nothing beside the published ones.
    """
    return [
        dataset
        for dataset, blends in BLEND_SETS.items()
        if config.get("survey") == SURVEY and _is_published_recipe(config.get(blends.key) or {}, config)
    ]


def _is_published_recipe(blend: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    name = blend.get("population", "")
    recipe = Composition(population="any", preset="boucaud20").composition()
    population = (config.get("populations") or {}).get(name) or {}
    same_pairs = all(blend.get(key) == recipe[key] for key in RECIPE)
    return same_pairs and tuple(population.get("mag") or ()) == MAG


@dataclass(frozen=True)
class Published:
    """Figures of one method.

    Parameters
    ----------
    method : str
        Its name.
    figures : mapping of (str, str) to str
        Value by metric and subset, in the units of the page, with the digits that were recomputed.
    """

    method: str
    figures: Mapping[tuple[str, str], str]

    def text(self, key: tuple[str, str]) -> str:
        """Return one figure; a dash where there is none."""
        return self.figures.get(key, "–")


def _published(method: str, mape: tuple[str, ...], sigma: str, outliers: str) -> Published:
    subsets = ("both_found", "central_found", "companion_found", "all")
    figures = {("flux_mape", subset): value for subset, value in zip(subsets, mape, strict=False)}
    figures |= {("mag_sigma", "both_found"): sigma, ("outlier_fraction", "both_found"): outliers}
    return Published(f"{method}, published", figures)


ROWS = (
    _published("U-Net", ("7.04", "6.78", "7.59", "7.63"), "0.112", "0.04"),
    _published("CNN", ("7.57", "7.57", "7.87", "8.12"), "0.120", "0.11"),
    _published("SExtractor", ("25.8", "29.8", "44.4"), "0.579", "11.1"),
)

OUTCOMES = {"both": 74.3, "central_only": 6.2, "companion_only": 16.6, "more": 2.9}
"""What SExtractor found in the published blends, percent."""

SEPARATIONS = ("0–0.8", "0.8–1.2", "1.2–2", "2–3", "3–6")
BY_SEPARATION = {
    "U-Net, published": (10.7, 9.0, 7.7, 6.0, 5.1),
    "SExtractor, published": (68.0, 40.0, 27.0, 17.0, 13.0),
}
"""Flux MAPE in percent by separation in units of the larger half-light radius."""
