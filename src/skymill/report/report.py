"""Stage report: the face of a run, one page that works offline and what stands beside it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skymill.catalog.catalogue import Catalogue
from skymill.provenance.atomic import write_text
from skymill.provenance.record import check_inputs
from skymill.provenance.sums import CHECKSUMS, write_sums
from skymill.report.inventory import Inventory, link_catalogues, write_manifest
from skymill.report.page import Material, environment, page_context, render
from skymill.report.pieces import write_pieces
from skymill.report.scores import Scores

log = logging.getLogger(__name__)

METRICS, MANIFEST, CATALOGUES, FIGURES = "metrics.json", "manifest.json", "catalogues", "figures"

IMAGES = ("fetch", "ingest", "inject")
"""Stages whose files are large and mostly not shown; tiles are compared with their own checksums when they are."""


def report(
    run: Mapping[str, Any],
    artifacts: Sequence[Mapping[str, Any]],
    metrics: str | Path | None,
    matched: str | Path | None,
    notes: Sequence[Mapping[str, str]],
    output: str | Path,
) -> None:
    """Write the page and, beside it, the manifest, the metrics, links to the catalogues and small figures.

    Parameters
    ----------
    run : mapping
        ``run`` (the run's name), ``seed``, ``survey`` and ``config`` (both as plain values), ``started`` if known.
    artifacts : sequence of mapping
        ``stage``, ``name``, ``version`` and ``folder`` of each artifact of the run, parents first. One that is not
        there is named on the page.
    metrics : path or None
        The metrics.json of compare; None for a run without any.
    matched : path or None
        The matched table of compare; None for a run without one.
    notes : sequence of mapping
        ``what`` and ``reason`` of everything that was left out or failed.
    output : path
        The page. ``manifest.json``, ``metrics.json``, ``catalogues/``, ``figures/`` and their checksums
        (``SHA256SUMS``) go into its folder.

    Raises
    ------
    DataError
        If metrics or matched table are there but unusable, an artifact is not what its record says, or the page
        cannot be written.
    """
    output = Path(output)
    folder = output.parent
    (folder / CHECKSUMS).unlink(missing_ok=True)
    inventory = Inventory.read(artifacts)
    check_inputs({entry.name: entry.main for entry in inventory.entries if entry.stage not in IMAGES})
    scores = Scores.read(metrics) if metrics and Path(metrics).exists() else Scores()
    table = (
        Catalogue.read(matched, "matched")
        if matched and Path(matched).exists()
        else Catalogue.empty("matched")
    )
    catalogues = {entry.name: entry.main for entry in inventory.catalogues()}
    links = {name: link.name for name, link in link_catalogues(folder / CATALOGUES, catalogues).items()}
    material = Material(run, inventory, scores, table, notes, links)
    templates, context = environment(), page_context(material)
    write_pieces(folder / FIGURES, templates, context, scores, material.palette)
    write_manifest(folder / MANIFEST, inventory)
    write_text(folder / METRICS, Path(metrics).read_text(encoding="utf-8") if scores.records else "[]\n")
    write_text(output, render(templates, context))
    known = {f"{CATALOGUES}/{entry.link_name}": entry.sha256 for entry in inventory.catalogues()}
    write_sums(folder, known)
    log.info("%s: %.1f MB, %d artifacts", output, output.stat().st_size / 1e6, len(inventory.entries))
