"""Tables of what was run."""

from __future__ import annotations

from pathlib import Path

import pytest

from skymill.catalog.flags import Flag
from skymill.report.facts import (
    artifact_table,
    catalogue_rows,
    columns_table,
    config_text,
    flags_table,
    run_facts,
    size_text,
    survey_table,
    version_facts,
)
from skymill.report.inventory import Entry, Inventory

RUN = {"run": "r", "seed": 1}


def made_of(*records, stage="baseline"):
    whole = [{"rows": 1234, "wall_time_s": 2.0, **record} for record in records]
    return Inventory([Entry(stage, f"t.d{n}", "v" * 10, Path("x"), record) for n, record in enumerate(whole)])


def test_run_facts_name_commit_host_and_time():
    git = {"commit": "0123456789abcdef", "dirty": True}
    host = {"name": "here", "system": "Linux"}
    facts = dict(run_facts(RUN, made_of({"git": git, "host": host, "code": "c0de"})))

    assert facts["Git commit"] == "0123456789 with uncommitted changes"
    assert facts["Host"] == "here (Linux)"
    assert facts["Code"] == "c0de"
    assert facts["Time of all artifacts"] == "2.0 s"
    assert "Started" not in facts
    assert "Trained on" not in facts


def test_each_commit_and_device_is_named_once():
    records = [{"git": {"commit": c * 40}, "extra": {"device": d}} for c, d in ("ax", "bx", "ax")]
    facts = dict(run_facts({**RUN, "started": "today"}, made_of(*records)))

    assert facts["Git commit"] == "aaaaaaaaaa, bbbbbbbbbb"
    assert facts["Trained on"] == "x"
    assert facts["Started"] == "today"


def test_an_installed_copy_says_why_it_has_no_commit():
    facts = dict(run_facts(RUN, made_of({"git": {"commit": None, "reason": "not a checkout"}})))

    assert facts["Git commit"] == "not a checkout"


def test_facts_of_nothing_are_not_recorded():
    assert dict(run_facts(RUN, Inventory([])))["Git commit"] == "not recorded"
    assert version_facts(Inventory([])) == []


def test_versions_that_differ_are_both_shown():
    found = version_facts(made_of({"packages": {"numpy": "1"}}, {"packages": {"numpy": "2", "torch": "3"}}))

    assert found == [("numpy", "1, 2"), ("torch", "3")]


def test_programs_are_versions_too():
    record = {"packages": {"sep": "1.4"}, "extra": {"tools": {"source-extractor": "2.25", "sep": "1.4"}}}

    assert version_facts(made_of(record)) == [("sep", "1.4"), ("source-extractor", "2.25")]


def test_artifacts_are_listed_with_rows_time_and_date():
    table = artifact_table(made_of({"finished": "2026-01-02T03:04:05+00:00"}))

    assert table.rows == [("baseline", "t.d0", "v" * 10, "1,234", "2.0 s", "2026-01-02 03:04:05")]


def test_survey_numbers_stand_beside_their_sources():
    survey = {"name": "s", "description": "d", "saturation": None, "psf": {"kind": "moffat", "beta": 3}}
    table = survey_table({**survey, "sources": {"psf": "a paper"}})

    assert table.rows == [("saturation", "none", ""), ("psf", "kind moffat, beta 3", "a paper")]


def test_configuration_is_shown_in_its_order():
    assert config_text({"run": "σ", "a": {"b": [1, 2]}}) == "run: σ\na:\n  b:\n  - 1\n  - 2\n"


def test_columns_and_flags_are_those_of_the_catalogue():
    names = [row[0] for row in columns_table().rows]

    assert names[:3] == ["object_id", "stamp_id", "galaxy_id"]
    assert ("flux", "nJy") in [row[:2] for row in columns_table().rows]
    assert [row[0] for row in flags_table().rows] == [int(flag) for flag in Flag]


@pytest.mark.parametrize(("size", "text"), [(0, "0 kB"), (44_400, "44 kB"), (2_340_000, "2.3 MB")])
def test_sizes(size, text):
    assert size_text(size) == text


def test_catalogues_are_listed_with_their_links(inventory):
    links = {entry.name: f"{entry.name}.parquet" for entry in inventory.catalogues()}
    rows = catalogue_rows(inventory, links)

    assert rows[0]["link"] == "test_blends.unet.parquet"
    assert {row["dataset"] for row in rows} == {"test_blends", "field", "field.injected"}
    assert all(row["size"].endswith("kB") for row in rows)
