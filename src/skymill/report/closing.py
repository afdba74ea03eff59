"""What a run says last: where that is which was asked for."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol

from skymill.report.inventory import link_catalogues

CATALOGUES = "catalogues"
SHOWN = 20
"""Catalogues that are named one by one."""


class Run(Protocol):
    """What has to be known of a run: :class:`skymill.plan.plan.Plan`."""

    face: Path
    page: Path

    def measured(self) -> Mapping[str, str]:
        """Return the paths of all catalogues by name."""


def closing(run: Run, targets: Collection[str]) -> list[str]:
    """Return the paths of the page or of the tiles' catalogues, and link these where a person looks for them.

    Parameters
    ----------
    run : Run
        The run that has ended well.
    targets : collection of str
        What Snakemake was asked for; empty for the default.

    Raises
    ------
    DataError
        If the catalogues cannot be linked.
    """
    found = []
    if not targets or {"all", "report", str(run.page)} & set(targets):
        found.append(str(run.page))
    if "catalog" in targets:
        found += _catalogues(run)
    return found


def _catalogues(run: Run) -> list[str]:
    """Link all catalogues that are there; returns the links to the networks' catalogues of tiles."""
    there = {name: path for name, path in run.measured().items() if os.path.isfile(path)}  # noqa: PTH113
    links = link_catalogues(run.face / CATALOGUES, there)
    asked = [str(link) for name, link in links.items() if _is_asked_for(name, there[name])]
    more = [f"… and {len(asked) - SHOWN} more in {run.face / CATALOGUES}"] if len(asked) > SHOWN else []
    return [*asked[:SHOWN], *more]


def _is_asked_for(name: str, path: str) -> bool:
    return "/infer/" in path and ".injected" not in name
