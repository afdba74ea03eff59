"""Parquet files that carry VOTable metadata, after the VOParquet convention 1.0 (IVOA Note of 2025-01-16).

Astropy reads them as ``parquet.votable``; TOPCAT, pandas and DuckDB read them as Parquet.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io.votable import parse as parse_votable
from astropy.io.votable.tree import Field, Info, Param, Resource, TableElement, VOTableFile
from astropy.table import Column, Table

from skymill.errors import DataError
from skymill.provenance.atomic import atomic_path

if TYPE_CHECKING:
    from skymill.catalog.schema import Schema

VERSION_KEY = b"IVOA.VOTable-Parquet.version"
CONTENT_KEY = b"IVOA.VOTable-Parquet.content"
DIGEST_KEY = b"skymill.sha256"
VOTABLE_TYPES = {
    "int32": "int",
    "int64": "long",
    "float32": "float",
    "float64": "double",
    "bool": "boolean",
    "str": "unicodeChar",
}


def write(path: str | Path, table: Table, schema: Schema, params: Mapping[str, str | int | float]) -> None:
    """Write `table` with the schema's column metadata and `params` in the VOTable header, whole or not at all."""
    columns = {name: np.asarray(table[name]) for name in schema.columns}
    arrays = {name: pa.array(values) for name, values in columns.items()}
    widths = {name: _width(table[name]) for name, column in schema.columns.items() if column.dtype == "str"}
    # Astropy's reader takes the length of text columns from these keys, and warns where they are missing.
    lengths = {f"table::len::{name}".encode(): str(width).encode() for name, width in widths.items()}
    metadata = {VERSION_KEY: b"1.0", CONTENT_KEY: _header(schema, params, len(table), widths), **lengths}
    # Parquet has checksums of its pages and none of its footer.
    metadata[DIGEST_KEY] = _digest(columns, metadata)
    content = pa.table(arrays).replace_schema_metadata(metadata)
    with atomic_path(path) as partial:
        pq.write_table(content, partial, compression="zstd", write_page_checksum=True)


def read(path: str | Path) -> tuple[Table, dict[str, Any]]:
    """Read a table and the parameters of its VOTable header.

    Raises
    ------
    DataError
        If the file is not Parquet with VOTable metadata, or is damaged.
    """
    try:
        content = pq.read_table(path, page_checksum_verification=True)
        metadata = dict(content.schema.metadata or {})
        recorded = metadata.pop(DIGEST_KEY, None)
        columns = {name: _to_numpy(content[name]) for name in content.column_names}
        params = _params(metadata[CONTENT_KEY])
        is_whole = recorded in (None, _digest(columns, metadata))
    except Exception as error:
        # Arrow, expat and astropy raise what suits the place of the damage.
        raise DataError(
            path,
            expected="a catalogue in Parquet with VOTable metadata",
            found=f"{type(error).__name__}: {' '.join(str(error).split())}",
        ) from error
    if not is_whole:
        raise DataError(
            path,
            expected="the catalogue as it was written",
            found="another checksum: it was damaged or edited",
            remedy="Delete it and run its stage again.",
        )
    return Table(columns, copy=False), params


def _params(header: bytes) -> dict[str, Any]:
    """Return the parameters of a VOTable header."""
    resource = parse_votable(io.BytesIO(header), verify="ignore").resources[0]
    texts = {info.name: info.value for info in resource.infos}
    numbers = {param.name: np.asarray(param.value).item() for param in resource.params}
    return {**texts, **numbers}


def _digest(columns: Mapping[str, np.ndarray], metadata: Mapping[bytes, bytes]) -> bytes:
    """Return the SHA-256 of names, types and values of the columns and of the file's own metadata."""
    found = hashlib.sha256()
    for key, value in sorted(metadata.items()):
        found.update(key + b"=" + value)
    for name, values in columns.items():
        is_text = values.dtype.kind in "OTU"
        found.update(f"{name} {'text' if is_text else values.dtype.str} {len(values)}".encode())
        found.update("\0".join(values.tolist()).encode() if is_text else np.ascontiguousarray(values).data)
    return found.hexdigest().encode()


def _width(column: Column) -> int:
    """Return the length of the longest text of a column, at least 1; the room that the column has does not count."""
    return max(1, int(np.char.str_len(np.asarray(column)).max(initial=0)))


def _header(
    schema: Schema, params: Mapping[str, str | int | float], rows: int, widths: Mapping[str, int]
) -> bytes:
    """Return a VOTable without data that describes the columns; `widths` are the lengths of text columns."""
    votable = VOTableFile(version="1.4")
    resource = Resource(name=schema.name)
    votable.resources.append(resource)
    for number, (name, value) in enumerate(params.items()):
        # Text goes into INFO: in PARAM astropy escapes it twice.
        if isinstance(value, str):
            resource.infos.append(Info(ID=f"info{number}", name=name, value=value))
        else:
            resource.params.append(_param(votable, f"param{number}", name, value))
    element = TableElement(votable, name=schema.name, nrows=rows)
    element.description = schema.description
    resource.tables.append(element)
    for name, column in schema.columns.items():
        size = {"arraysize": str(widths[name])} if name in widths else {}
        unit = {"unit": column.unit} if column.unit else {}
        ucd = {"ucd": column.ucd} if column.ucd else {}
        field = Field(
            votable, ID=name, name=name, datatype=VOTABLE_TYPES[column.dtype], **size, **unit, **ucd
        )
        field.description = column.description
        element.fields.append(field)
    stream = io.BytesIO()
    votable.to_xml(stream)
    return stream.getvalue()


def _param(votable: VOTableFile, identifier: str, name: str, value: int | float) -> Param:
    kind = "double" if isinstance(value, float) else "long"
    return Param(votable, ID=identifier, name=name, datatype=kind, value=str(value))


def _to_numpy(column: pa.ChunkedArray) -> np.ndarray:
    values = column.to_numpy()
    return values.astype(str) if values.dtype.kind in "OT" else values
