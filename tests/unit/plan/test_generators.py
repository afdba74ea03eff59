"""Networks that draw galaxies: what depends on what."""

import shutil
from pathlib import Path

import pytest

from skymill.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]
CHANGES = {
    "generators.vae": {"population": "galaxies"},
    "populations.drawn": {"kind": "generator", "model": "vae", "n_galaxies": 9, "shard_size": 4},
}


@pytest.fixture
def plan(planned):
    return planned(CHANGES)


def test_a_drawn_population_comes_from_its_generator(plan):
    generator, drawn = plan.artifact("generator", "vae"), plan.artifact("simulate", "drawn")

    assert generator.recipe.parents == {"galaxies": plan.artifact("simulate", "galaxies").recipe.version}
    assert drawn.recipe.parents == {"generator": generator.recipe.version}
    assert drawn.inputs["card"] == generator.file("card")
    assert drawn.shards == ((0, 4), (4, 8), (8, 9))


def test_what_is_blended_may_be_drawn(planned):
    plan = planned({**CHANGES, "blend.population": "drawn"})

    assert plan.artifact("blend", "test").recipe.parents["galaxies"] == (
        plan.artifact("simulate", "drawn").recipe.version
    )
    assert not plan.of_stage("bound")


def test_a_generator_is_judged_and_compare_waits_for_it(plan):
    judged = plan.artifact("judge", "vae")

    assert set(judged.recipe.parents) == {"generator", "galaxies", "blends"}
    assert set(judged.inputs) == {"weights", "card", "stamps", "truth", "blend_stamps", "blend_truth"}
    assert plan.judged() == [judged.file("metrics")]
    assert judged.file("metrics") in plan.compared()
    assert not any(entry["detector"] == "judged" for entry in plan.comparisons())


def test_anomaly_scores_are_part_of_a_catalogue_s_version(planned, plan):
    scored = planned({**CHANGES, "anomaly": "vae"})
    catalogue, plain = (each.artifact("infer", "sky.cnn") for each in (scored, plan))

    assert catalogue.recipe.parents["anomaly"] == scored.artifact("generator", "vae").recipe.version
    assert catalogue.inputs["anomaly_weights"] == scored.artifact("generator", "vae").file("weights")
    assert "anomaly" not in plain.recipe.parents and catalogue.recipe.version != plain.recipe.version
    assert scored.artifact("baseline", "sky.sep").recipe.version == (
        plan.artifact("baseline", "sky.sep").recipe.version
    )


def test_halves_are_trained_beside_it_and_judged(planned, plan):
    halved = planned({**CHANGES, "generators.vae": {"population": "galaxies", "halves": True}})
    names = [artifact.recipe.name for artifact in halved.of_stage("generator")]
    halves = [halved.artifact("generator", name) for name in names[1:]]
    judged = halved.artifact("judge", "vae")

    assert names == ["vae", "vae.half1", "vae.half2"]
    assert [half.recipe.params["half"] for half in halves] == [1, 2]
    assert len({half.recipe.version for half in halves}) == 2
    assert judged.inputs["half_card"] == [half.file("card") for half in halves]
    assert judged.inputs["half_weights"] == [half.file("weights") for half in halves]
    assert {"vae.half1", "vae.half2"} <= judged.recipe.parents.keys()
    # The network itself, and all that it draws, are as without.
    version = plan.artifact("generator", "vae").recipe.version
    assert halved.artifact("generator", "vae").recipe.version == version
    assert [artifact.recipe.name for artifact in halved.of_stage("judge")] == ["vae"]
    assert not plan.artifact("judge", "vae").inputs.keys() & {"half_card", "half_weights"}


def test_both_kinds_stand_beside_each_other(planned):
    changes = {**CHANGES, "generators.wgan": {"population": "galaxies", "network": {"kind": "wgan"}}}
    changes["populations.drawn"] = {**CHANGES["populations.drawn"], "model": "wgan"}
    plan = planned({**changes, "anomaly": "wgan"})
    wgan = plan.artifact("generator", "wgan")

    assert [artifact.recipe.name for artifact in plan.of_stage("judge")] == ["vae", "wgan"]
    assert plan.artifact("simulate", "drawn").recipe.parents == {"generator": wgan.recipe.version}
    assert plan.artifact("infer", "sky.cnn").recipe.parents["anomaly"] == wgan.recipe.version


def test_how_a_training_is_executed_changes_no_version(planned, plan):
    other = planned({**CHANGES, "generators.vae": {"population": "galaxies", "training": {"threads": 2}}})
    longer = planned({**CHANGES, "generators.vae": {"population": "galaxies", "training": {"max_epochs": 2}}})

    version = plan.artifact("generator", "vae").recipe.version
    assert other.artifact("generator", "vae").recipe.version == version
    assert longer.artifact("generator", "vae").recipe.version != version


PRETRAINED = {
    "train": "pretrained",
    "models": {"unet": {"network": {"kind": "unet"}, "task": {"kind": "mask_flux"}}},
}


@pytest.fixture
def shipped(tmp_path):
    """A folder of shipped networks; the plan takes files by content: any network's serve for any other."""
    for name in ("unet", "vae"):
        shutil.copytree(ROOT / "models/sdss_r/unet", tmp_path / "models/sdss_r" / name)
    return {"models_dir": str(tmp_path / "models")}


def test_a_run_that_trains_nothing_takes_the_shipped_generator(planned, shipped):
    plan = planned({**CHANGES, **PRETRAINED, **shipped, "anomaly": "vae"})
    generator = plan.artifact("generator", "vae")

    assert generator.inputs["weights"].endswith("models/sdss_r/vae/weights.safetensors")
    assert plan.artifact("simulate", "drawn").recipe.parents == {"generator": generator.recipe.version}
    assert plan.artifact("infer", "sky.unet").recipe.parents["anomaly"] == generator.recipe.version
    # What it is like stands on its card; its own population is not drawn again.
    assert not plan.of_stage("judge")


def test_a_shipped_generator_stands_beside_those_that_are_trained(planned, shipped):
    plan = planned({**CHANGES, **shipped, "pretrained_generators": {"mine": "vae"}, "anomaly": "mine"})

    assert [artifact.recipe.name for artifact in plan.of_stage("generator")] == ["vae", "mine"]
    assert [artifact.recipe.name for artifact in plan.of_stage("judge")] == ["vae"]


def test_without_a_shipped_one_there_are_no_scores_and_a_note(planned, shipped):
    plan = planned(
        {**PRETRAINED, **shipped, "generators.other": {"population": "galaxies"}, "anomaly": "other"}
    )

    assert not plan.of_stage("generator")
    assert "anomaly" not in plan.artifact("infer", "sky.unet").recipe.parents
    assert any(note["what"] == "generator other" for note in plan.notes)


def test_what_a_generator_draws_needs_it(planned, shipped):
    changes = {
        "generators.other": {"population": "galaxies"},
        "populations.drawn": {**CHANGES["populations.drawn"], "model": "other"},
    }
    with pytest.raises(
        ConfigError, match=r"populations\.drawn\.model: expected a network that is trained or shipped"
    ):
        planned({**PRETRAINED, **shipped, **changes})
    with pytest.raises(ConfigError, match="expected a network that is shipped for sdss_r"):
        planned({**shipped, "pretrained_generators": {"mine": "nobody"}})
