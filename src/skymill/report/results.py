"""Results: the panels of the sections on blends, injections and reference catalogues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from skymill.catalog.catalogue import Catalogue
from skymill.report.blend_sets import BLEND_SETS, TEST_BLENDS, BlendSet
from skymill.report.facts import Table
from skymill.report.figures_binned import BinnedPlot, binned_panel
from skymill.report.figures_detection import ranking_panel
from skymill.report.figures_pit import pit_panel
from skymill.report.figures_scatter import outcome_panel, scatter_panel
from skymill.report.headline import dataset_title, value_text
from skymill.report.image_table import image_table
from skymill.report.limit import limit_group
from skymill.report.look import Palette
from skymill.report.panel import Panel
from skymill.report.published import BY_SEPARATION, OUTCOMES, ROWS, SEPARATIONS
from skymill.report.scores import Scores
from skymill.report.shared import shared_table

BOTH = "both_found/"
MAGNITUDE, EITHER_MAGNITUDE = "true magnitude", "magnitude (true; measured for purity)"
SEPARATION, CLASS = "separation / larger half-light radius", "blend class"
TYPE = "type of galaxy"
PUBLISHED_COLUMNS = {
    ("flux_mape", "both_found"): "flux MAPE (%), every galaxy found",
    ("flux_mape", "central_found"): "central found",
    ("flux_mape", "companion_found"): "companion found",
    ("flux_mape", "all"): "all measured",
    ("mag_sigma", "both_found"): "σ(Δm) (mag), every galaxy found",
    ("outlier_fraction", "both_found"): "outliers (%), every galaxy found",
}
"""Metric and subset of each column beside published figures, with its heading."""
BETTER = "Lower is better for MAPE and σ (logarithmic axes); the bias should lie on the dashed line."
SCATTER_CAPTION = (
    "One point is one galaxy; lines are the median (thick) and the central 68 % (dotted) in bins of one magnitude. "
    "Points beyond ±1.5 mag are drawn at the edge. Above the dashed line the measured flux is too faint."
)
OUTCOME_CAPTION = "Fractions of blends. Networks are given the positions and are not here."
OUTCOME_PUBLISHED = " The last bar is the published one, of pairs of real galaxies."
CANDIDATES = (
    "Networks measure the candidates that another detector finds ({found_by}), so their completeness and purity are "
    "that detector's. Bins with few sources have wide intervals."
)


@dataclass(frozen=True)
class Results:
    """What the panels are made of.

    Parameters
    ----------
    scores : Scores
        The run's figures.
    matched : Catalogue
        The matched table.
    palette : Palette
        Styles of the detectors.
    networks : sequence of str
        Detectors that are given the true positions on blends.
    max_points : int
        Points of one scatter plot.
    found_by : str
        What finds the candidates that networks measure on tiles.
    published_datasets : sequence of str
        Sets of blends that published figures may stand beside.
    """

    scores: Scores
    matched: Catalogue
    palette: Palette
    networks: Sequence[str]
    max_points: int
    found_by: str = "see the configuration"
    published_datasets: Sequence[str] = ()

    def blend_panels(self, dataset: str, prefix: str = BOTH) -> list[Panel]:
        """Return flux error, bias and width on a set of blends by magnitude, separation and class.

        `prefix` chooses the galaxies: ``both_found/`` or, for all, nothing. Without figures there are no panels.
        """
        who = "blends where the reference detector found every galaxy" if prefix else "all galaxies measured"
        slug = "both" if prefix else "all"
        plots = (
            (
                "magnitude",
                self._bins(dataset, "mag", prefix),
                MAGNITUDE,
                f"By true magnitude, {who}. {BETTER}",
            ),
            (
                "separation",
                self._bins(dataset, "separation", prefix),
                SEPARATION,
                f"By distance to the nearest neighbour, {who}. Who takes all light within an ellipse suffers most at "
                "the left.",
            ),
            (
                "class",
                self._classes(dataset, "blend_class", prefix),
                CLASS,
                f"By how much of the light within the galaxy's own mask is its neighbours', {who}.",
            ),
            (
                "type",
                self._classes(dataset, "type", prefix),
                TYPE,
                f"By the bulge's part of the light (disc: below 0.2, bulge: from 0.5), {who}.",
            ),
        )
        return [
            self._panel(
                f"{dataset}-{by}-{slug}", f"Photometry by {by}", caption, dataset, categories, x_title
            )
            for by, categories, x_title, caption in plots
            if categories
        ]

    def scatter(self, dataset: str, slug: str) -> Panel:
        """Return measured minus true magnitude of single sources."""
        title = "Measured minus true magnitude"
        return scatter_panel(
            f"{slug}-scatter", title, self.matched, self.palette, dataset, self.max_points, SCATTER_CAPTION
        )

    def found_panels(self, dataset: str) -> list[Panel]:
        """Return what was found in a set of blends."""
        is_published = dataset in self.published_datasets
        published = [("SExtractor in Boucaud et al. 2020", OUTCOMES)] if is_published else []
        outcomes = outcome_panel(
            f"{dataset}-outcomes",
            "What each detector finds in a blend",
            self.scores,
            self.palette,
            dataset,
            published,
            OUTCOME_CAPTION + (OUTCOME_PUBLISHED if is_published else ""),
        )
        return [outcomes, *self._found_by_separation(dataset), *self._found_by_magnitude(dataset)]

    def _found_by_separation(self, dataset: str) -> list[Panel]:
        title = "Blends in which every galaxy is found, by separation"
        caption = "Where galaxies are closer than their own size most detectors see one source."
        bins = self._bins(dataset, "separation")
        if not bins:
            return []
        name = f"{dataset}-found-separation"
        return [self._panel(name, title, caption, dataset, bins, SEPARATION, ("found_both",))]

    def _found_by_magnitude(self, dataset: str) -> list[Panel]:
        title, metrics = "Completeness and purity by magnitude", ("completeness", "purity")
        caption = (
            "Completeness: true galaxies that were found. Purity: detections that belong to a true galaxy."
        )
        bins = self._bins(dataset, "mag")
        if not bins:
            return []
        name = f"{dataset}-found-magnitude"
        hidden = frozenset((metric, name) for metric in metrics for name in self.networks)
        return [self._panel(name, title, caption, dataset, bins, EITHER_MAGNITUDE, metrics, hidden)]

    def tile_panels(self, dataset: str) -> list[Panel]:
        """Return completeness, flux error and single sources of one tile."""
        kind = dataset.partition(":")[0]
        slug = f"{kind}-{self.scores.datasets.index(dataset)}"
        bins = self._bins(dataset, "mag")
        detection = ("completeness",) if kind == "injected" else ("completeness", "purity")
        x_title = MAGNITUDE if kind == "injected" else EITHER_MAGNITUDE
        caption = CANDIDATES.format(found_by=self.found_by)
        # Of a tile with injected galaxies only these are known: there is no purity.
        whole = [] if kind == "injected" else [self._ranking(dataset, slug)]
        return [
            self._panel(
                f"{slug}-found", "Detection by magnitude", caption, dataset, bins, x_title, detection
            ),
            *whole,
            self._panel(f"{slug}-flux", "Photometry by magnitude", BETTER, dataset, bins, MAGNITUDE),
            self.scatter(dataset, slug),
        ]

    def _ranking(self, dataset: str, slug: str) -> Panel:
        return ranking_panel(f"{slug}-ranking", self.matched, self.scores, self.palette, dataset)

    def _panel(self, *arguments: Any) -> Panel:
        return binned_panel(BinnedPlot(*arguments), self.scores, self.palette)

    def _bins(self, dataset: str, quantity: str, prefix: str = "") -> list[tuple[str, str]]:
        return [(found.subset, found.label) for found in self.scores.bins(dataset, quantity, prefix)]

    def _classes(self, dataset: str, quantity: str, prefix: str = "") -> list[tuple[str, str]]:
        members = self.scores.members(dataset, quantity, prefix)
        return [(subset, subset.partition(":")[2].replace("_", " ")) for subset in members]

    def coverage(self, dataset: str) -> Table:
        """Return how often the truth of a set of blends lies in the detectors' own intervals."""
        rows = []
        for style in self.palette.ordered(self.scores.detectors(dataset)):
            metrics = ("coverage_68", "coverage_95", "pit_distance")
            records = [self.scores.get(metric, dataset, style.detector) for metric in metrics]
            if any(records):
                n = max(record.n for record in records if record)
                rows.append((style.detector, f"{n:,}", *map(value_text, records)))
        header = ("Detector", "n", "in its 68 % interval (%)", "in its 95 % interval (%)", "PIT distance (%)")
        return Table(header, rows, (1, 2, 3, 4), is_wide=False)

    def published(self) -> Table:
        """Return the published figures with the run's own below."""
        rows = [[row.method, *map(row.text, PUBLISHED_COLUMNS)] for row in ROWS]
        rows += self._own_rows([(metric, subset) for metric, subset in PUBLISHED_COLUMNS])
        return Table(("Method", *PUBLISHED_COLUMNS.values()), rows, tuple(range(1, 7)))

    def published_separation(self) -> Table:
        """Return the published flux errors by separation with the run's own below, where the bins are the same."""
        own = {
            found.label: found.subset
            for dataset in self.published_datasets
            for found in self.scores.bins(dataset, "separation", BOTH)
        }
        rows = [[method, *map("{:.1f}".format, values)] for method, values in BY_SEPARATION.items()]
        rows += self._own_rows([("flux_mape", own.get(label, "")) for label in SEPARATIONS])
        return Table(("Method", *SEPARATIONS), rows, tuple(range(1, 6)))

    def _own_rows(self, columns: Sequence[tuple[str, str]]) -> list[list[str]]:
        """Return the figures of each detector on blends like the published ones; `columns` are metric and subset."""
        rows = []
        for dataset in self.published_datasets:
            blends = BLEND_SETS[dataset]
            where = "" if blends is TEST_BLENDS else f", {blends.title.lower()}"
            for style in self.palette.ordered(self.scores.detectors(dataset)):
                records = [
                    self.scores.get(metric, dataset, style.detector, subset) for metric, subset in columns
                ]
                if any(records):
                    rows.append([f"{style.detector}{where}", *map(value_text, records)])
        return rows


def blend_groups(results: Results, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what is shown of each set of blends; the first is there even without figures."""
    return [
        _blend_group(results, blends, config)
        for blends in BLEND_SETS.values()
        if blends is TEST_BLENDS or blends.dataset in results.scores.datasets
    ]


def _blend_group(results: Results, blends: BlendSet, config: Mapping[str, Any]) -> dict[str, Any]:
    dataset = blends.dataset
    of_both, of_all = results.blend_panels(dataset, BOTH), results.blend_panels(dataset, "")
    return {
        "title": blends.title,
        "introduction": f"{blends.galaxies} {blends.setting(config)}",
        "panels": [*(of_both or of_all), results.scatter(dataset, dataset)],
        "panels_all": of_all if of_both else [],
        "images": image_table(results.scores, results.palette, dataset),
        "shared": shared_table(results.scores, results.palette, dataset),
        "found": results.found_panels(dataset),
        "coverage": results.coverage(dataset),
        "pit": pit_panel(f"{dataset}-pit", results.matched, results.palette, dataset),
        "limit": limit_group(
            results.scores, results.palette, dataset, {"mag": MAGNITUDE, "separation": SEPARATION}
        ),
    }


def dataset_groups(results: Results, kind: str) -> list[dict[str, Any]]:
    """Return title, panels and, of injected galaxies, the table of shared ones of each dataset ``<kind>:<tile>``."""
    return [
        {
            "title": dataset_title(dataset),
            "panels": results.tile_panels(dataset),
            "shared": shared_table(results.scores, results.palette, dataset),
        }
        for dataset in results.scores.of_kind(kind)
    ]
