"""Artifacts on disk: listed, found by short names, their recipes compared down to the parameter that changed."""

import pytest

from skymill.errors import VersionError
from skymill.provenance.artifacts import (
    ABSENT,
    Change,
    find_artifact,
    list_artifacts,
    read_artifact,
    recipe_changes,
    records_by_version,
)
from skymill.provenance.recipe import REVISIONS, Recipe


def test_artifacts_are_listed_by_stage_name_and_time(tmp_path, two_runs):
    old_truth, old, new_truth, new = two_runs
    found = list_artifacts(tmp_path / "results")

    assert {artifact.label for artifact in found} == {artifact.label for artifact in two_runs}
    assert [artifact.stage for artifact in found] == ["infer", "infer", "simulate", "simulate"]
    assert list_artifacts(tmp_path / "results", "simulate") == [
        artifact for artifact in found if artifact.version in (old_truth.version, new_truth.version)
    ]
    assert list_artifacts(tmp_path / "results", name="field.unet") == [
        artifact for artifact in found if artifact.version in (old.version, new.version)
    ]
    assert old.finished <= new.finished


def test_what_is_no_artifact_is_not_listed(tmp_path, two_runs):
    artifacts = tmp_path / "results" / "artifacts"
    (artifacts / "infer" / "field.unet" / "notes").mkdir()
    (artifacts / "infer" / "field.unet" / "0123456789.failure.json").write_text("{}")
    (artifacts / "README").touch()

    assert len(list_artifacts(tmp_path / "results")) == len(two_runs)
    assert list_artifacts(tmp_path / "nothing") == []


@pytest.mark.parametrize("content", [None, "{half"])
def test_an_artifact_without_a_record_is_listed_as_unfinished(tmp_path, content):
    folder = tmp_path / "results" / "artifacts" / "train" / "unet" / "0123456789"
    folder.mkdir(parents=True)
    if content:
        (folder / "provenance.json").write_text(content)
    (found,) = list_artifacts(tmp_path / "results")

    assert found.label == "train/unet/0123456789"
    assert found.record is None
    assert found.finished == ""


@pytest.mark.parametrize(
    "spec",
    ["{stage}/{name}/{version}", "{stage}/{name}@{version}", "{stage}/{name}/{version:.6}", "{version:.8}"],
)
def test_short_names(tmp_path, two_runs, spec):
    for artifact in two_runs:
        place = {"stage": artifact.stage, "name": artifact.name, "version": artifact.version}
        assert find_artifact(tmp_path / "results", spec.format(**place)) == artifact


def test_a_stage_and_a_name_are_enough_for_the_only_version(tmp_path, make_artifact):
    only = make_artifact("simulate", "parametric")

    assert find_artifact(tmp_path / "results", "simulate/parametric") == only


@pytest.mark.parametrize(
    ("spec", "found"),
    [("infer/field.unet", "2: infer/"), ("nothing", "none"), ("a/b/c/d", "none"), ("train/x", "none")],
)
def test_names_of_none_or_several(tmp_path, two_runs, spec, found):
    with pytest.raises(VersionError, match=rf"artifact '{spec}': expected one artifact .*, found {found}"):
        find_artifact(tmp_path / "results", spec)


def recipe(params: dict, parents: dict | None = None, stage: str = "train") -> dict:
    return Recipe(stage, "unet", params, parents or {}).to_dict()


def test_changed_new_and_removed_parameters():
    before = recipe({"model": {"lr": 1e-3, "depth": 4, "old": [1, 2]}, "seed": 1})
    after = recipe({"model": {"lr": 2e-3, "depth": 4, "new": None}, "seed": 1})

    assert recipe_changes(before, after) == [
        Change("train/unet", "model.lr", 1e-3, 2e-3),
        Change("train/unet", "model.new", ABSENT, None),
        Change("train/unet", "model.old", [1, 2], ABSENT),
    ]
    assert recipe_changes(before, before) == []


def test_a_mapping_that_became_empty_or_a_number():
    before, after = recipe({"psf": {"fwhm": 1.0}, "noise": {"a": 1}}), recipe({"psf": {}, "noise": 3})

    assert [(change.key, change.after) for change in recipe_changes(before, after)] == [
        ("noise", 3),
        ("noise.a", ABSENT),
        ("psf", {}),
        ("psf.fwhm", ABSENT),
    ]


def test_a_parent_is_followed_to_the_parameter_that_changed(tmp_path, two_runs):
    _, old, _, new = two_runs
    known = records_by_version(list_artifacts(tmp_path / "results"))

    assert recipe_changes(old.record, new.record, known) == [
        Change("simulate/parametric", "population.mag_high", 24.0, 25.0)
    ]


def test_a_parent_that_is_gone_is_named_by_its_version(two_runs):
    old_truth, old, new_truth, new = two_runs

    assert recipe_changes(old.record, new.record) == [
        Change("infer/field.unet", "parents.model", old_truth.version, new_truth.version)
    ]


def test_what_two_parents_share_is_said_once():
    roots = [recipe({"n": number}, stage="simulate") for number in (1, 2)]
    train = [recipe({}, {"galaxies": root["version"]}, "blend") for root in roots]
    ends = [
        recipe({}, {"train": middle["version"], "galaxies": root["version"]})
        for middle, root in zip(train, roots, strict=True)
    ]
    known = {record["version"]: record for record in (*roots, *train, *ends)}

    assert recipe_changes(*ends, known) == [Change("simulate/unet", "n", 1, 2)]


def test_an_outside_file_that_changed(tmp_path):
    before, after = (recipe({}, {"image": checksum * 64}, "ingest") for checksum in "ab")

    assert recipe_changes(before, after) == [Change("ingest/unet", "parents.image", "a" * 64, "b" * 64)]


def test_a_revision_counts(monkeypatch):
    before = recipe({"n": 1})
    monkeypatch.setitem(REVISIONS, "train", 2)

    assert recipe_changes(before, recipe({"n": 1})) == [Change("train/unet", "revision", 1, 2)]


def test_an_artifact_knows_its_place_from_a_relative_path(two_runs, monkeypatch):
    monkeypatch.chdir(two_runs[0].folder)

    assert read_artifact(".") == two_runs[0]
