"""Shipped networks in the plan: named, taken in place of what would be trained, missing."""

import shutil
from pathlib import Path

import pytest

from skymill.config.run import load_config
from skymill.errors import ConfigError
from skymill.plan.build import build_plan
from skymill.plan.shipped import gives_images

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def plan(values, tmp_path):
    """Plan the small run with changes of top-level keys and copies of shipped networks."""

    def make(networks=("unet",), **changes):
        # The plan takes files by content: any network's serve for any other.
        for name in networks:
            shutil.copytree(ROOT / "models/sdss_r/unet", tmp_path / "models/sdss_r" / name)
        changes = {"models_dir": str(tmp_path / "models"), **changes}
        return build_plan(load_config({**values, **changes}), ROOT, {"source_extractor": "not here"})

    return make


def names(plan, stage):
    return [artifact.recipe.name for artifact in plan.of_stage(stage)]


def test_a_named_network_stands_beside_those_that_are_trained(plan):
    made = plan(pretrained={"shipped": "unet"})
    assert names(made, "train") == ["cnn", "unet", "shipped"]
    artifact = made.artifact("train", "shipped")
    assert artifact.inputs["weights"].endswith("models/sdss_r/unet/weights.safetensors")
    assert len(artifact.recipe.parents["weights"]) == 64
    assert "test_blends.shipped" in names(made, "evaluate")
    assert "test_blends.shipped" in names(made, "deblend")


def test_nothing_is_trained_and_what_is_not_shipped_is_left_out_with_a_note(plan):
    made = plan(train="pretrained")
    assert names(made, "train") == ["unet"]
    (note,) = [note for note in made.notes if note["what"] == "model cnn"]
    assert "unet" in note["reason"] and "sdss_r" in note["reason"]


def test_catalogues_are_those_of_the_tiles_alone(plan):
    made = plan(train="pretrained")
    (path,) = made.catalogues()
    assert "/sky.unet/" in path


def test_without_any_shipped_network_it_is_an_error(plan):
    with pytest.raises(ConfigError, match="train"):
        plan(networks=("other",), train="pretrained")


def test_a_named_network_that_is_missing_is_an_error_with_those_there_are(plan):
    with pytest.raises(ConfigError, match="unet") as caught:
        plan(pretrained={"shipped": "absent"})
    assert "absent" in str(caught.value)


def test_a_changed_weight_changes_the_version(plan, tmp_path):
    before = plan(train="pretrained").artifact("train", "unet").recipe.version
    path = tmp_path / "models/sdss_r/unet/weights.safetensors"
    path.write_bytes(path.read_bytes() + b" ")
    assert plan(networks=(), train="pretrained").artifact("train", "unet").recipe.version != before


def test_what_is_no_card_is_refused(tmp_path):
    path = tmp_path / "model.yaml"
    path.write_text("network: {kind: nothing}")
    with pytest.raises(ConfigError, match=r"model\.yaml"):
        gives_images(path)


@pytest.mark.parametrize(("weight", "expected"), [(1.0, True), (0.0, False)])
def test_images_come_from_networks_that_have_learned_them(tmp_path, weight, expected):
    path = tmp_path / "model.yaml"
    card = (ROOT / "models/sdss_r/unet/model.yaml").read_text()
    assert "share_weight: 1.0" in card
    path.write_text(card.replace("share_weight: 1.0", f"share_weight: {weight}"))
    assert gives_images(path) is expected


def detector_of(plan):
    return plan.artifact("infer", "sky.unet").recipe.params["candidates"]["detector"]


def test_a_shipped_finder_finds_the_candidates(plan, tmp_path):
    made = plan(networks=("unet", "found"), train="pretrained", pretrained_finders={"finder": "found"})
    finder, infer = made.artifact("finder", "finder"), made.artifact("infer", "sky.unet")
    assert finder.inputs["history"] == str(tmp_path / "models/sdss_r/found/history.csv")
    assert finder.recipe.params["shipped"] == "found" and len(finder.recipe.parents["card"]) == 64
    assert detector_of(made)["model"] == "finder"
    assert infer.recipe.parents["finder"] == finder.recipe.version
    assert infer.inputs["finder_card"] == finder.file("card")
    assert made.described()["config"]["candidates"]["detector"] == detector_of(made)


def test_sep_finds_the_candidates_without_a_finder_and_where_it_is_named(plan):
    assert detector_of(plan())["kind"] == "sep"
    chosen = {"detector": {"kind": "sep", "setting": "cold_hot"}}
    made = plan(networks=("found",), pretrained_finders={"finder": "found"}, candidates=chosen)
    assert detector_of(made)["setting"] == "cold_hot"
    assert "finder" not in made.artifact("infer", "sky.unet").recipe.parents
    assert names(made, "finder") == ["finder"]


FINDERS = {"scene": {"population": "galaxies"}, "finders": {"finder": {}}}


def test_a_shipped_finder_takes_the_place_of_the_one_that_would_be_trained(plan):
    made = plan(networks=("unet", "finder"), train="pretrained", **FINDERS)
    assert made.artifact("finder", "finder").recipe.params["shipped"] == "finder"
    assert names(made, "scene") == []
    assert detector_of(made)["kind"] == "network"


def test_a_finder_that_is_not_shipped_is_left_out_with_a_note(plan):
    made = plan(train="pretrained", **FINDERS)
    assert names(made, "finder") == []
    assert any(note["what"] == "finder finder" and "sdss_r" in note["reason"] for note in made.notes)
    assert detector_of(made)["kind"] == "sep"


def test_candidates_of_a_finder_that_is_not_shipped_are_an_error(plan):
    named = {"detector": {"kind": "network", "model": "finder"}}
    with pytest.raises(ConfigError, match="skymill ship"):
        plan(train="pretrained", candidates=named, **FINDERS)


def test_a_named_finder_that_is_missing_is_an_error(plan):
    with pytest.raises(ConfigError, match=r"pretrained_finders\.finder"):
        plan(pretrained_finders={"finder": "absent"})
