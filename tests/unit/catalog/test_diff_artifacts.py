"""Two artifacts compared: catalogues, recipes, environment."""

import json

import pytest

from skymill.catalog.catalogue import Catalogue
from skymill.catalog.diff_artifacts import catalogues_in, diff_artifacts, locate
from skymill.errors import DataError, VersionError
from skymill.provenance.artifacts import Change
from skymill.provenance.record import FILENAME


def test_by_name_by_folder_and_by_file(tmp_path, two_runs):
    _, old, _, new = two_runs
    results = tmp_path / "results"
    spellings = [
        (old.label, new.label),
        (f"infer/field.unet@{old.version[:6]}", new.version),
        (str(old.folder), str(new.folder / "catalogue.parquet")),
    ]
    for a, b in spellings:
        diff = diff_artifacts(a, b, results)
        (catalogue,) = diff.catalogues.values()

        assert diff.recipe == (Change("simulate/parametric", "population.mag_high", 24.0, 25.0),)
        assert diff.environment == ()
        mag = next(column for column in catalogue.columns if column.name == "mag")
        assert mag.median == pytest.approx(0.5)


def test_code_and_packages_that_differ(tmp_path, two_runs):
    _, old, _, new = two_runs
    record = {**new.record, "code": "0123456789", "packages": {**new.record["packages"], "sep": "0.1"}}
    (new.folder / FILENAME).write_text(json.dumps(record))
    diff = diff_artifacts(old.label, new.label, tmp_path / "results")

    assert [(change.key, change.after) for change in diff.environment] == [
        ("code", "0123456789"),
        ("sep", "0.1"),
    ]


def test_files_of_the_same_name_are_compared(tmp_path, two_runs):
    _, old, _, new = two_runs
    for artifact in (old, new):
        content = Catalogue.read(artifact.folder / "catalogue.parquet")
        content.write(artifact.folder / "matched.parquet")
    content.write(new.folder / "more.parquet")
    diff = diff_artifacts(old.label, new.label, tmp_path / "results")

    assert list(diff.catalogues) == ["catalogue.parquet", "matched.parquet"]


def test_one_file_each_may_have_different_names(tmp_path, two_runs):
    truth, infer, *_ = two_runs

    assert list(diff_artifacts(truth.label, infer.label, tmp_path / "results").catalogues) == [
        "truth.parquet"
    ]


def test_files_without_a_record_are_compared_without_recipes(tmp_path, two_runs):
    (tmp_path / "loose.parquet").write_bytes((two_runs[1].folder / "catalogue.parquet").read_bytes())
    diff = diff_artifacts(str(tmp_path / "loose.parquet"), two_runs[1].label, tmp_path / "results")

    assert diff.recipe is None
    assert diff.environment is None
    assert diff.catalogues["loose.parquet"].is_same


def test_links_lead_to_the_records(tmp_path, two_runs):
    """A run's folder holds links to its catalogues."""
    _, old, _, new = two_runs
    for name, artifact in (("old", old), ("new", new)):
        (tmp_path / name).symlink_to(artifact.folder / "catalogue.parquet")
    diff = diff_artifacts(str(tmp_path / "old"), str(tmp_path / "new"), tmp_path / "results")

    assert [change.key for change in diff.recipe] == ["population.mag_high"]


def test_all_of_it_as_json(tmp_path, two_runs):
    _, old, _, new = two_runs
    text = json.dumps(diff_artifacts(old.label, new.label, tmp_path / "results").to_dict(), allow_nan=False)
    content = json.loads(text)

    assert content["recipe"] == [
        {"artifact": "simulate/parametric", "key": "population.mag_high", "before": 24.0, "after": 25.0}
    ]
    assert content["catalogues"]["catalogue.parquet"]["matched"] == 5
    assert content["a"] == str(old.folder)


def test_numbers_that_are_not_finite_become_null(tmp_path, two_runs):
    _, old, _, new = two_runs
    path = new.folder / "catalogue.parquet"
    table = Catalogue.read(path).table
    table["flux"][2] = float("nan")
    Catalogue(table, "sources").write(path)
    content = diff_artifacts(old.label, new.label, tmp_path / "results").to_dict()
    columns = {column["name"]: column for column in content["catalogues"]["catalogue.parquet"]["columns"]}

    assert columns["flux"]["changes"][0]["b"] is None


def test_what_cannot_be_found(tmp_path, two_runs):
    with pytest.raises(VersionError, match="artifact 'nothing'"):
        locate("nothing", tmp_path / "results")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: expected a catalogue \(\*\.parquet\), found none"):
        catalogues_in(tmp_path / "empty")


def test_no_file_in_common(tmp_path, two_runs):
    truth, infer, *_ = two_runs
    content = Catalogue.read(infer.folder / "catalogue.parquet")
    content.write(infer.folder / "more.parquet")
    with pytest.raises(DataError, match=r"expected a catalogue called truth\.parquet"):
        diff_artifacts(truth.label, infer.label, tmp_path / "results")


def test_shards_are_not_compared(two_runs):
    assert list(catalogues_in(two_runs[0].folder)) == ["truth.parquet"]
