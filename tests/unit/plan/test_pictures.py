"""Networks that draw pictures: trained as others, and judged instead of measured with."""

import pytest

from skymill.errors import ConfigError

DRAWING = {"network": {"kind": "branched_pictures"}, "task": {"kind": "pictures"}}


@pytest.fixture
def plan(planned):
    return planned({"models.gan": DRAWING})


def test_what_draws_pictures_is_judged_and_measures_nothing(plan):
    judged, model = plan.artifact("pictures", "test_blends.gan"), plan.artifact("train", "gan")

    assert judged.recipe.parents == {
        "model": model.recipe.version,
        "blends": plan.artifact("blend", "test").recipe.version,
    }
    assert set(judged.inputs) == {"stamps", "truth", "weights", "card"}
    assert judged.recipe.params["noise"] == {"kind": "poisson"}
    named = [
        artifact.recipe.name
        for stage in ("evaluate", "infer", "deblend")
        for artifact in plan.of_stage(stage)
    ]
    assert named and not any(name.endswith(".gan") for name in named)


def test_compare_waits_for_its_figures(plan):
    judged = plan.artifact("pictures", "test_blends.gan")

    assert plan.judged() == [judged.file("metrics")] and judged.file("metrics") in plan.compared()
    assert not any(entry["detector"] in ("gan", "judged") for entry in plan.comparisons())


def test_networks_that_measure_draw_no_pictures(planned):
    assert not planned().of_stage("pictures")


def test_real_noise_is_cut_from_the_tile_of_the_blends(planned):
    plan = planned({"models.gan": DRAWING, "blend.noise": {"kind": "real", "tile": "sky"}})
    judged = plan.artifact("pictures", "test_blends.gan")

    assert judged.inputs["noise_tile"] == plan.artifact("ingest", "sky").file("tile")


def test_a_run_may_have_no_other_network(planned, values):
    values["models"] = {"gan": DRAWING}
    plan = planned({"detectors": {}, "inject": None})

    assert not plan.of_stage("evaluate") and not plan.of_stage("infer")
    assert plan.comparisons() == []


def test_pictures_are_not_averaged(planned):
    with pytest.raises(ConfigError, match=r"ensembles\.mean: expected networks that measure"):
        planned({"models.gan": DRAWING, "ensembles": {"mean": {"model": "gan"}}})


@pytest.mark.parametrize(
    ("network", "task", "wanted"),
    [("branched", "pictures", "one that draws pictures"), ("branched_pictures", "flux", "one that measures")],
)
def test_task_and_network_belong_together(planned, network, task, wanted):
    with pytest.raises(ConfigError, match=f"network: expected {wanted} for task {task}, found {network}"):
        planned({"models.gan": {"network": {"kind": network}, "task": {"kind": task}}})
