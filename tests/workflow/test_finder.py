"""A run in which a network finds the candidates that another one measures, on two draws of injected galaxies."""

import json
import shutil

import numpy as np
import pytest

from skymill.catalog.catalogue import Catalogue
from skymill.training.card import read_card
from skymill.training.finder_card import FinderCard
from skymill.training.shipped import ship_model

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

# Detectors that have no part in this.
OTHERS = ("detectors.source_extractor", "detectors.photutils")
CHANGES = {
    "bound": None,
    "scene": {
        "population": "galaxies",
        **{"n_train": 8, "n_validation": 4, "n_test": 2, "shard_size": 4},
        **{"side_px": 64, "snr": [3, 300], "density_per_1000_fwhm2": [10, 40]},
    },
    "finders": {
        "finder": {
            "network": {"widths": [8, 8]},
            "input_px": 64,
            "training": {"max_epochs": 12, "batch_size": 2, "learning_rate": 0.01},
        }
    },
    "inject": {"crowded_fraction": 0.7, "draws": 2},
}


@pytest.fixture(scope="module")
def found(make_workflow):
    workflow = make_workflow("finder", without=OTHERS, shard_size=1000, **CHANGES)
    done = workflow.run()
    assert done.returncode == 0, done.stdout
    return workflow


def test_every_candidate_has_its_probability(found):
    manifest = found.manifest()
    for model in ("cnn", "unet"):
        entry = manifest["infer", f"sky.{model}"]
        catalogue = Catalogue.read(found.folder / entry["path"], "measurement")
        assert len(catalogue) > 0
        assert (catalogue["detection_probability"] > 0).all()
    sep = Catalogue.read(found.folder / manifest["baseline", "sky.sep"]["path"], "measurement")
    assert np.isnan(sep["detection_probability"]).all()


def test_the_manifest_and_the_record_name_the_finder(found):
    manifest = found.manifest()
    assert {("scene", side) for side in ("train", "validation", "test")} <= set(manifest)
    record = json.loads(
        (found.folder / manifest["infer", "sky.cnn"]["path"]).with_name("provenance.json").read_text()
    )
    assert record["parents"]["finder"] == manifest["finder", "finder"]["version"]
    assert "finder_weights" in record["inputs"]


def test_metrics_hold_close_pairs_and_equal_purity(found):
    records = json.loads((found.face / "metrics.json").read_text())
    keys = {(record["metric"], record["dataset"], record["detector"], record["subset"]) for record in records}
    assert ("completeness", "injected:sky", "cnn", "close_pair_fainter") in keys
    assert any(key[0] == "purity" and key[2] == "cnn" and key[3].startswith("probability:") for key in keys)
    assert not any(detector == "finder" for _, _, detector, _ in keys)


def test_draws_of_injected_galaxies_are_one_dataset(found):
    manifest = found.manifest()
    assert {("inject", "sky"), ("inject", "sky.2"), ("infer", "sky.injected2.cnn")} <= set(manifest)
    draws = [
        Catalogue.read(
            (found.folder / manifest["inject", name]["path"]).with_name("truth.parquet"), "sources"
        )
        for name in ("sky", "sky.2")
    ]
    records = json.loads((found.face / "metrics.json").read_text())
    key = ("completeness", "injected:sky", "sep", "all")
    (record,) = (r for r in records if (r["metric"], r["dataset"], r["detector"], r["subset"]) == key)
    assert record["n"] == sum(int((truth["flags"] == 0).sum()) for truth in draws) > len(draws[0])
    assert "It was done 2 times" in (found.face / "report.html").read_text()


def test_the_report_shows_how_far_the_probabilities_can_be_trusted(found):
    assert "finder: detection probability" in (found.face / "report.html").read_text()


def test_a_change_of_the_finder_plans_its_training_and_what_follows(found, tmp_path):
    finder = CHANGES["finders"]["finder"]
    changed = {**finder, "training": {**finder["training"], "max_epochs": 3}}
    backup = tmp_path / "config.yaml"
    shutil.copy(found.folder / "config.yaml", backup)
    found.configure(**{**CHANGES, "finders": {"finder": changed}})
    planned = found.planned()
    shutil.copy(backup, found.folder / "config.yaml")

    assert planned["train_finder"] == 1 and planned["infer_tile"] == 6
    assert not {"scene_shard", "train_model", "evaluate_model", "baseline_tile"} & set(planned)


def test_a_shipped_finder_finds_candidates_of_a_run_that_trains_none(found):
    trained = (found.folder / found.manifest()["finder", "finder"]["path"]).parent
    shipped = ship_model(trained, "found", found.folder / "models")
    backup = (found.folder / "config.yaml").read_text()
    found.configure(pretrained_finders={"mine": "found"}, models_dir=str(shipped.parents[1]))
    planned = found.planned("catalog")
    done = found.run("catalog")
    (found.folder / "config.yaml").write_text(backup)

    assert done.returncode == 0, done.stdout
    assert planned["take_finder"] == 1 and not {"train_finder", "scene_shard"} & set(planned)
    (taken,) = (found.folder / "results/artifacts/finder/mine").iterdir()
    assert read_card(taken / "model.yaml", FinderCard) == read_card(shipped / "model.yaml", FinderCard)
    records = [
        json.loads(path.read_text())
        for path in (found.folder / "results/artifacts/infer/sky.cnn").glob("*/provenance.json")
    ]
    assert taken.name in [record["parents"]["finder"] for record in records]
