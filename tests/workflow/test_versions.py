"""What a change plans again: parameters, code, comments."""

import re
import shutil
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

AFTER_TRAIN = {"train_model", "evaluate_model", "infer_tile", "compare_run", "report"}


@pytest.fixture
def edited(finished, tmp_path):
    """The finished run's files with a copy of the code that a test may edit."""
    source = tmp_path / "code"
    shutil.copytree(finished.source, source)
    return type(finished)(finished.folder, source)


def edit(workflow, module, before, after):
    path = workflow.source / "src" / "skymill" / module
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def test_a_learning_rate_plans_train_and_what_follows(finished, tmp_path):
    changed = type(finished)(finished.folder, finished.source)
    original = (finished.folder / "config.yaml").read_text()
    try:
        changed.configure(
            models={
                "cnn": {
                    "network": {"kind": "cnn", "rings": 8, "angles": 8, "widths": [4, 8], "dense": 8},
                    "task": {"kind": "flux"},
                    "input_px": 32,
                    "training": {"max_epochs": 2, "batch_size": 8, "learning_rate": 0.01},
                }
            }
        )
        planned = changed.planned()
        assert set(planned) == AFTER_TRAIN
        assert planned["train_model"] == 1
    finally:
        (finished.folder / "config.yaml").write_text(original)


def test_a_comment_or_a_docstring_plans_nothing(edited):
    edit(edited, "simulate/shard.py", '"""', '"""New words. ')
    edit(edited, "simulate/shard.py", "from __future__", "# A remark.\nfrom __future__")
    assert edited.planned() == {}


def test_code_of_simulate_plans_simulate_and_what_follows(edited):
    path = edited.source / "src" / "skymill" / "simulate" / "shard.py"
    path.write_text(path.read_text() + "\n\nUNUSED = 1\n")
    planned = edited.planned()
    assert {"simulate_shard", "blend_shard", "train_model", "compare_run", "report"} <= set(planned)
    assert "ingest_tile" not in planned


def test_code_of_the_report_plans_the_report_alone(edited):
    path = edited.source / "src" / "skymill" / "report" / "report.py"
    path.write_text(path.read_text() + "\n\nUNUSED = 1\n")
    assert set(edited.planned()) == {"report"}


def test_a_new_version_leaves_the_old_catalogue_and_both_can_be_compared(make_workflow, finished, tmp_path):
    workflow = make_workflow("again")
    shutil.copytree(finished.folder / "results", workflow.folder / "results", symlinks=True)
    old = finished.manifest()["baseline", "sky.sep"]
    workflow.configure(detectors={"sep": {"kind": "sep", "setting": "plain"}})
    done = workflow.run("baseline")
    assert done.returncode == 0, done.stdout
    versions = sorted((workflow.folder / "results/artifacts/baseline/sky.sep").iterdir())
    assert len(versions) == 2
    assert (workflow.folder / old["path"]).is_file()
    command = [sys.executable, "-m", "skymill.cli", "diff", *map(str, versions)]
    compared = subprocess.run(command, text=True, capture_output=True, cwd=workflow.folder)
    assert compared.returncode == 0, compared.stderr
    assert "setting" in compared.stdout
    assert re.search(r"flux", compared.stdout)


def test_verify_accepts_the_run_and_finds_a_changed_byte(finished, make_workflow):
    workflow = make_workflow("verify")
    shutil.copytree(finished.folder / "results", workflow.folder / "results", symlinks=True)
    command = [sys.executable, "-m", "skymill.cli", "verify"]
    good = subprocess.run(command, text=True, capture_output=True, cwd=workflow.folder)
    assert good.returncode == 0, good.stdout + good.stderr
    victim = workflow.folder / workflow.manifest()["infer", "sky.cnn"]["path"]
    victim.write_bytes(victim.read_bytes()[:-1] + b"?")
    bad = subprocess.run(command, text=True, capture_output=True, cwd=workflow.folder)
    assert bad.returncode != 0
    assert "sky.cnn" in bad.stdout + bad.stderr
