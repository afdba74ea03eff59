"""Every rule that makes something says where it logs, what it costs and what it is doing."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "workflow" / "rules").glob("*.smk"))
RULES = {
    name: body
    for path in FILES
    for name, body in re.findall(
        r"^rule (\w+):\n(.*?)(?=^rule |\Z)", path.read_text(), re.MULTILINE | re.DOTALL
    )
}
WORKING = sorted(name for name, body in RULES.items() if "script:" in body)
KEYS = [
    "input",
    "output",
    "log",
    "benchmark",
    "wildcard_constraints",
    "localrule",
    "conda",
    "threads",
    "resources",
    "params",
    "message",
    "script",
]
NEEDED = {"output", "params", "log", "benchmark", "conda", "threads", "resources", "message", "script"}


def keys(rule):
    return re.findall(r"^    (\w+):", RULES[rule], re.MULTILINE)


def test_rules_were_found():
    assert len(WORKING) >= 16


def test_a_working_rule_has_every_key_in_the_same_order(subtests):
    for rule in WORKING:
        with subtests.test(rule):
            assert set(keys(rule)) >= NEEDED
            assert keys(rule) == [key for key in KEYS if key in keys(rule)]
            assert "code=code_stamp(" in RULES[rule]
            assert "mem_mb=growing(" in RULES[rule]
            assert "runtime=growing(" in RULES[rule]


def test_only_what_ties_shards_together_runs_where_snakemake_does():
    """On a cluster, work belongs on its nodes; a few seconds of linking files are not worth a wait in the queue."""
    local = {rule for rule in WORKING if "localrule" in keys(rule)}
    assert local == {"simulate_population", "blend_set", "bound_set", "scene_set", "tally_tiles"}
    ties = local - {"tally_tiles"}
    assert all(rule.replace("_population", "_shard").replace("_set", "_shard") in RULES for rule in ties)


def test_whatever_is_made_tile_by_tile_can_be_made_in_chunks_by_the_same_code():
    stages = {"fetch": "fetch_file", "reference": "read_reference"}
    stages |= {stage: f"{stage}_tile" for stage in ("ingest", "inject", "infer", "baseline")}
    for stage, rule in stages.items():
        stamps = [re.findall(r"code_stamp\(.*?\)", RULES[name]) for name in (rule, f"{stage}_chunk")]
        assert len(stamps[0]) == 1
        assert stamps[0] == stamps[1]


def test_other_rules_are_targets_only(subtests):
    for rule in sorted(set(RULES) - set(WORKING)):
        with subtests.test(rule):
            assert set(keys(rule)) == {"localrule", "input"}


def test_the_script_is_called_like_the_rule_and_holds_no_logic(subtests):
    for rule in WORKING:
        with subtests.test(rule):
            script = ROOT / "workflow" / "scripts" / f"{rule}.py"
            assert f'"../scripts/{rule}.py"' in RULES[rule]
            text = script.read_text()
            assert not re.search(r"^\s*(def|class|for|if|while) ", text, re.MULTILINE)
            assert len(text.splitlines()) <= 25
            assert re.search(rf"import {rule}$", text, re.MULTILINE)
            assert "snakemake.config" not in text


def test_rule_files_are_short_and_say_what_they_do(subtests):
    for path in [*FILES, ROOT / "Snakefile"]:
        with subtests.test(path.name):
            text = path.read_text()
            assert text.startswith("# ")
            assert "lambda" not in re.sub("#.*", "", text)
            assert "run:" not in [line.strip() for line in text.splitlines()]
            assert len(text.splitlines()) <= (60 if path.name == "Snakefile" else 150)
