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


@pytest.mark.parametrize(
    ("dataset", "label"),
    [("test_blends", "test_blends"), ("a", "reference:a"), ("a.injected", "injected:a")],
)
def test_dataset_labels(dataset, label):
    assert dataset_label(dataset) == label


def test_the_description_is_plain_values(planned):
    described = planned().described()
    assert json.loads(json.dumps(described)) == described
    assert {entry["stage"] for entry in described["artifacts"]} <= set(FILES)
    assert described["config"]["seed"] == described["seed"] == 1
