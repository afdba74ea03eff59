"""Which failures a run leaves out."""

import os

import pytest

from skymill.plan.artifact import Artifact
from skymill.plan.failures import Failures
from skymill.provenance.recipe import Recipe


@pytest.fixture
def failed(tmp_path, monkeypatch):
    """An artifact whose job failed at second 100, and one whose job did not."""
    monkeypatch.chdir(tmp_path)
    bad, good = (Artifact(Recipe("infer", name, {})) for name in ("bad.cnn", "good.cnn"))
    bad.failure().parent.mkdir(parents=True)
    bad.failure().write_text("soup\n")
    os.utime(bad.failure(), (100, 100))
    return bad, good


@pytest.mark.parametrize(
    ("is_asked_for", "until_s", "reason"),
    [(True, None, "soup"), (True, 100, "soup"), (True, 99, ""), (False, None, "")],
)
def test_only_what_was_asked_for_and_failed_before_the_run_is_left_out(failed, is_asked_for, until_s, reason):
    failures = Failures(is_asked_for, until_s)
    bad, good = failed
    assert failures.reason(bad) == reason
    assert failures.reason(good) == ""
    assert failures.leaves_out(bad) == bool(reason)
    assert failures.notes == ([{"what": "infer bad.cnn", "reason": "soup"}] if reason else [])


def test_another_version_has_not_failed(failed):
    other = Artifact(Recipe("infer", "bad.cnn", {"seed": 2}))
    assert Failures(True).reason(other) == ""
