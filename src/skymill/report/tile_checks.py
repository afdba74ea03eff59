"""What was read, measured and assumed of each tile, and what was odd, as ingest has recorded it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from skymill.ingest.checks import FACTS
from skymill.report.facts import Table
from skymill.report.inventory import Entry


def facts_table(tiles: Iterable[Entry]) -> Table:
    """Return one row a tile, one column for each of :data:`~skymill.ingest.checks.FACTS`."""
    return Table(("Tile", *FACTS), [(entry.name, *_cells(entry)) for entry in tiles])


def _cells(entry: Entry) -> Iterator[str]:
    facts = entry.record.get("extra", {}).get("facts", {})
    for what in FACTS:
        if fact := facts.get(what):
            note = f"; {fact['note']}" if fact["note"] else ""
            yield f"{fact['value']} ({fact['source']}{note})"
        else:
            # Tiles of earlier versions have no account.
            yield "–"


def warnings_table(tiles: Iterable[Entry]) -> Table | None:
    """Return one row a warning; None if there is none."""
    rows = [
        (entry.name, text) for entry in tiles for text in entry.record.get("extra", {}).get("warnings", ())
    ]
    return Table(("Tile", "Warning"), rows) if rows else None
