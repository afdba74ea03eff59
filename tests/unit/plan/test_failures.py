"""Which failures a run leaves out."""

import os

import pytest

from skymill.joblog import BEGUN
from skymill.plan.artifact import Artifact
from skymill.plan.failures import Failures, forget_begun, is_interrupted, leave_reasons_of_killed
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


def test_what_a_killed_job_leaves_becomes_a_reason(failed):
    bad, _ = failed
    bad.failure().with_suffix(BEGUN).write_text("1\n")
    (reason,) = leave_reasons_of_killed()
    assert reason.startswith(
        f"infer bad.cnn.{bad.recipe.version}: expected its job to end, found that it was killed"
    )
    assert "results/logs/infer" in reason
    assert Failures(True).reason(bad) == reason
    assert leave_reasons_of_killed() == []


def test_a_note_alone_is_no_failure(failed):
    _, good = failed
    good.failure().with_suffix(BEGUN).write_text("1\n")
    assert not Failures(True).leaves_out(good)
    forget_begun()
    assert leave_reasons_of_killed() == []


def test_a_run_that_a_person_stops_is_told_by_snakemakes_log(tmp_path):
    (tmp_path / "log").write_text("Error in rule train\n")
    assert not is_interrupted([tmp_path / "log"])
    (tmp_path / "log").write_text("Terminating processes on user request, this might take some time.\n")
    assert is_interrupted([tmp_path / "log"])
