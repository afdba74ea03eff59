"""Spoiled files of every kind end valid or refused in one line; ``benchmarks/fuzz.py`` does thousands of them."""

import os
import subprocess
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


@pytest.mark.parametrize("name", TARGETS)
def test_a_whole_file_is_read(name, tmp_path):
    path = tmp_path / "whole"
    TARGETS[name].make(path)

    TARGETS[name].read(path)


# astropy leaves a file open that it could not make sense of.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", TARGETS)
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


def test_the_benchmark_counts_what_its_workers_say(repository):
    command = [sys.executable, "benchmarks/fuzz.py", "20", "--targets", "tiles", "config"]
    environment = {**os.environ, "PYTHONPATH": str(repository / "src")}
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True)
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row.split(" | ")[0] for row in rows[1:]] == ["| tiles", "| config"]
    assert all(" 0 | 0 | 0 | 0 | 0 |" in row for row in rows[1:])
