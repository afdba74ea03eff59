"""The configuration's generated documents: its JSON schema and config/README.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from skymill.config.cutouts import CutoutRow
from skymill.config.ingest import TileRow
from skymill.config.run import RunConfig

INTRODUCTION = """# Configuration

Every key of a run, generated from the typed configuration: `skymill docs config > config/README.md`.
Unknown keys are errors. Units stand at the end of names: `_arcsec`, `_mag`, `_px`. Defaults live in the code, once; a
file in this folder holds what it changes. `workflow/schemas/config.schema.json` is the same as JSON schema for editors.

- `config.yaml`: the default run. `sdss.yaml`, `xdf.yaml`: a real SDSS frame, a cutout of Hubble's XDF. `real.yaml`,
  `real_cutouts.yaml`: test blends of real galaxies.
- `surveys/`: one file a survey (docs/add-a-survey.md).
- `tiles.tsv`, `sdss_tiles.tsv`, `xdf_tiles.tsv`: tile tables, tab-separated, one row a tile; their columns
  are the table TileRow below.
- `kids_sdss_galaxies.tsv`: a table as populations of kind `cutouts` name it; its columns are the table CutoutRow below.
- A single key on the command line: `snakemake --config data_dir=FOLDER`, which replaces it at the top level.
"""


def json_schema() -> str:
    """Return the JSON schema of a run's configuration, ending in a line break."""
    return json.dumps(RunConfig.model_json_schema(), indent=1, sort_keys=True) + "\n"


def config_page() -> str:
    """Return the Markdown page that describes every key: one table a piece, the top level first."""
    schema = RunConfig.model_json_schema()
    tables = {"TileRow": TileRow.model_json_schema(), "CutoutRow": CutoutRow.model_json_schema()}
    pieces = {"RunConfig": schema, **schema.get("$defs", {}), **tables}
    sections = [_section(name, piece) for name, piece in pieces.items() if "properties" in piece]
    return "\n".join([INTRODUCTION, *sections])


def _section(name: str, piece: Mapping[str, Any]) -> str:
    lines = [f"## {name}", "", piece.get("description", "").split("\n\n")[0].replace("\n", " "), ""]
    lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
    required = piece.get("required", [])
    for key, field in piece["properties"].items():
        default = (
            "required"
            if key in required
            else f"`{json.dumps(_plain(field.get('default')), ensure_ascii=False)}`"
        )
        cells = (f"`{key}`", _type(field), default, field.get("description", "") + _bounds(field))
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def _plain(default: Any) -> Any:
    """Say ``{…}`` for a default that is a whole piece: its own table has the values."""
    return "…" if isinstance(default, dict) and default else default


def _type(field: Mapping[str, Any]) -> str:
    return " or ".join(dict.fromkeys(_types(field))) or "any"


def _types(field: Mapping[str, Any]) -> Iterator[str]:
    """Name the forms that a value may take."""
    if "$ref" in field:
        yield f"[{field['$ref'].rsplit('/', 1)[-1]}](#{field['$ref'].rsplit('/', 1)[-1].lower()})"
    elif "enum" in field or "const" in field:
        yield ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    elif forms := (*field.get("oneOf", ()), *field.get("anyOf", ())):
        for form in forms:
            yield from _types(form)
    elif field.get("type") == "array":
        items = field.get("items") or (field.get("prefixItems") or [{}])[0]
        yield f"list of {_type(items)}"
    elif field.get("type") == "object":
        values = field.get("additionalProperties") or next(
            iter(field.get("patternProperties", {}).values()), {}
        )
        yield f"name: {_type(values)}" if isinstance(values, dict) and values else "mapping"
    else:
        yield str(field.get("type", "any"))


def _bounds(field: Mapping[str, Any]) -> str:
    """Say the allowed range, if there is one."""
    forms = [field, *field.get("anyOf", ())]
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f"{sign} {form[key]:g}" for form in forms for key, sign in signs.items() if key in form]
    return f" ({', '.join(found)})" if found else ""
