from __future__ import annotations

from pathlib import Path

from skymill.ingest.checks import FACTS, Checks
from skymill.report.inventory import Entry
from skymill.report.tile_checks import facts_table, warnings_table


def entry(name: str, extra: dict) -> Entry:
    return Entry("ingest", name, "0123456789", Path("nowhere"), {"extra": extra})


def test_each_tile_has_its_row_and_earlier_ones_a_dash():
    checks = Checks("a.fits[0]")
    checks.note("filter", "r", "read")
    checks.note("PSF", "FWHM 3.50 px", "assumed", "too few stars")
    checks.warn("something is odd")
    tiles = [entry("a", checks.record()), entry("old", {})]
    table = facts_table(tiles)

    assert table.header == ("Tile", *FACTS)
    row = dict(zip(table.header, table.rows[0], strict=True))
    assert (row["filter"], row["PSF"], row["gain"]) == (
        "r (read)",
        "FWHM 3.50 px (assumed; too few stars)",
        "–",
    )
    assert set(table.rows[1][1:]) == {"–"}
    assert warnings_table(tiles).rows == [("a", "something is odd")]
    assert warnings_table(tiles[1:]) is None
    assert checks.line() == "filter r (read); PSF FWHM 3.50 px (assumed, too few stars)"
