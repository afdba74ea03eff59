"""Facts: what was run, with which versions and configuration, as tables of the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from skymill.catalog.flags import MEANING
from skymill.catalog.schema import load_schema
from skymill.report.figures_run import duration
from skymill.report.inventory import Entry, Inventory

Facts = list[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """A plain table of the page.

    Parameters
    ----------
    header : sequence of str
        Names of the columns.
    rows : sequence of sequence of str
        Cells.
    numbers : tuple of int
        Columns that are aligned to the right.
    is_wide : bool
        Whether it takes the whole width.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    numbers: tuple[int, ...] = ()
    is_wide: bool = True


def _distinct(values: Iterable[Any]) -> str:
    """Join the different values in the order of their first appearance."""
    return ", ".join(dict.fromkeys(str(value) for value in values)) or "not recorded"


def _commit(record: Mapping[str, Any]) -> str:
    git = record.get("git") or {}
    if not git.get("commit"):
        return str(git.get("reason", "not recorded"))
    return git["commit"][:10] + (" with uncommitted changes" if git.get("dirty") else "")


def run_facts(run: Mapping[str, Any], inventory: Inventory) -> Facts:
    """Return who, when and where."""
    records = [entry.record for entry in inventory.entries]
    seconds = sum(entry.wall_time_s for entry in inventory.entries)
    hosts = (record.get("host") or {} for record in records)
    devices = [d for entry in inventory.entries if (d := (entry.record.get("extra") or {}).get("device"))]
    facts = [
        ("Run", str(run["run"])),
        ("Seed", str(run["seed"])),
        ("Started", str(run["started"])) if run.get("started") else None,
        ("Git commit", _distinct(map(_commit, records))),
        ("Code", _distinct(record.get("code", "not recorded") for record in records)),
        ("Host", _distinct(f"{h.get('name', '?')} ({h.get('system', '?')})" for h in hosts)),
        ("Trained on", _distinct(devices)) if devices else None,
        ("Time of all artifacts", duration(seconds)),
    ]
    return [fact for fact in facts if fact]


def version_facts(inventory: Inventory) -> Facts:
    """Return the versions of the packages; more than one where stages ran with different ones."""
    packages = [entry.record.get("packages") or {} for entry in inventory.entries]
    names = list(dict.fromkeys(name for versions in packages for name in versions))
    facts = [(name, _distinct(versions[name] for versions in packages if name in versions)) for name in names]
    tools = [(entry.record.get("extra") or {}).get("tools") or {} for entry in inventory.of_stage("baseline")]
    known = {name: version for found in tools for name, version in found.items() if name not in names}
    return facts + [(name, str(version)) for name, version in known.items()]


def artifact_table(inventory: Inventory) -> Table:
    """Return one row for each artifact."""
    header = ("Stage", "Name", "Version", "Rows", "Wall time", "Made")
    rows = [
        (e.stage, e.name, e.version, f"{e.rows:,}", duration(e.wall_time_s), _when(e))
        for e in inventory.entries
    ]
    return Table(header, rows, numbers=(3, 4))


def _when(entry: Entry) -> str:
    """Return date and time without fractions of a second."""
    return str(entry.record.get("finished") or entry.record.get("time") or "")[:19].replace("T", " ")


def survey_table(survey: Mapping[str, Any]) -> Table:
    """Return the survey's numbers and where each comes from."""
    sources = survey.get("sources") or {}
    rows = []
    for key, value in survey.items():
        if key not in ("name", "description", "sources"):
            text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, Mapping) else value
            rows.append((key, "none" if text is None else str(text), sources.get(key, "")))
    return Table(("Key", "Value", "Source"), rows)


def config_text(config: Mapping[str, Any]) -> str:
    """Return the resolved configuration as YAML."""
    return yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, width=110)


def columns_table(schema: str = "measurement") -> Table:
    """Return the columns of a schema."""
    rows = [
        (name, column.unit or "–", column.dtype, column.description)
        for name, column in load_schema(schema).columns.items()
    ]
    return Table(("Column", "Unit", "Type", "Meaning"), rows)


def flags_table() -> Table:
    """Return the flag bits."""
    rows = [(int(flag), flag.name, meaning) for flag, meaning in MEANING.items()]
    return Table(("Bit", "Name", "Meaning"), rows, numbers=(0,), is_wide=False)


def size_text(n_bytes: int) -> str:
    """Write a file's size for people."""
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.0f} kB"


def catalogue_rows(inventory: Inventory, links: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what the page says about each catalogue; `links` names the link of each."""
    return [
        {
            "link": links[entry.name],
            "dataset": entry.dataset,
            "detector": entry.detector,
            "version": entry.version,
            "rows": entry.rows,
            "size": size_text(entry.main.stat().st_size),
        }
        for entry in inventory.catalogues()
    ]
