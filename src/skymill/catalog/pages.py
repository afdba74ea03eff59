"""The document of the catalogues, made from the schemas and the flags: ``docs/catalogue.md``."""

from __future__ import annotations

from collections.abc import Iterator

from skymill.catalog.flags import EXTENT, MEANING, Flag
from skymill.catalog.schema import Column, Schema, load_schema, schema_names
from skymill.catalog.texttable import markdown

OPENING = """# Catalogues

<!-- Made by `skymill docs catalogue > docs/catalogue.md` from its schemas and flags; do not edit. -->

Every catalogue keeps to a schema: it has exactly these columns, in this order, with these types, units and ranges,
or it is not written. Each is one Parquet file with VOTable metadata (the VOParquet convention), so that all of these
read it:

```python
from skymill.catalog.catalogue import Catalogue  # checks the schema

catalogue = Catalogue.read("catalogue.parquet")

from astropy.table import Table  # with units, descriptions and UCDs

table = Table.read("catalogue.parquet", format="parquet.votable")

import pandas  # or DuckDB: SELECT * FROM 'catalogue.parquet'

frame = pandas.read_parquet("catalogue.parquet")
```

TOPCAT opens it as Parquet and shows units and UCDs. Beside it stands `provenance.json`: recipe, parents, checksums,
packages, code. The header of the file has the essentials of it: stage, name, version, seed and the parents' versions.

- Positions: pixels, 0 at the centre of the first pixel; sky: degrees, ICRS.
- Fluxes: nJy (AB); magnitudes: AB, `mag = 31.4 - 2.5 log10(flux)`.
- Angles: degrees from +x towards +y, in [-90, 90].
- NaN: not measured or not known. Numbers that name something are -1 where there is nothing to name."""


TESTED = """Tested for source-extractor, sep, photutils and networks, with candidates of sep and of a network:

- each flag on one simulated tile with sources in the middle, across the edges, beside and under bad pixels and pixels
  without data, saturated, in a pair, and on a seam between windows: all detectors give the same flags;
- DUPLICATE where two windows both claim a source, and nowhere else;
- `fwhm` of Gaussian and Moffat stars of 2.5 to 6 px: the median within 1 % without noise, within 3 % at a signal to
  noise of 50 (source-extractor, sep, photutils; networks' candidates go the same way, tested on stars of 3.5 px: each
  within 10 %);
- `snr`: flux / flux_err;
- the same catalogue, to rounding, from the same tile in another unit."""


def catalogue_page() -> str:
    """Return ``docs/catalogue.md``: how to read a catalogue, the flags, and all columns of all schemas."""
    schemas = [load_schema(name) for name in schema_names()]
    return "\n\n".join([OPENING, *_flags(), *(part for schema in schemas for part in _schema(schema))]) + "\n"


def _flags() -> Iterator[str]:
    yield "## Flags"
    yield "The column `flags` is the sum of these bits; every detector sets the same, by these definitions."
    yield markdown(("bit", "name", "meaning"), [[str(flag.value), flag.name, MEANING[flag]] for flag in Flag])
    yield EXTENT
    yield TESTED


def _schema(schema: Schema) -> Iterator[str]:
    yield f"## `{schema.name}`, version {schema.version}"
    yield schema.description
    rows = [_row(name, column) for name, column in schema.columns.items()]
    yield markdown(("column", "type", "unit", "UCD", "values", "description"), rows)


def _row(name: str, column: Column) -> list[str]:
    ucd = f"`{column.ucd}`" if column.ucd else ""
    optional = " (may be left out by a detector)" if column.optional else ""
    return [f"`{name}`", column.dtype, column.unit, ucd, _values(column), column.description + optional]


def _values(column: Column) -> str:
    if column.allowed:
        return ", ".join(column.allowed)
    if column.low is None and column.high is None:
        return ""
    if column.high is None:
        return f">= {column.low:g}"
    return f"<= {column.high:g}" if column.low is None else f"{column.low:g} … {column.high:g}"
