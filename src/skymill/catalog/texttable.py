"""Tables as text: aligned for a terminal, Markdown for a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Row = Sequence[str]


def aligned(header: Row, rows: Iterable[Row]) -> str:
    """Return a table whose columns are aligned with spaces; columns that hold numbers only stand to the right."""
    cells = [list(header), *map(list, rows)]
    columns = list(zip(*cells, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [len(column) > 1 and all(map(_is_number, column[1:])) for column in columns]
    lines = [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        for row in cells
    ]
    return "\n".join(line.rstrip() for line in lines)


def markdown(header: Row, rows: Iterable[Row]) -> str:
    """Return a table in Markdown; what the cells hold is shown as it is."""
    lines = [header, ["---"] * len(header), *rows]
    cells = [[_escaped(cell) for cell in row] if number != 1 else row for number, row in enumerate(lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell or "0")
    except ValueError:
        return False
    return True


def _escaped(cell: str) -> str:
    text = cell.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return " ".join(text.split())
