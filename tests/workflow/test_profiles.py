"""Profiles name rules and settings that exist, and say what each line is for."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROFILES = {path.parent.name: path for path in (ROOT / "profiles").glob("*/config.yaml")}
SLURM = yaml.safe_load(PROFILES["slurm"].read_text())
RULES_TEXT = "\n".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
RULES = set(re.findall(r"^rule (\w+):", RULES_TEXT, re.MULTILINE))
# Each job starts Snakemake, which takes about 180 MB of it.
SNAKEMAKE_MB = 500


def test_the_profiles_do_not_contradict_each_other():
    assert not set(SLURM) & set(yaml.safe_load(PROFILES["default"].read_text()))


@pytest.mark.parametrize("key", ["set-resources", "groups"])
def test_the_slurm_profile_names_rules_that_exist(key):
    assert set(SLURM[key]) <= RULES


def test_every_rule_that_uses_a_network_gets_a_gpu_and_no_other():
    networks = {
        "train_model",
        "train_finder",
        "train_generator",
        "train_restorer",
        "join_models",
        "evaluate_model",
        "deblend_blends",
        "infer_tile",
        "infer_chunk",
    }
    assert set(SLURM["set-resources"]) == networks
    assert all(
        asked == {"slurm_partition": "gpu", "gres": "gpu:1"} for asked in SLURM["set-resources"].values()
    )


def test_every_job_has_room_for_snakemake():
    asked = [int(number) for number in re.findall(r"mem_mb=growing\((\d+)\)", RULES_TEXT)]
    assert len(asked) >= 16
    assert min(asked, default=0) >= SNAKEMAKE_MB
    assert SLURM["default-resources"]["mem_mb"] >= SNAKEMAKE_MB


@pytest.mark.parametrize("path", PROFILES.values(), ids=PROFILES)
def test_every_setting_is_explained(path):
    """On its line, or in the comment above its block."""
    before = ""
    for line in path.read_text().splitlines():
        if re.match(r"(?!#)\S", line):
            assert " # " in line or before.startswith("#"), line
        before = line
