"""What the rules and the report ask the plan for."""

import json

import pytest

from skymill.errors import VersionError
from skymill.plan.artifact import FILES
from skymill.plan.plan import dataset_label


def test_an_unknown_artifact_lists_the_known_ones(planned):
    with pytest.raises(VersionError, match="stage train: expected one of: cnn, unet, found 'gan'"):
        planned().artifact("train", "gan")


def test_another_version_is_refused(planned):
    with pytest.raises(VersionError, match=r"train/cnn: expected version [0-9a-f]{10}.*found 0123456789"):
        planned().artifact("train", "cnn", "0123456789")


def test_paths_hold_stage_name_and_version(planned):
    artifact = planned().artifact("train", "cnn")
    folder = f"results/artifacts/train/cnn/{artifact.recipe.version}"
    assert artifact.file("weights") == f"{folder}/weights.safetensors"
    assert planned().targets("train")[0] == artifact.file("weights")


def test_shard_files_are_named_by_their_range(planned):
    files = planned({"blend.n_test": 6}).artifact("blend", "test").shard_files(".h5")
    assert [path.rsplit("/", 2)[1:] for path in files] == [["shards", "0-4.h5"], ["shards", "4-6.h5"]]


def test_comparisons_pair_each_catalogue_with_its_truth(planned):
    found = {(entry["dataset"], entry["detector"]): entry for entry in planned().comparisons()}
    datasets = {"test_blends", "injected:sky", "reference:sky"}
    assert set(found) == {(d, m) for d in datasets for m in ("cnn", "unet", "sep", "source_extractor")}
    assert "/inject/sky/" in found["injected:sky", "cnn"]["truth"]
    assert "/reference/sky/" in found["reference:sky", "sep"]["truth"]
    assert "/blend/test/" in found["test_blends", "unet"]["truth"]
    assert "/evaluate/test_blends.unet/" in found["test_blends", "unet"]["catalogue"]
    assert "/bound/test/" in found["test_blends", "sep"]["bounds"]
    assert "bounds" not in found["injected:sky", "sep"]
    images = {key: entry["images"] for key, entry in found.items() if "images" in entry}
    assert images == {
        ("test_blends", "unet"): planned().artifact("deblend", "test_blends.unet").file("quality")
    }


def test_comparisons_say_who_is_a_network(planned):
    found = {entry["detector"]: entry["is_network"] for entry in planned().comparisons()}
    assert found == {"cnn": True, "unet": True, "sep": False, "source_extractor": False}


def test_each_draw_of_galaxies_has_its_truth_and_catalogues(planned):
    plan = planned({"inject.draws": 3})
    assert [artifact.recipe.name for artifact in plan.of_stage("inject")] == ["sky", "sky.2", "sky.3"]
    entries = [entry for entry in plan.comparisons() if entry["dataset"] == "injected:sky"]
    assert len(entries) == 3 * 4
    for entry in entries:
        number = "" if entry["draw"] == 0 else str(entry["draw"] + 1)
        name = f"sky.{number}" if number else "sky"
        assert f"/inject/{name}/" in entry["truth"]
        assert f"/sky.injected{number}.{entry['detector']}/" in entry["catalogue"]
    assert {entry["draw"] for entry in plan.comparisons() if entry["dataset"] != "injected:sky"} == {0}
    # The catalogues that a person asked for are those of the tile as it is.
    assert plan.catalogues() == planned().catalogues()
    assert len(plan.catalogues()) == 2


@pytest.mark.parametrize(
    ("dataset", "label"),
    [
        ("test_blends", "test_blends"),
        ("a", "reference:a"),
        ("a.injected", "injected:a"),
        ("a.injected12", "injected:a"),
    ],
)
def test_dataset_labels(dataset, label):
    assert dataset_label(dataset) == label


def test_the_description_is_plain_values(planned):
    described = planned().described()
    assert json.loads(json.dumps(described)) == described
    assert {entry["stage"] for entry in described["artifacts"]} <= set(FILES)
    assert described["config"]["seed"] == described["seed"] == 1
