"""The run's artifacts, their manifest and the links to catalogues."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from skymill.errors import DataError
from skymill.plan.artifact import FILES
from skymill.provenance.record import sha256
from skymill.report.inventory import MAIN_FILES, Entry, Inventory, link_catalogues, write_manifest


def entry(stage="baseline", name="field.sep", folder="x", **record):
    return Entry(stage, name, "0" * 10, Path(folder), {"rows": 1, "wall_time_s": 2.0, **record})


def catalogues_of(inventory: Inventory) -> dict[str, Path]:
    return {entry.name: entry.main for entry in inventory.catalogues()}


def test_main_files_are_those_of_the_plan():
    assert {stage: next(iter(files.values())) for stage, files in FILES.items()} == MAIN_FILES


def test_a_catalogue_knows_its_dataset_and_detector():
    catalogue = entry(name="field.injected.sep_plain")

    assert (catalogue.dataset, catalogue.detector) == ("field.injected", "sep_plain")


def test_detectors_are_networks_first(inventory):
    assert inventory.networks == ["unet", "cnn"]
    assert inventory.detectors == [
        "unet",
        "cnn",
        "source_extractor",
        "source_extractor_plain",
        "sep",
        "photutils",
    ]
    assert inventory.tiles == ["field"]


@pytest.mark.parametrize("spoil", ["folder", "provenance", "product", "item"])
def test_what_cannot_be_traced_is_missing(tmp_path: Path, spoil: str):
    folder = tmp_path / "baseline"
    folder.mkdir()
    record = {"rows": 3, "wall_time_s": 1.0}
    if spoil == "item":
        del record["rows"]
    (folder / "provenance.json").write_text("{" if spoil == "provenance" else json.dumps(record))
    if spoil != "product":
        (folder / "catalogue.parquet").write_bytes(b"")
    place = tmp_path / "nowhere" if spoil == "folder" else folder
    artifact = {"stage": "baseline", "name": "t.sep", "version": "ab", "folder": str(place)}

    inventory = Inventory.read([artifact])

    assert not inventory.entries
    (note,) = inventory.missing
    assert note["what"] == "baseline t.sep"
    assert str(place) in note["reason"]


def test_manifest_names_every_artifact_with_its_checksum(run, inventory, tmp_path: Path):
    write_manifest(tmp_path / "manifest.json", inventory)

    manifest = json.loads((tmp_path / "manifest.json").read_text())

    assert [(row["stage"], row["name"]) for row in manifest] == [
        (a["stage"], a["name"]) for a in run.artifacts
    ]
    assert all(list(row) == ["stage", "name", "version", "path", "sha256", "rows"] for row in manifest)
    catalogue = next(row for row in manifest if row["name"] == "field.sep")
    assert catalogue["sha256"] == sha256(catalogue["path"])


def test_manifest_of_nothing_is_an_empty_array(tmp_path: Path):
    write_manifest(tmp_path / "manifest.json", Inventory([]))

    assert json.loads((tmp_path / "manifest.json").read_text()) == []


def test_checksum_is_taken_from_the_file_where_the_record_has_none(tmp_path: Path):
    (tmp_path / "catalogue.parquet").write_bytes(b"abc")

    assert entry(folder=tmp_path).sha256 == sha256(tmp_path / "catalogue.parquet")


def test_links_lead_to_the_catalogues_by_relative_paths(inventory, tmp_path: Path):
    links = link_catalogues(tmp_path / "catalogues", catalogues_of(inventory))

    assert links["field.injected.sep"] == tmp_path / "catalogues/field.injected.sep.parquet"
    assert len(links) == len(inventory.catalogues()) == 18
    for catalogue in inventory.catalogues():
        link = links[catalogue.name]
        assert not link.readlink().is_absolute()
        assert link.resolve() == catalogue.main.resolve()


def test_links_of_a_former_run_go_and_files_stay(inventory, tmp_path: Path):
    (tmp_path / "old.parquet").symlink_to("nowhere")
    (tmp_path / "mine.txt").write_text("keep")

    link_catalogues(tmp_path, catalogues_of(inventory))

    assert not (tmp_path / "old.parquet").is_symlink()
    assert (tmp_path / "mine.txt").read_text() == "keep"


@pytest.mark.parametrize("name", ["../../etc/x.sep", "/root/x.sep", "<script>.sep", "..sep", "a\nb.sep"])
def test_a_name_from_outside_is_never_a_path(name: str, tmp_path: Path):
    (tmp_path / "catalogue.parquet").write_bytes(b"")
    folder = tmp_path / "links"

    links = link_catalogues(folder, {name: tmp_path / "catalogue.parquet"})

    assert list(folder.iterdir()) == list(links.values())
    assert not set("/<>\n") & set(links[name].name)
    assert not links[name].name.startswith(".")


def test_copies_of_links_become_links_again(inventory, tmp_path: Path):
    links = link_catalogues(tmp_path / "run/catalogues", catalogues_of(inventory))
    shutil.copytree(tmp_path / "run", tmp_path / "copy", symlinks=False)
    copied = tmp_path / "copy/catalogues/field.sep.parquet"
    assert not copied.is_symlink()

    again = link_catalogues(tmp_path / "copy/catalogues", catalogues_of(inventory))

    assert again.keys() == links.keys()
    assert copied.is_symlink()
    assert copied.resolve() == links["field.sep"].resolve()


def test_a_folder_that_cannot_hold_links_is_named(inventory, tmp_path: Path):
    (tmp_path / "catalogues").write_text("a file")

    with pytest.raises(DataError, match="catalogues: expected a folder for links to the catalogues"):
        link_catalogues(tmp_path / "catalogues", catalogues_of(inventory))
