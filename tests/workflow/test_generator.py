"""A run in which a network learns galaxies, draws the ones that are blended, and scores the sources of a tile."""

import json

import numpy as np
import pytest

from skymill.catalog.catalogue import Catalogue

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

# Detectors that have no part in this.
OTHERS = ("detectors.source_extractor", "detectors.photutils")
CHANGES = {
    "populations": {
        "galaxies": {
            **{"kind": "parametric", "n_galaxies": 160, "stamp_px": 64, "shard_size": 60},
            "sizes": {"kind": "relation", "re_arcsec": [0.06, 0.4]},
        },
        "drawn": {"kind": "generator", "model": "vae", "n_galaxies": 40, "stamp_px": 64, "shard_size": 15},
    },
    "generators": {
        "vae": {
            "population": "galaxies",
            "network": {
                **{"latent": 4, "widths": [8, 8], "dense": 16, "components": 2},
                **{"canvas_px": 16, "canvas_widths": [8, 8, 8, 8]},
            },
            "input_px": 32,
            "training": {"max_epochs": 2, "batch_size": 16},
        }
    },
    "anomaly": "vae",
    "blend": {"population": "drawn"},
}


@pytest.fixture(scope="module")
def generated(make_workflow):
    workflow = make_workflow("generator", without=OTHERS, **CHANGES)
    done = workflow.run()
    assert done.returncode == 0, done.stdout
    return workflow


def test_blends_are_made_of_drawn_galaxies(generated):
    manifest = generated.manifest()
    blends = Catalogue.read(
        (generated.folder / manifest["blend", "test"]["path"]).with_name("truth.parquet"), "blends"
    )
    drawn = Catalogue.read(
        (generated.folder / manifest["simulate", "drawn"]["path"]).with_name("truth.parquet"), "galaxies"
    )

    assert set(blends["kind"]) == {"generated"} and len(drawn) == 40
    # The bound is of profiles that are known, and these are not.
    assert ("bound", "test") not in manifest


def test_sources_of_the_tile_have_scores(generated):
    manifest = generated.manifest()
    for model in ("cnn", "unet"):
        path = generated.folder / manifest["infer", f"sky.{model}"]["path"]
        score = Catalogue.read(path, "measurement")["anomaly_score"]
        record = json.loads(path.with_name("provenance.json").read_text())
        assert len(score) > 0 and np.isfinite(score).all() and (score >= 0).all()
        assert record["parents"]["anomaly"] == manifest["generator", "vae"]["version"]
    sep = Catalogue.read(generated.folder / manifest["baseline", "sky.sep"]["path"], "measurement")
    assert np.isnan(sep["anomaly_score"]).all()


def test_the_generator_s_figures_stand_beside_the_others(generated):
    records = json.loads((generated.face / "metrics.json").read_text())
    keys = {(record["metric"], record["dataset"], record["detector"]) for record in records}

    assert ("distance_mean", "generated:vae", "vae") in keys
    assert ("anomaly_auroc", "anomaly:vae", "vae") in keys
    assert ("flux_mape", "test_blends", "cnn") in keys


def test_the_page_shows_drawn_galaxies_and_anomalies(generated):
    page = (generated.face / "report.html").read_text()

    assert "Most anomalous sources of sky" in page and "vae: anomaly scores of blends" in page
    assert page.count("data:image/png;base64,") > 5
