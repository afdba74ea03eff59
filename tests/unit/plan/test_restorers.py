"""Networks that restore images: what depends on what."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CHANGES = {
    "restorers.mine": {"population": "galaxies"},
    "restoration": {"population": "galaxies", "noise_ratio": [5]},
}


@pytest.fixture
def plan(planned):
    return planned(CHANGES)


def test_a_restorer_learns_from_a_population(plan):
    restorer, galaxies = plan.artifact("restorer", "mine"), plan.artifact("simulate", "galaxies")

    assert restorer.recipe.parents == {"galaxies": galaxies.recipe.version}
    assert restorer.inputs == {role: galaxies.file(role) for role in ("stamps", "truth")}


def test_it_is_compared_and_the_run_s_figures_wait_for_it(plan):
    compared = plan.artifact("restore", "mine")

    assert set(compared.recipe.parents) == {"restorer", "galaxies"}
    assert set(compared.inputs) == {"weights", "card", "stamps", "truth"}
    assert compared.recipe.params["restoration"]["noise_ratio"] == [5.0]
    assert plan.judged() == [compared.file("metrics")]
    assert compared.file("metrics") in plan.compared()
    assert not any(entry["detector"] == "judged" for entry in plan.comparisons())


def test_without_restoration_there_is_no_comparison(planned):
    plan = planned({"restorers.mine": {"population": "galaxies"}})

    assert plan.of_stage("restorer") and not plan.of_stage("restore") and not plan.judged()


def test_what_is_compared_changes_no_training(planned, plan):
    other = planned({**CHANGES, "restoration": {"population": "galaxies", "noise_ratio": [5, 10]}})
    longer = planned({**CHANGES, "restorers.mine": {"population": "galaxies", "training": {"max_epochs": 2}}})
    threads = planned({**CHANGES, "restorers.mine": {"population": "galaxies", "training": {"threads": 2}}})
    versions = [
        [each.artifact(stage, "mine").recipe.version for stage in ("restorer", "restore")]
        for each in (plan, other, longer, threads)
    ]

    assert versions[0][0] == versions[1][0] and versions[0][1] != versions[1][1]
    assert versions[0][0] != versions[2][0] and versions[0][1] != versions[2][1]
    assert versions[0] == versions[3]


@pytest.fixture
def shipped(tmp_path):
    """A folder of shipped networks; the plan takes files by content: any network's serve for any other."""
    for name in ("unet", "mine"):
        shutil.copytree(ROOT / "models/sdss_r/unet", tmp_path / "models/sdss_r" / name)
    return {"models_dir": str(tmp_path / "models")}


PRETRAINED = {
    "train": "pretrained",
    "models": {"unet": {"network": {"kind": "unet"}, "task": {"kind": "mask_flux"}}},
}


def test_a_shipped_restorer_is_compared_as_well(planned, shipped):
    plan = planned({**CHANGES, **PRETRAINED, **shipped})

    assert (
        plan.artifact("restorer", "mine").inputs["weights"].endswith("models/sdss_r/mine/weights.safetensors")
    )
    assert set(plan.artifact("restore", "mine").recipe.parents) == {"restorer", "galaxies"}


def test_one_that_is_not_shipped_is_left_out_with_a_note(planned, shipped):
    changes = {"restorers.other": {"population": "galaxies"}, "restoration": {"population": "galaxies"}}
    plan = planned({**changes, **PRETRAINED, **shipped})

    assert not plan.of_stage("restorer") and not plan.of_stage("restore")
    assert any(note["what"] == "restorer other" for note in plan.notes)
