"""The whole chain on a tiny configuration, and what a dry run plans afterwards."""

import json
import os
import re
import shutil

import pytest

from skymill.catalog.catalogue import Catalogue

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

STAGES = [
    "simulate",
    "blend",
    "train",
    "evaluate",
    "ingest",
    "infer",
    "baseline",
    "inject",
    "bound",
    "compare",
    "report",
]
DETECTORS = {"cnn", "unet", "source_extractor", "sep", "photutils"}


def test_the_run_leaves_its_face(finished):
    assert {path.name for path in finished.face.iterdir()} == {
        *("report.html", "metrics.json", "manifest.json", "catalogues", "figures", "SHA256SUMS"),
    }
    assert "<html" in (finished.face / "report.html").read_text()[:2000].lower()


def test_metrics_hold_every_detector_on_every_dataset(finished):
    records = json.loads((finished.face / "metrics.json").read_text())
    records = records["metrics"] if isinstance(records, dict) else records
    found = {(record["dataset"], record["detector"]) for record in records}
    datasets = {"test_blends", "injected:sky", "reference:sky"}
    assert found >= {(dataset, detector) for dataset in datasets for detector in DETECTORS}
    assert all({"metric", "subset", "value", "unit", "n", "low", "high"} <= set(record) for record in records)


def test_the_manifest_names_every_artifact_with_its_checksum(finished):
    manifest = finished.manifest()
    assert {stage for stage, _ in manifest} >= {"simulate", "blend", "train", "infer", "baseline", "compare"}
    for entry in manifest.values():
        assert (finished.folder / entry["path"]).is_file()
        assert re.fullmatch("[0-9a-f]{64}", entry["sha256"])


def test_every_catalogue_keeps_to_one_schema(finished):
    manifest = finished.manifest()
    catalogues = [
        entry for (stage, _), entry in manifest.items() if stage in ("infer", "baseline", "evaluate")
    ]
    assert len(catalogues) == 3 * len(DETECTORS)
    for entry in catalogues:
        catalogue = Catalogue.read(finished.folder / entry["path"], "measurement")
        assert len(catalogue) == entry["rows"] > 0
        assert catalogue.meta["version"] == entry["version"]


def test_nothing_is_left_to_do_and_planning_is_quick(finished):
    before = os.times()
    done = finished.run("--dry-run")
    after = os.times()
    assert "Nothing to be done" in done.stdout, done.stdout
    # Processor time: what else the machine does counts little. The target is 5 s.
    took = after.children_user + after.children_system - before.children_user - before.children_system
    assert 0.1 < took < 8


def test_each_stage_is_a_target(make_workflow):
    planned = make_workflow("targets").planned(*STAGES)
    assert set(planned) >= set(STAGES)


def test_a_stage_alone_plans_only_what_it_needs(make_workflow):
    planned = make_workflow("alone").planned("blend")
    assert set(planned) == {"simulate_shard", "simulate_population", "blend_shard", "blend_set", "blend"}
    assert planned["simulate_shard"] == 4


def test_a_misspelt_key_stops_the_run_and_names_the_known_ones(make_workflow):
    done = make_workflow("misspelt", blend={"nois": {"kind": "gaussian"}}).run("--dry-run")
    assert done.returncode != 0
    assert "blend.nois: unknown key; known here: canvas_px" in done.stdout
    assert "Traceback" not in done.stdout


def test_snakemake_lint_finds_nothing(finished):
    done = finished.run("--lint")
    assert done.returncode == 0, done.stdout


def test_snakemakes_own_report_is_made(finished):
    done = finished.run("--report", "snakemake-report.html")
    assert done.returncode == 0, done.stdout
    assert (finished.folder / "snakemake-report.html").stat().st_size > 100_000


def test_a_run_without_source_extractor_goes_on_and_says_so(make_workflow, tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "sh", "git", "env", "uname", "which"):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    workflow = make_workflow("without")
    done = workflow.run("report", "--dry-run", "--quiet", "rules", path=str(tools))
    assert done.returncode == 0, done.stdout
    with_it = workflow.planned()["baseline_tile"]
    assert f"baseline_tile {with_it - 2}" in re.sub(" +", " ", done.stdout)
