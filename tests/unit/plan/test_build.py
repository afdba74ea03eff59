"""What changes which version, and what is planned at all."""

import os
import re
from pathlib import Path

import pytest

from skymill.errors import ConfigError
from skymill.plan.plan import Plan

HEADER = "tile_id\tsurvey\timage\tsha256\treference\treference_format"
SHA = "0" * 64


def versions(plan: Plan) -> dict:
    return {(a.recipe.stage, a.recipe.name): a.recipe.version for a in plan}


def changed_stages(planned, changes) -> set[str]:
    before, after = versions(planned()), versions(planned(changes))
    assert before.keys() == after.keys()
    return {f"{stage}/{name}" for (stage, name) in before if before[stage, name] != after[stage, name]}


def write_tiles(rows) -> dict:
    Path("tiles.tsv").write_text("\n".join([HEADER, *rows]) + "\n")
    return {"tiles": "tiles.tsv"}


def test_every_stage_is_planned_parents_first(planned):
    plan = planned()
    order = [artifact.recipe.stage for artifact in plan]
    known = {artifact.recipe.version for artifact in plan}
    assert set(order) == {
        *("field", "ingest", "reference", "simulate", "blend", "train", "evaluate"),
        *("baseline", "inject", "infer", "deblend", "bound", "compare"),
    }
    seen = set()
    for artifact in plan:
        assert {version for version in artifact.recipe.parents.values() if version in known} <= seen
        seen.add(artifact.recipe.version)


def test_a_learning_rate_changes_its_model_and_what_follows(planned):
    changes = {"models.cnn.training": {"learning_rate": 0.5}}
    assert changed_stages(planned, changes) == {
        *("train/cnn", "evaluate/test_blends.cnn", "infer/sky.cnn", "infer/sky.injected.cnn"),
        "compare/small",
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"populations.galaxies.shard_size": 10},
        {"blend.shard_size": 1},
        {"bound.shard_size": 1},
        {"models.unet.training": {"threads": 2, "device": "cpu"}},
        {"leave_out_failed": True},
        {"report": {"n_examples": 3}},
    ],
)
def test_how_the_work_is_done_changes_no_version(planned, changes):
    assert changed_stages(planned, changes) == set()


@pytest.mark.parametrize("count", ["n_train", "n_validation"])
def test_the_number_of_blends_to_train_on_leaves_the_test_set_alone(planned, count):
    changed = changed_stages(planned, {f"blend.{count}": 7})
    assert {"train/cnn", "train/unet"} <= changed
    assert not changed & {"blend/test", "baseline/test_blends.sep", "simulate/galaxies"}


def test_the_number_of_test_blends_leaves_the_networks_alone(planned):
    changed = changed_stages(planned, {"blend.n_test": 7})
    assert {"blend/test", "evaluate/test_blends.cnn"} <= changed
    assert not changed & {"train/cnn", "train/unet", "infer/sky.cnn", "simulate/galaxies"}


def test_how_blends_are_composed_changes_training_and_test_alike(planned):
    changed = changed_stages(planned, {"blend.delta_mag": [0.0, 1.0]})
    assert {"blend/test", "train/cnn", "train/unet"} <= changed
    assert "simulate/galaxies" not in changed


def test_networks_learn_from_galaxies_and_no_stored_blends(planned):
    plan = planned()
    training, galaxies = plan.artifact("train", "cnn"), plan.artifact("simulate", "galaxies")
    assert training.recipe.parents == {"galaxies": galaxies.recipe.version}
    assert training.inputs == {"stamps": galaxies.file("stamps"), "truth": galaxies.file("truth")}
    assert training.recipe.params["population"] == galaxies.recipe.params["population"]
    assert [artifact.recipe.name for artifact in plan.of_stage("blend")] == ["test"]


def test_training_knows_the_tile_that_noise_is_cut_from(planned):
    plan = planned({"blend.noise": {"kind": "real", "tile": "sky"}})
    training, tile = plan.artifact("train", "cnn"), plan.artifact("ingest", "sky")
    assert training.inputs["noise_tile"] == tile.file("tile")
    assert training.recipe.parents["noise_tile"] == tile.recipe.version


def test_networks_that_give_images_take_galaxies_out_of_the_test_blends(planned):
    plan = planned()
    assert [artifact.recipe.name for artifact in plan.of_stage("deblend")] == ["test_blends.unet"]
    made = plan.artifact("deblend", "test_blends.unet")
    assert made.inputs["card"] == plan.artifact("train", "unet").file("card")
    assert made.inputs["stamps"] == plan.artifact("blend", "test").file("stamps")


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"kind": "flux"}, []),
        ({"kind": "mask_flux", "mask_weight": 0, "share_weight": 0}, []),
        ({"kind": "mask_flux", "share_weight": 0}, []),
        ({"kind": "mask_flux", "mask_weight": 0}, ["test_blends.unet"]),
    ],
)
def test_images_that_are_not_learned_are_not_made(planned, task, expected):
    plan = planned({"models.unet.task": task})
    assert [artifact.recipe.name for artifact in plan.of_stage("deblend")] == expected


def test_a_network_that_draws_is_a_deblender_like_any_other(planned):
    gan = {"network": {"kind": "branched"}, "task": {"kind": "deblend"}, "input_px": 64}
    plan, before = planned({"models.gan": gan}), planned()
    assert [artifact.recipe.name for artifact in plan.of_stage("deblend")] == [
        "test_blends.unet",
        "test_blends.gan",
    ]
    assert plan.artifact("infer", "sky.gan") and plan.artifact("evaluate", "test_blends.gan")
    assert plan.artifact("train", "unet").recipe.version == before.artifact("train", "unet").recipe.version


def test_a_detector_setting_changes_only_its_catalogues(planned):
    changed = changed_stages(planned, {"detectors.sep.setting": "plain"})
    names = {"test_blends.sep", "sky.sep", "sky.injected.sep"}
    assert changed == {f"baseline/{name}" for name in names} | {"compare/small"}


def test_the_seed_changes_everything(planned):
    assert len(changed_stages(planned, {"seed": 2})) == len(versions(planned()))


def test_shards_cover_all_numbers_once(planned):
    assert planned().artifact("simulate", "galaxies").shards == ((0, 4), (4, 8), (8, 10))


def test_a_detector_without_its_program_is_left_out_and_noted(planned):
    plan = planned(missing={"source_extractor": "not installed"})
    assert not any("source_extractor" in a.recipe.name for a in plan)
    assert plan.notes == [{"what": "detector source_extractor", "reason": "not installed"}]


def test_the_bound_is_of_the_first_test_blends(planned):
    bound = planned({"bound.n_blends": 1}).artifact("bound", "test")
    assert bound.shards == ((0, 1),)
    assert bound.recipe.params["n"] == 1
    assert planned().artifact("bound", "test").recipe.params["n"] == 2
    assert changed_stages(planned, {"bound.n_blends": 1}) == {"bound/test", "compare/small"}


@pytest.mark.parametrize(
    "changes",
    [
        {"bound": None},
        {"blend.noise": {"kind": "none"}},
        {"populations.galaxies": {"kind": "real", "catalogue": "images.fits", "n_galaxies": 10}},
    ],
)
def test_there_is_no_bound_without_a_model_or_noise(planned, changes):
    plan = planned(changes)
    assert not plan.of_stage("bound")
    assert all("bounds" not in entry for entry in plan.comparisons())


def test_the_bound_knows_the_tile_that_noise_is_cut_from(planned):
    plan = planned({"blend.noise": {"kind": "real", "tile": "sky"}})
    bound, tile = plan.artifact("bound", "test"), plan.artifact("ingest", "sky")
    assert bound.inputs["noise_tile"] == tile.file("tile")
    assert tile.recipe.version in bound.recipe.parents.values()


def test_no_injection_where_none_is_asked_for(planned):
    assert not planned({"inject": None}).of_stage("inject")


def test_more_draws_leave_the_others_as_they_are(planned):
    """Only the comparison is made anew, and what is new."""
    few, many = (versions(planned({"inject.draws": n})) for n in (1, 2))
    assert {name for name in few if many[name] != few[name]} == {("compare", "small")}
    assert set(many) - set(few) == {
        ("inject", "sky.2"),
        *(("infer", f"sky.injected2.{name}") for name in ("cnn", "unet")),
        *(("baseline", f"sky.injected2.{name}") for name in ("sep", "source_extractor")),
    }


def test_tiles_count_by_declared_checksum_not_by_place(planned):
    rows = write_tiles([f"a\tsdss_r\tone/a.fits\t{SHA}\t\t"])
    first = planned(rows).artifact("ingest", "a").recipe.version
    rows = write_tiles([f"a\tsdss_r\ttwo/a.fits\t{SHA}\t\t"])
    assert planned(rows).artifact("ingest", "a").recipe.version == first
    Path("three").mkdir()
    assert planned({**rows, "data_dir": "three"}).artifact("ingest", "a").recipe.version == first
    rows = write_tiles([f"a\tsdss_r\tone/a.fits\t{'1' * 64}\t\t"])
    assert planned(rows).artifact("ingest", "a").recipe.version != first


def test_tiles_without_checksum_count_by_content(planned, tmp_path):
    rows = write_tiles(["a\tsdss_r\ta.fits\t\t\t"])
    missing = planned(rows).artifact("ingest", "a")
    assert missing.outside() == {"image": "a.fits"}
    assert missing.recipe.parents["image"] == "missing"
    (tmp_path / "a.fits").write_text("something")
    there = planned(rows).artifact("ingest", "a")
    assert there.recipe.version != missing.recipe.version
    (tmp_path / "b.fits").write_text("something")
    moved = planned(write_tiles(["a\tsdss_r\tb.fits\t\t\t"])).artifact("ingest", "a")
    assert moved.recipe.version == there.recipe.version
    status = (tmp_path / "b.fits").stat()
    (tmp_path / "b.fits").write_text("Something")
    os.utime(tmp_path / "b.fits", ns=(status.st_atime_ns, status.st_mtime_ns))
    changed = planned(write_tiles(["a\tsdss_r\tb.fits\t\t\t"])).artifact("ingest", "a")
    assert changed.recipe.version != there.recipe.version


def test_urls_are_fetched_unless_a_folder_is_given(planned):
    rows = write_tiles(
        [f"a\tsdss_r\thttp://localhost/x/a.fits\t{SHA}\thttp://localhost/ref.fits\tsdss_photoobj"]
    )
    plan = planned(rows)
    names = [fetched.recipe.name for fetched in plan.of_stage("fetch")]
    assert [re.sub(r"-[0-9a-f]{10}\.", ".", name) for name in names] == ["a.fits", "ref.fits"]
    assert plan.artifact("ingest", "a").inputs["image"] == plan.artifact("fetch", names[0]).file("file")
    Path("folder").mkdir()
    local = planned({**rows, "data_dir": "folder"})
    assert not local.of_stage("fetch")
    assert local.artifact("ingest", "a").inputs["image"] == "folder/a.fits"
    assert local.artifact("ingest", "a").recipe.version == plan.artifact("ingest", "a").recipe.version


def test_a_tile_must_not_be_called_like_a_field(planned):
    with pytest.raises(ConfigError, match="'sky'"):
        planned(write_tiles(["sky\tsdss_r\ta.fits\t\t\t"]))


def test_noise_must_come_from_a_tile_of_the_run(planned):
    with pytest.raises(
        ConfigError, match=r"blend\.noise\.tile: expected one of the tiles sky, found nowhere"
    ):
        planned({"blend.noise": {"kind": "real", "tile": "nowhere"}})


REAL = {
    "populations.cosmos": {"kind": "real", "catalogue": "cosmos.fits", "n_galaxies": 5, "stamp_px": 160},
    "real_blends": {"population": "cosmos", "n": 5},
}


def test_blends_of_real_galaxies_are_tested_on_and_nothing_else(planned):
    before, after = versions(planned()), versions(planned(REAL))
    networks, detectors = ("cnn", "unet"), ("sep", "source_extractor")
    assert set(after) - set(before) >= {
        *(("simulate", "cosmos"), ("blend", "real")),
        *(("evaluate", f"real_blends.{name}") for name in networks),
        *(("baseline", f"real_blends.{name}") for name in detectors),
    }
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {("compare", "small")}
    real = planned(REAL).artifact("blend", "real")
    assert real.recipe.params["side"] == "all"
    assert real.recipe.params["blend"] == {
        **planned().artifact("blend", "test").recipe.params["blend"],
        "population": "cosmos",
    }
    assert real.shards == ((0, 4), (4, 5))
    found = {(e["dataset"], e["detector"]): e["truth"] for e in planned(REAL).comparisons()}
    assert {found["real_blends", name] for name in (*networks, *detectors)} == {real.file("truth")}


def test_a_catalogue_of_galaxies_is_an_outside_file_and_may_lie_elsewhere(planned, tmp_path):
    missing = planned(REAL).artifact("simulate", "cosmos")
    assert missing.outside() == {"catalogue": "cosmos.fits"}
    assert missing.recipe.parents["catalogue"] == "missing"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/cosmos.fits").write_text("galaxies")
    there = planned({**REAL, "data_dir": "elsewhere"}).artifact("simulate", "cosmos")
    assert there.inputs["catalogue"] == "elsewhere/cosmos.fits"
    assert there.recipe.version != missing.recipe.version


def test_cutouts_count_by_their_table_and_every_file(planned, tmp_path):
    cells = {"id": "g", "pixel_scale_arcsec": "0.2", "zero_point_mag": "25"}
    cells |= {role: f"{role}.fits" for role in ("image", "segmentation", "psf")}
    (tmp_path / "table.tsv").write_text("\t".join(cells) + "\n" + "\t".join(cells.values()) + "\n")
    cutouts = {"kind": "cutouts", "catalogue": "table.tsv", "mag": [20, 24], "shrink": [0.05, 0.1]}
    changes = {**REAL, "populations.cosmos": {**cutouts, "n_galaxies": 5, "stamp_px": 160}}
    before = planned(changes).artifact("simulate", "cosmos").recipe
    assert {"catalogue", "g.image", "g.segmentation", "g.psf"} == set(before.parents)
    (tmp_path / "psf.fits").write_text("a star")
    here = planned(changes).artifact("simulate", "cosmos").recipe
    assert here.version != before.version
    # data_dir holds the images; the table stays where the configuration says.
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "psf.fits").rename(tmp_path / "elsewhere/psf.fits")
    there = planned({**changes, "data_dir": "elsewhere"}).artifact("simulate", "cosmos")
    assert there.inputs["catalogue"] == "table.tsv"
    assert there.recipe.version == here.version
    (tmp_path / "table.tsv").write_text("id\n")
    with pytest.raises(ConfigError, match=r"table\.tsv, header"):
        planned(changes)
    (tmp_path / "table.tsv").unlink()
    gone = planned(changes).artifact("simulate", "cosmos")
    assert (gone.outside(), gone.recipe.parents) == ({"catalogue": "table.tsv"}, {"catalogue": "missing"})


@pytest.mark.parametrize("name", ["test_blends", "real_blends"])
def test_a_field_must_not_be_called_like_a_set_of_blends(planned, name):
    with pytest.raises(ConfigError, match=f"fields: expected names .* found '{name}'"):
        planned({f"fields.{name}": {"width_px": 64}})


def test_failed_tiles_are_left_out_on_request_only(planned):
    rows = write_tiles([f"a\tsdss_r\ta.fits\t{SHA}\tref.fits\tsdss_photoobj"])
    failure = planned(rows).artifact("ingest", "a").failure()
    failure.parent.mkdir(parents=True)
    failure.write_text("a.fits: expected FITS, found soup.\n")
    assert planned(rows).artifact("ingest", "a")
    plan = planned({**rows, "leave_out_failed": True})
    assert not any(a.recipe.name.split(".")[0] == "a" for a in plan)
    assert plan.notes == [{"what": "tile a", "reason": "a.fits: expected FITS, found soup."}]


FINDER = {
    "scene": {"population": "galaxies", "n_train": 4, "n_validation": 2, "n_test": 2, "shard_size": 3},
    "finders": {"finder": {}},
    "candidates": {"detector": {"kind": "network", "model": "finder"}},
}


def test_a_finder_learns_from_patches_and_is_a_parent_of_infer(planned):
    plan = planned(FINDER)
    finder, infer = plan.artifact("finder", "finder"), plan.artifact("infer", "sky.cnn")

    assert finder.inputs["train_stamps"] == plan.artifact("scene", "train").file("stamps")
    assert finder.recipe.parents["validation"] == plan.artifact("scene", "validation").recipe.version
    assert infer.recipe.parents["finder"] == finder.recipe.version
    assert infer.inputs["finder_weights"] == finder.file("weights")
    assert list(plan.artifact("scene", "train").shards) == [(0, 3), (3, 4)]


def test_a_finder_measures_nothing(planned):
    plan = planned(FINDER)
    names = [artifact.recipe.name for stage in ("evaluate", "infer") for artifact in plan.of_stage(stage)]

    assert not any("finder" in name for name in names)
    assert {"sky.cnn", "sky.injected.unet", "test_blends.cnn"} <= set(names)


def test_the_patches_change_what_is_found_and_not_what_was_learned_of_blends(planned):
    before = versions(planned(FINDER))
    after = versions(planned({**FINDER, "scene": {**FINDER["scene"], "object_snr": 6}}))
    changed = {f"{stage}/{name}" for (stage, name) in before if before[stage, name] != after[stage, name]}

    assert {"scene/train", "finder/finder", "infer/sky.cnn"} <= changed
    assert not {"blend/test", "train/cnn", "evaluate/test_blends.cnn"} & changed


def test_how_many_test_patches_there_are_does_not_change_the_training(planned):
    more = {**FINDER, "scene": {**FINDER["scene"], "n_test": 9}}
    assert versions(planned(FINDER))["finder", "finder"] == versions(planned(more))["finder", "finder"]


def test_noise_of_patches_must_come_from_a_tile_of_the_run(planned):
    noise = {"kind": "real", "tile": "nowhere"}
    with pytest.raises(ConfigError, match=r"scene\.noise\.tile: expected one of the tiles sky"):
        planned({**FINDER, "scene": {**FINDER["scene"], "noise": noise}})
