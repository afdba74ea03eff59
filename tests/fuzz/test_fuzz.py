"""Spoiled files of every kind end valid or refused in one line; ``benchmarks/fuzz.py`` does thousands of them."""

import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from targets import TARGETS, outcome  # noqa: E402 - beside this file, for the benchmark as well

EXAMPLES = {"card": 30}
"""Of each kind, where a reading takes long; 60 of the others."""
AWAITED = ("image", "stamps", "catalogue", "record")
"""Files whose readers do not yet notice all damage: only the benchmark spoils these."""


@pytest.mark.parametrize("name", TARGETS)
def test_a_whole_file_is_read(name, tmp_path):
    path = tmp_path / "whole"
    TARGETS[name].make(path)

    TARGETS[name].read(path)


@pytest.mark.parametrize("name", [name for name in TARGETS if name not in AWAITED])
def test_a_spoiled_file_is_valid_or_refused_in_one_line(name, tmp_path):
    seen = set()

    @settings(
        max_examples=EXAMPLES.get(name, 60), suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(seed=st.integers(0, 2**32 - 1))
    def spoil(seed: int) -> None:
        found = outcome(name, seed, tmp_path)
        seen.add(found)
        assert found in ("valid", "refused"), f"fault {seed} of {name}: {found}"

    spoil()
    # Faults that all files survive would test nothing.
    assert "refused" in seen


def test_the_benchmark_counts_what_its_workers_say(tmp_path, capsys):
    path = HERE.parents[1] / "benchmarks/fuzz.py"
    specification = importlib.util.spec_from_file_location("fuzz", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)

    failures = module.main(["20", "--targets", "tiles", "config"])

    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert failures == 0
    assert [row.split(" | ")[0] for row in rows[1:]] == ["| tiles", "| config"]
    assert all(" 0 | 0 | 0 | 0 | 0 |" in row for row in rows[1:])
