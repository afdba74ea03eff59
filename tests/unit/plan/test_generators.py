"""Networks that draw galaxies: what depends on what."""

import pytest

from skymill.errors import ConfigError

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


def test_how_a_training_is_executed_changes_no_version(planned, plan):
    other = planned({**CHANGES, "generators.vae": {"population": "galaxies", "training": {"threads": 2}}})
    longer = planned({**CHANGES, "generators.vae": {"population": "galaxies", "training": {"max_epochs": 2}}})

    version = plan.artifact("generator", "vae").recipe.version
    assert other.artifact("generator", "vae").recipe.version == version
    assert longer.artifact("generator", "vae").recipe.version != version


def test_a_run_that_trains_nothing_has_no_generators_and_no_scores(planned):
    changes = {"generators.vae": {"population": "galaxies"}, "anomaly": "vae", "train": "pretrained"}
    plan = planned(
        {**changes, "models": {"unet": {"network": {"kind": "unet"}, "task": {"kind": "mask_flux"}}}}
    )

    assert not plan.of_stage("generator") and not plan.of_stage("judge")
    assert "anomaly" not in plan.artifact("infer", "sky.unet").recipe.parents
    assert any(note["what"] == "generator vae" for note in plan.notes)


def test_what_a_generator_draws_needs_its_training(planned):
    with pytest.raises(ConfigError, match=r"populations\.drawn: expected train: models"):
        planned({**CHANGES, "train": "pretrained"})
