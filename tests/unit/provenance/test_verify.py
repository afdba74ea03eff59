"""Verification: whatever is done to an artifact is found, and named."""

import json
import shutil
from pathlib import Path

import pytest

from skymill.provenance.artifacts import Artifact, read_artifact
from skymill.provenance.recipe import REVISIONS
from skymill.provenance.record import FILENAME, sha256
from skymill.provenance.verify import Finding, verify


@pytest.fixture
def chain(make_artifact) -> tuple[Artifact, Artifact]:
    parent = make_artifact("simulate", "parametric", file="truth.parquet")
    return parent, make_artifact("infer", "field.unet", None, {"model": parent})


def check(tmp_path: Path, *artifacts: Artifact) -> list[Finding]:
    return list(verify(tmp_path / "results", [read_artifact(artifact.folder) for artifact in artifacts]))


def edit_record(artifact: Artifact, **change: object) -> None:
    record = {**artifact.record, **change}
    (artifact.folder / FILENAME).write_text(json.dumps(record))


def test_all_is_well(tmp_path, chain):
    assert check(tmp_path, *chain) == []


def test_a_changed_file(tmp_path, chain):
    path = chain[1].folder / "catalogue.parquet"
    recorded = sha256(path)
    path.write_bytes(path.read_bytes() + b"\0")
    (found,) = check(tmp_path, chain[1])

    assert found.where == f"{chain[1].label}/catalogue.parquet"
    assert found.what == f"has changed: recorded sha256 {recorded}, found {sha256(path)}"
    assert found.is_problem


@pytest.mark.parametrize("name", ["catalogue.parquet", "shards/0-5.parquet"])
def test_a_missing_file(tmp_path, chain, name):
    (chain[1].folder / name).unlink()

    assert check(tmp_path, chain[1]) == [Finding(f"{chain[1].label}/{name}", "is missing")]


def test_an_extra_file(tmp_path, chain):
    (chain[1].folder / "shards" / "copy.parquet").touch()
    (chain[1].folder / ".partial-12-catalogue.parquet").touch()

    assert check(tmp_path, chain[1]) == [
        Finding(f"{chain[1].label}/shards/copy.parquet", "is not in the record")
    ]


def test_no_record(tmp_path, chain):
    (chain[1].folder / FILENAME).unlink()
    (found,) = check(tmp_path, chain[1])

    assert found.where == chain[1].label
    assert found.what.startswith("has no usable record: ")


def test_half_a_record(tmp_path, chain):
    record = {key: value for key, value in chain[1].record.items() if key not in ("outputs", "rows")}
    (chain[1].folder / FILENAME).write_text(json.dumps(record))
    (found,) = check(tmp_path, chain[1])

    assert "a record in which outputs, rows are missing" in found.what


def test_a_recipe_that_was_edited(tmp_path, chain):
    edit_record(chain[1], params={"seed": 2})
    (found,) = check(tmp_path, chain[1])

    assert "its recipe has the version " in found.what
    assert found.is_problem


def test_a_folder_that_was_renamed(tmp_path, chain):
    other = chain[1].folder.with_name("0123456789")
    shutil.move(chain[1].folder, other)
    whats = [found.what for found in check(tmp_path, read_artifact(other))]

    assert whats == [
        f"its record is of {chain[1].label}",
        f"its recipe has the version {chain[1].version}, not the folder's",
    ]


def test_artifacts_of_an_older_revision_of_their_stage_are_right(tmp_path, chain, monkeypatch):
    monkeypatch.setitem(REVISIONS, "infer", 2)

    assert check(tmp_path, *chain) == []


def test_a_parent_that_is_gone_is_worth_a_note(tmp_path, chain):
    shutil.rmtree(chain[0].folder)

    assert check(tmp_path, chain[1]) == [
        Finding(chain[1].label, f"its parent 'model', version {chain[0].version}, is gone", is_problem=False)
    ]


def test_a_parent_whose_content_is_another_now(tmp_path, chain):
    path = chain[0].folder / "truth.parquet"
    path.write_bytes(b"made again, with another result")
    (found,) = check(tmp_path, chain[1])

    assert "another content of its input 'model'" in found.what
    assert found.is_problem


def test_results_that_were_moved(tmp_path, chain):
    shutil.move(tmp_path / "results", tmp_path / "moved")
    moved = [tmp_path / "moved" / "artifacts" / artifact.label for artifact in chain]
    assert list(verify(tmp_path / "moved", map(read_artifact, moved))) == []

    (moved[0] / "truth.parquet").write_bytes(b"other")
    (found,) = verify(tmp_path / "moved", [read_artifact(moved[1])])
    assert found.is_problem


@pytest.mark.parametrize("change", [None, "edited"])
def test_an_outside_file_that_changed_is_worth_a_note(tmp_path, chain, change):
    image = tmp_path / "image.fits"
    image.write_text("image")
    described = {"path": str(image), "sha256": sha256(image)}
    edit_record(chain[0], inputs={"image": described})
    if change:
        image.write_text(change)
    found = check(tmp_path, chain[0])

    assert [finding.is_problem for finding in found] == ([False] if change else [])
