"""Where all tests have to run, a skipped one is a failure."""

import shutil
import subprocess
import sys

import pytest

TESTS = """
import pytest

def test_that_runs():
    pass

def test_that_is_skipped():
    pytest.skip({reason!r})
"""


@pytest.fixture
def run(repository, tmp_path):
    """A function that runs two tests, one of them skipped, with the hooks of this suite."""
    shutil.copy(repository / "tests/conftest.py", tmp_path)

    def outcome(reason, *arguments):
        (tmp_path / "test_two.py").write_text(TESTS.format(reason=reason))
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        return done.returncode, done.stdout

    return outcome


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_skipped_test_fails_the_run_and_is_named(run, workers):
    status, text = run("no such program", "--all-must-run", "-n", workers)
    assert status == 1
    assert "FAILED --all-must-run: 1 skipped: no such program" in text


def test_reasons_of_the_short_list_are_allowed(run):
    status, text = run("needs a CUDA device, found none", "--all-must-run")
    assert status == 0
    assert "FAILED" not in text


def test_elsewhere_tests_may_be_skipped(run):
    assert run("no such program")[0] == 0


def test_ci_says_that_all_must_run(repository):
    assert "--all-must-run" in (repository / ".ci/run").read_text()
