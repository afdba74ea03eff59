"""tests/account.py: what a run of the tests did not check is printed, and fails it where every test has to run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
CONFTEST = "from account import keep_account as pytest_configure\n"
# Without the plugins that these runs do not need.
QUICK = [f"-pno:{name}" for name in ("cacheprovider", "timeout", "hypothesispytest", "jaxtyping")]
GOOD = "def test_good(): pass\n"
SKIPPED = "import pytest\n@pytest.mark.skip(reason={reason!r})\ndef test_left_out(): pass\n"
EXPECTED = "import pytest\n" + "".join(
    f"@pytest.mark.xfail(reason={reason!r})\ndef test_{name}(): assert {value}\n"
    for name, reason, value in (("one", "known fault", False), ("two", "was mended", True))
)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """A function that runs small files of tests in a process of its own: exit status and what is printed."""

    def run_tests(files: dict[str, str], *arguments: str, **environment: str) -> tuple[int, str]:
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        (tmp_path / "conftest.py").write_text(CONFTEST)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *QUICK, *arguments, "."],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(TESTS), "SKYMILL_EVERY_TEST": "1", **environment},
            text=True,
            capture_output=True,
        )
        return done.returncode, done.stdout + done.stderr

    return run_tests


@pytest.fixture(params=["alone", "under xdist"])
def workers(request: pytest.FixtureRequest) -> list[str]:
    return ["-p", "no:xdist"] if request.param == "alone" else ["-n", "1"]


def test_a_run_that_leaves_nothing_out_passes(run, workers):
    status, printed = run({"test_a.py": GOOD}, *workers)

    assert status == 0, printed
    assert "nothing: every test ran" in printed


LEFT_OUT = {
    "test_skipped.py": SKIPPED.format(reason="no time"),
    "test_module.py": "import pytest\npytest.importorskip('no_such_module')\n" + GOOD,
    "test_none.py": "import pytest\n@pytest.mark.parametrize('x', [])\ndef test_none(x): pass\n",
    "test_slow.py": GOOD.replace("good", "slow"),
    "test_misspelt.py": "def tset_misspelt(): pass\n",
    "test_ignored.py": GOOD,
    "test_gpu.py": SKIPPED.format(reason="needs a CUDA device"),
    "test_known.py": EXPECTED,
}
FAULTS = [
    "deselected 1",
    "no test in test_ignored.py",
    "no test in test_misspelt.py",
    "skipped 1: could not import 'no_such_module'",
    "skipped 1: got empty parameter set",
    "skipped 1: no time",
]


def test_what_was_left_out_fails_where_every_test_has_to_run(run, workers):
    arguments = [*workers, "-k", "not slow", "--ignore=test_ignored.py"]
    status, printed = run({"test_a.py": GOOD, **LEFT_OUT}, *arguments)
    listed, _, faults = printed.partition("expected every test to run (.ci/run), found:")

    assert status == 1, printed
    found = sorted(line.strip() for line in faults.splitlines() if line.startswith("    "))
    assert len(found) == len(FAULTS)
    assert all(line.startswith(fault) for line, fault in zip(found, FAULTS, strict=True)), found
    for line in (
        "1 skipped: needs a CUDA device\n    test_gpu.py: 1",
        "1 xfailed: known fault",
        "1 xpassed: was mended",
    ):
        assert line in listed


def test_elsewhere_it_is_only_printed(run):
    status, printed = run({"test_a.py": GOOD, **LEFT_OUT}, "-k", "not slow", SKYMILL_EVERY_TEST="0")

    assert status == 0, printed
    assert "1 skipped: no time" in printed
    assert "expected every test to run" not in printed


def test_missing_data_are_a_reason_only_where_the_whole_shared_folder_is_missing(run, tmp_path, monkeypatch):
    text = SKIPPED.format(reason="the shared real data are not at /there")
    monkeypatch.delenv("SKYMILL_SHARED_DATA", raising=False)
    checkout = tmp_path / "home" / "checkout" / "tests"
    checkout.mkdir(parents=True)
    (checkout / "account.py").write_text((TESTS / "account.py").read_text())
    status, printed = run({"test_a.py": text}, PYTHONPATH=str(checkout))

    assert status == 0, printed
    assert "THE TESTS ON REAL DATA DID NOT RUN" in printed
    assert run({"test_a.py": text}, PYTHONPATH=str(checkout), SKYMILL_SHARED_DATA="/there")[0] == 1
    (tmp_path / "home" / "shared").mkdir()
    assert run({"test_a.py": text}, PYTHONPATH=str(checkout))[0] == 1


def test_a_failure_stays_a_failure(run, workers):
    status, printed = run({"test_a.py": GOOD + "def test_bad(): assert False\n"}, *workers)

    assert status == 1, printed
    assert "1 failed" in printed
