"""The account of what the tests did not check: printed at the end, and in `.ci/run` a failure.

With ``SKYMILL_EVERY_TEST=1``, which `.ci/run` sets, a run fails where a test was skipped for a reason that `allowed`
does not hold, where one was deselected, and where a file gave no test. Without it all this is only printed.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
NO_GPU = "needs a CUDA device"
NO_SHARED_DATA = "the shared real data are not at"


def is_without_shared_folder() -> bool:
    """Whether this machine has nothing of what is shared, and nobody said that it is elsewhere."""
    return "SKYMILL_SHARED_DATA" not in os.environ and not (REPOSITORY.parent / "shared").exists()


def allowed() -> tuple[str, ...]:
    """Beginnings of the reasons for which `.ci/run` accepts that a test is skipped."""
    return (NO_GPU, NO_SHARED_DATA) if is_without_shared_folder() else (NO_GPU,)


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The reason of a skip, of an expected failure or of a pass that was not expected."""
    if hasattr(report, "wasxfail"):
        return report.wasxfail.removeprefix("reason: ") or "no reason given"
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return re.sub(r"^Skipped: ", "", text)


class Account:
    """What a run left out; under xdist the workers collect, and hand in their share when they end."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.is_strict = os.environ.get("SKYMILL_EVERY_TEST") == "1"
        self.skipped: dict[str, set[str]] = defaultdict(set)
        self.expected: dict[str, set[str]] = defaultdict(set)
        self.deselected: set[str] = set()
        self.collected: set[str] = set()

    # --- what is seen ------------------------------------------------------------------------------------------

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self.deselected |= {item.nodeid for item in items}

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        self.collected.add(item.nodeid.partition("::")[0])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.skipped[reason_of(report)].add(report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if hasattr(report, "wasxfail"):
            outcome = "xpassed" if report.passed else "xfailed"
            self.expected[f"{outcome}: {reason_of(report)}"].add(report.nodeid)
        elif report.skipped:
            self.skipped[reason_of(report)].add(report.nodeid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        handed_in = getattr(node, "workeroutput", {}).get("account")
        if handed_in is not None:
            self.deselected |= set(handed_in["deselected"])
            self.collected |= set(handed_in["collected"])

    # --- what is said ------------------------------------------------------------------------------------------

    def without_tests(self) -> set[str]:
        """Files of tests that gave none, among those that were asked for."""
        root = self.config.rootpath
        asked = [(root / str(each).partition("::")[0]) for each in self.config.args]
        files = {file for each in asked for file in ([each] if each.is_file() else each.rglob("test_*.py"))}
        whole = {skipped for nodes in self.skipped.values() for skipped in nodes if "::" not in skipped}
        names = {str(file.relative_to(root)) for file in files if file.is_relative_to(root)}
        return names - self.collected - whole

    def faults(self) -> list[str]:
        """One line for each kind of thing that `.ci/run` does not accept."""
        wrong = {why: nodes for why, nodes in self.skipped.items() if not why.startswith(allowed())}
        lines = [f"skipped {len(nodes)}: {why}" for why, nodes in sorted(wrong.items())]
        lines += [f"deselected {len(self.deselected)}"] * bool(self.deselected)
        return lines + [f"no test in {name}" for name in sorted(self.without_tests())]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(self.config, "workeroutput"):
            share = {"deselected": sorted(self.deselected), "collected": sorted(self.collected)}
            self.config.workeroutput["account"] = share
        elif self.is_strict and session.exitstatus == pytest.ExitCode.OK and self.faults():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def left_out(self) -> list[str]:
        """What was left out or expected to fail, why, and how often in which file."""
        groups = {f"{len(nodes)} skipped: {why}": nodes for why, nodes in sorted(self.skipped.items())}
        groups |= {f"{len(nodes)} {why}": nodes for why, nodes in sorted(self.expected.items())}
        if self.deselected:
            groups[f"{len(self.deselected)} deselected"] = self.deselected
        lines = []
        for what, nodes in groups.items():
            files = Counter(node.partition("::")[0] for node in nodes)
            lines += [what, *(f"    {file}: {count}" for file, count in sorted(files.items()))]
        return lines + [f"no test in {name}" for name in sorted(self.without_tests())]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("what was not checked")
        terminalreporter.write_line("\n".join(self.left_out()) or "nothing: every test ran")
        if any(why.startswith(NO_SHARED_DATA) for why in self.skipped) and is_without_shared_folder():
            terminalreporter.write_line("THE TESTS ON REAL DATA DID NOT RUN: this machine has no ../shared")
        if self.is_strict and self.faults():
            terminalreporter.write_line("expected every test to run (.ci/run), found:", red=True)
            terminalreporter.write_line("\n".join(f"    {line}" for line in self.faults()), red=True)


def keep_account(config: pytest.Config) -> None:
    """Keep an account of this run."""
    config.pluginmanager.register(Account(config), "skymill-account")
