"""docs/catalogue.md says what the schemas say."""

import pytest

from skymill.catalog.flags import Flag
from skymill.catalog.pages import catalogue_page
from skymill.catalog.schema import load_schema, schema_names


def test_the_document_is_in_step(repository):
    written = (repository / "docs" / "catalogue.md").read_text(encoding="utf-8")

    assert written == catalogue_page(), "run: skymill docs catalogue > docs/catalogue.md"


@pytest.mark.parametrize("name", schema_names())
def test_every_column_is_in_it(name):
    schema = load_schema(name)
    section = catalogue_page().partition(f"## `{name}`, version {schema.version}")[2].partition("\n## ")[0]

    assert [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")] == list(
        schema.columns
    )
    assert all(column.description in section for column in schema.columns.values())


def test_every_flag_is_in_it():
    assert all(f"| {flag.value} | {flag.name} |" in catalogue_page() for flag in Flag)


def test_every_table_has_cells_of_one_number():
    for line in catalogue_page().splitlines():
        if line.startswith("|"):
            assert line.count("|") in (4, 7), line
