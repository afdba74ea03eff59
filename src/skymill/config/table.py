"""Tables of the configuration: tab-separated text with a typed row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from skymill.config.base import ConfigModel
from skymill.errors import ConfigError

Row = TypeVar("Row", bound=ConfigModel)


def read_table(path: str | Path, model: type[Row], key: str, what: str) -> list[Row]:
    """Read and check a table.

    Parameters
    ----------
    path : str or Path
        Tab-separated, one header line with names of the model's fields in any order, one row a line. Empty cells take
        the field's default; empty lines and lines that begin with ``#`` are skipped.
    model : type of ConfigModel
        What one row is.
    key : str
        Column that holds a name; no two rows may have the same.
    what : str
        What the table is, for messages: ``tile table``.

    Returns
    -------
    list of model
        In the order of the file.

    Raises
    ------
    ConfigError
        Naming file, line and column: a file that is not there, an unknown or missing column, a cell that is not
        valid, a name that occurs twice; and a table without a row.
    """
    lines = _data_lines(path, what)
    _, header = next(lines, (0, []))
    _check_header(path, header, model)
    rows: dict[str, Row] = {}
    for number, cells in lines:
        row = _parse_row(f"{path}, line {number}", header, cells, model)
        name = getattr(row, key)
        if name in rows:
            raise ConfigError(
                f"{path}, line {number}, column {key}",
                expected=f"each {key} once",
                found=f"'{name}' a second time",
                remedy="Rename one of the two.",
            )
        rows[name] = row
    if not rows:
        raise ConfigError(
            path,
            expected=f"a {what} with one row at least",
            found="none",
            remedy="Add rows, or leave it out.",
        )
    return list(rows.values())


def _data_lines(path: str | Path, what: str) -> Iterator[tuple[int, list[str]]]:
    """Give line number and cells of each line that says something."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(path, expected=f"a tab-separated {what}", found=str(error)) from None
    for number, line in enumerate(text.split("\n"), start=1):
        cells = [cell.strip() for cell in line.split("\t")]
        if any(cells) and not line.startswith("#"):
            yield number, cells


def _check_header(path: str | Path, header: Sequence[str], model: type[ConfigModel]) -> None:
    known = list(model.model_fields)
    needed = [name for name, field in model.model_fields.items() if field.is_required()]
    unknown = [name for name in header if name not in known]
    missing = [name for name in needed if name not in header]
    if unknown or missing or len(set(header)) < len(header):
        wrong = f"unknown: {', '.join(unknown):.300}" if unknown else f"missing: {', '.join(missing)}"
        raise ConfigError(
            f"{path}, header",
            expected=f"the columns {', '.join(needed)} and any of {', '.join(known)}, each once, between tabs",
            found=wrong if unknown or missing else f"a column twice: {', '.join(header):.300}",
        )


def _parse_row(where: str, header: Sequence[str], cells: Sequence[str], model: type[Row]) -> Row:
    if len(cells) > len(header):
        raise ConfigError(where, expected=f"{len(header)} cells", found=f"{len(cells)}")
    filled = {name: cell for name, cell in zip(header, cells, strict=False) if cell}
    try:
        return model.model_validate(filled)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        expected = first["msg"].removeprefix("Value error, ")[:300]
        if not first["loc"]:
            raise ConfigError(where, expected=expected, found=f"the cells {filled}"[:300]) from None
        found = "an empty cell" if first["type"] == "missing" else repr(first["input"])[:200]
        raise ConfigError(f"{where}, column {first['loc'][0]}", expected=expected, found=found) from None
