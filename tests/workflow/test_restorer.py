"""A run in which a network learns to restore images and is compared with deconvolutions."""

import json

import pytest

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

# What has no part in this.
OTHERS = ("detectors.source_extractor", "detectors.photutils", "models.unet", "fields.sky")
CHANGES = {
    "inject": None,
    "bound": None,
    "restorers": {
        "mine": {
            "population": "galaxies",
            "network": {"widths": [8, 8], "root_blocks": 1, "branch_blocks": 1},
            "input_px": 32,
            "training": {"max_epochs": 2, "batch_size": 8},
        }
    },
    "restoration": {
        **{"population": "galaxies", "psf_fwhm_ratio": [1.5], "noise_ratio": [5]},
        **{"n_galaxies": 6, "n_tuning": 4},
    },
}


@pytest.fixture(scope="module")
def restored(make_workflow):
    workflow = make_workflow("restorer", without=OTHERS, shard_size=1000, **CHANGES)
    done = workflow.run()
    assert done.returncode == 0, done.stdout
    return workflow


def test_its_figures_stand_beside_the_others(restored):
    records = json.loads((restored.face / "metrics.json").read_text())
    keys = {(record["metric"], record["dataset"], record["detector"], record["subset"]) for record in records}

    assert ("image_psnr", "restored:mine", "mine", "psf:1.5/noise:5") in keys
    assert ("psnr_gain", "restored:mine", "mine", "psf:1.5/noise:5/richardson_lucy") in keys
    assert ("flux_mape", "test_blends", "cnn", "all") in keys


def test_the_page_shows_table_picture_and_film(restored):
    page = (restored.face / "report.html").read_text()
    manifest = restored.manifest()

    assert "PSF 1.5 times as wide, noise 5 times the survey&#39;s" in page
    assert "Richardson–Lucy, 30 iterations" in page
    assert {("restorer", "mine"), ("restore", "mine")} <= set(manifest)
    # Deconvolutions are no detectors of this run.
    assert "richardson_lucy" not in {name for _, name in manifest}


def test_other_figures_are_asked_for_without_another_training(restored):
    changed = {**CHANGES, "restoration": {**CHANGES["restoration"], "noise_ratio": [3]}}
    restored.configure(**changed)
    planned = restored.planned()

    assert planned["restore_galaxies"] == 1 and "train_restorer" not in planned
