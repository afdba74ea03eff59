"""Page: everything that the templates need, and rendering them."""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, TypeVar

import plotly.offline
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from skymill import __version__
from skymill.catalog.catalogue import Catalogue
from skymill.config.compare import CompareConfig, ReportConfig
from skymill.errors import SkymillError
from skymill.report.blend_sets import BLEND_SETS, TEST_BLENDS, BlendSet
from skymill.report.costs import costs_table
from skymill.report.data_section import data_context
from skymill.report.definitions import DEFINITIONS
from skymill.report.facts import (
    artifact_table,
    catalogue_rows,
    columns_table,
    config_text,
    flags_table,
    run_facts,
    survey_table,
    version_facts,
)
from skymill.report.figures_run import duration, times_panel
from skymill.report.gallery import Wall, gallery
from skymill.report.generator_section import generator_context
from skymill.report.headline import COLUMNS, headline_blocks
from skymill.report.inventory import Inventory
from skymill.report.look import Palette
from skymill.report.models_section import model_context
from skymill.report.models_table import models_table
from skymill.report.pictures_section import pictures_context
from skymill.report.published import CITATION, published_datasets
from skymill.report.restored_section import restored_context
from skymill.report.results import Results, blend_groups, dataset_groups
from skymill.report.scores import Scores, is_measured
from skymill.report.summary import found_by, lead, limits

log = logging.getLogger(__name__)

T = TypeVar("T")

SECTIONS = {
    "summary": "Summary",
    "run": "What was run",
    "data": "Data",
    "training": "Training",
    "blends": "Blends",
    "injections": "Injections",
    "reference": "Reference catalogue",
    "gallery": "Best and worst cases",
    "generators": "Drawn galaxies and anomalies",
    "restored": "Restored images",
    "catalogues": "Catalogues",
    "reading": "How to read this page",
}


@dataclass(frozen=True)
class Material:
    """All that the page is made of.

    Parameters
    ----------
    run : mapping
        ``run`` (its name), ``seed``, ``survey``, ``config`` and, if known, ``started``.
    inventory : Inventory
        The artifacts that are there.
    scores : Scores
        The figures.
    matched : Catalogue
        The matched table.
    notes : sequence of mapping
        What is missing or failed: ``{"what": …, "reason": …}``.
    links : mapping of str to str
        Link of each catalogue.
    """

    run: Mapping[str, Any]
    inventory: Inventory
    scores: Scores
    matched: Catalogue
    notes: Sequence[Mapping[str, str]]
    links: Mapping[str, str]

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration."""
        return dict(self.run.get("config") or {})

    @property
    def options(self) -> ReportConfig:
        """What the page shows."""
        return ReportConfig.model_validate(self.config.get("report") or {})

    @property
    def palette(self) -> Palette:
        """Styles of all detectors, those of the figures included."""
        measured = (one.detector for one in self.scores.records if is_measured(one.dataset))
        names = [*self.inventory.detectors, *measured]
        return Palette(list(dict.fromkeys(names)))

    @property
    def background_rms(self) -> float:
        """Noise of the simulated survey, image units."""
        return float(self.run["survey"]["background_rms"])


def environment() -> Environment:
    """Return the templates; every value is escaped unless it is :class:`markupsafe.Markup`."""
    return Environment(
        loader=PackageLoader("skymill.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )


def render(templates: Environment, context: Mapping[str, Any]) -> str:
    """Return the page: one HTML text that needs nothing beside it."""
    scripts = {
        "plotly_js": Markup(plotly.offline.get_plotlyjs()),  # noqa: S704  (plotly's own code)
        "init_js": Markup((resources.files("skymill.report") / "templates" / "init.js").read_text("utf-8")),  # noqa: S704
    }
    return templates.get_template("page.html.j2").render(
        **context, **scripts, policy=_policy(scripts.values())
    )


def _policy(scripts: Sequence[str]) -> str:
    """Return a content security policy: these scripts alone may run, and nothing may be fetched."""
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data: blob:; "
        f"style-src 'unsafe-inline'; script-src {allowed}"
    )


def page_context(material: Material) -> dict[str, Any]:
    """Return all that the templates show."""
    palette, inventory, options = material.palette, material.inventory, material.options
    results = Results(
        material.scores,
        material.matched,
        palette,
        inventory.networks,
        options.max_points,
        found_by(material.config),
        published_datasets(material.config),
    )
    return {
        **_head(material),
        **_summary(material, palette),
        **_run(material),
        **data_context(inventory, palette, options, material.background_rms),
        **model_context(inventory),
        "pictures": pictures_context(inventory, material.scores),
        "models_table": models_table(inventory, material.scores),
        "costs_table": costs_table(inventory),
        **_results(material, results),
        **_gallery(material, palette),
        **_generators(material),
        **_restored(material),
        "catalogues": catalogue_rows(inventory, material.links),
        "columns_table": columns_table(),
        "flags_table": flags_table(),
        "definitions": DEFINITIONS,
    }


def _head(material: Material) -> dict[str, Any]:
    survey, inventory = material.run["survey"], material.inventory
    facts = dict(run_facts(material.run, inventory))
    seconds = sum(entry.wall_time_s for entry in inventory.entries)
    chips = [
        ("survey", survey.get("name", "")),
        ("tiles", len(inventory.tiles)),
        ("detectors", len(material.palette)),
        ("seed", material.run["seed"]),
        ("commit", facts["Git commit"]),
        ("compute", duration(seconds)),
    ]
    return {
        "title": material.options.title,
        "run": material.run["run"],
        "survey_line": f"{survey.get('name', '')}: {survey.get('description', '')}",
        "sections": list(SECTIONS.items()),
        "chips": chips,
        "skymill_version": __version__,
        "styles": list(material.palette),
    }


def _summary(material: Material, palette: Palette) -> dict[str, Any]:
    networks = material.inventory.networks
    compare = CompareConfig.model_validate(material.config.get("compare") or {})
    return {
        "notes": [*material.notes, *material.inventory.missing],
        "lead": lead(material.scores, networks, compare.reference_detectors),
        "columns": list(COLUMNS.values()),
        "blocks": headline_blocks(material.scores, palette, networks),
        "limits": limits(material.inventory, material.config),
    }


def _run(material: Material) -> dict[str, Any]:
    return {
        "run_facts": run_facts(material.run, material.inventory),
        "version_facts": version_facts(material.inventory),
        "times": times_panel(material.inventory),
        "artifacts": artifact_table(material.inventory),
        "survey_table": survey_table(material.run["survey"]),
        "config_text": config_text(material.config),
    }


def _results(material: Material, results: Results) -> dict[str, Any]:
    return {
        "blend_groups": blend_groups(results, material.config),
        "citation": CITATION,
        "has_published": bool(results.published_datasets),
        "published": results.published(),
        "published_separation": results.published_separation(),
        "draws": int((material.config.get("inject") or {}).get("draws", 1)),
        "injections": dataset_groups(results, "injected"),
        "references": dataset_groups(results, "reference"),
    }


def _gallery(material: Material, palette: Palette) -> dict[str, Any]:
    return {
        "galleries": [
            _walls(material, palette, blends) for blends in BLEND_SETS.values() if _is_there(blends, material)
        ]
    }


def _generators(material: Material) -> dict[str, Any]:
    """Return what is drawn and scored by generators; a note says why there is nothing where a file is broken."""
    found = attempted(lambda: generator_context(material.inventory, material.scores))
    if isinstance(found, str):
        return {"generators": [], "anomalies": [], "generators_reason": found}
    return {**found, "generators_reason": "This run has no network that draws galaxies."}


def _restored(material: Material) -> dict[str, Any]:
    """Return how good restored images are; a note says why there is nothing where a file is broken."""
    found = attempted(lambda: restored_context(material.inventory, material.scores))
    if isinstance(found, str):
        return {"restorers": [], "restorers_reason": found}
    return {**found, "restorers_reason": "This run has restored no images."}


def _is_there(blends: BlendSet, material: Material) -> bool:
    return blends is TEST_BLENDS or material.inventory.find("blend", blends.artifact) is not None


def _walls(material: Material, palette: Palette, blends: BlendSet) -> dict[str, Any]:
    """Return the walls of one set of blends, or the reason why there are none."""
    entry = material.inventory.find("blend", blends.artifact)
    if entry is None:
        reason = f"This run has no {blends.title.lower()} to show cases of."
        return {"title": blends.title, "walls": [], "reason": reason}
    walls: list[Wall] | str = attempted(
        lambda: gallery(
            material.matched,
            blends.dataset,
            entry,
            palette,
            material.background_rms,
            material.options.n_gallery,
        )
    )
    if isinstance(walls, str):
        return {"title": blends.title, "walls": [], "reason": walls}
    reason = f"No detector has measured a galaxy with a neighbour on the {blends.title.lower()}."
    return {"title": blends.title, "walls": walls, "reason": reason}


def attempted(make: Callable[[], T]) -> T | str:
    """Return what `make` gives, or in words why a file does not let it."""
    try:
        return make()
    except (SkymillError, OSError) as error:
        log.warning("%s", error)
        return f"This part of the page could not be made: {error}"
