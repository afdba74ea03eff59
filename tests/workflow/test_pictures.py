"""A run whose only network draws pictures: it is trained and judged, and there is no catalogue."""

import json

import pytest
import yaml

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

ONLY = {
    "models": {
        "gan": {
            "network": {"kind": "branched_pictures", "root_widths": [4, 8], "root_blocks": 1},
            "task": {"kind": "pictures"},
            "input_px": 32,
            "training": {"max_epochs": 2, "batch_size": 8, "augment": {"shift_px": 0}},
        }
    },
    "fields": {},
    "detectors": {},
    "inject": None,
    "bound": None,
}


@pytest.fixture(scope="module")
def pictures(make_workflow):
    workflow = make_workflow("pictures", shard_size=1000)
    path = workflow.folder / "config.yaml"
    values = {**yaml.safe_load(path.read_text()), **ONLY}
    values["blend"] = {**values["blend"], "n_test": 24, "group_sizes": {2: 1.0}}
    path.write_text(yaml.safe_dump(values))
    done = workflow.run()
    assert done.returncode == 0, done.stdout
    return workflow


def test_its_figures_are_those_of_the_run(pictures):
    records = json.loads((pictures.face / "metrics.json").read_text())
    manifest = pictures.manifest()

    assert {record["dataset"] for record in records} == {"pictures:test_blends"}
    assert {"picture_psnr", "picture_ssim", "blend_picture_psnr"} <= {record["metric"] for record in records}
    assert manifest["pictures", "test_blends.gan"]["rows"] == 24
    assert not {"evaluate", "infer", "deblend"} & {stage for stage, _ in manifest}
    assert not list((pictures.face / "catalogues").iterdir())


def test_the_page_shows_table_and_cases(pictures):
    page = (pictures.face / "report.html").read_text()

    assert "Pictures of 8 bits: gan" in page and "no flux comes out of them" in page
    assert page.count("Test blends from the worst to the best PSNR") == 1
    assert "picture psnr" in page


def test_nothing_is_left_to_do(pictures):
    assert pictures.planned() == {}
