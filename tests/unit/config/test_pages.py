"""Generated documents are in step with the code."""

import json
from pathlib import Path

import pytest

from skymill.config.pages import config_page, json_schema
from skymill.config.run import RunConfig

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("path", "made"),
    [("config/README.md", config_page), ("workflow/schemas/config.schema.json", json_schema)],
)
def test_generated_files_are_in_step(path, made):
    assert (ROOT / path).read_text() == made(), f"{path} is old: make docs"


def test_the_page_names_every_key():
    page = config_page()
    assert all(f"| `{key}` |" in page for key in RunConfig.model_fields)
    assert "unknown keys" in page.lower()


def test_the_schema_forbids_unknown_keys():
    schema = json.loads(json_schema())
    pieces = [schema, *schema["$defs"].values()]
    assert all(piece["additionalProperties"] is False for piece in pieces if "properties" in piece)
