"""Failed jobs that left a reason, for runs that leave out what has failed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from skymill.errors import SkymillError
from skymill.joblog import BEGUN, leave_reason
from skymill.plan.artifact import FAILURES, Artifact

REASON = ".txt"
ON_REQUEST = "Terminating processes on user request"
"""Snakemake's words (9.13 to 9.27) when it is interrupted."""


def forget_begun() -> None:
    """Remove the notes of what former runs worked on: these were killed as a whole, which is no job's fault."""
    for note in _notes():
        note.unlink(missing_ok=True)


def leave_reasons_of_killed() -> list[str]:
    """Turn the notes that a run's jobs have left into reasons; returns these.

    When all jobs of a run have ended, a note that is still there is of one that was killed: by a signal, for its
    memory or at its time limit.
    """
    reasons = []
    for note in _notes():
        killed = SkymillError(
            f"{note.parent.name} {note.name.removesuffix(BEGUN)}",
            expected="its job to end",
            found="that it was killed: by a signal, for its memory or at its time limit",
            remedy=f"The end of its log in results/logs/{note.parent.name} may say more.",
        )
        reasons.append(str(killed))
        leave_reason(note.with_suffix(REASON), str(killed))
        note.unlink(missing_ok=True)
    return reasons


def is_interrupted(snakemake_logs: Iterable[str | Path]) -> bool:
    """Whether a person has stopped a run, by what Snakemake has written in its own logs.

    The jobs that it ended with itself have not failed.
    """
    texts = (Path(path).read_text(encoding="utf-8", errors="replace") for path in snakemake_logs)
    return any(ON_REQUEST in text for text in texts)


def _notes() -> Iterator[Path]:
    return FAILURES.glob(f"*/*{BEGUN}")


class Failures:
    """Reasons of failures that are left out of a run.

    Parameters
    ----------
    is_asked_for : bool
        Whether the run leaves out what has failed; there are no failures otherwise.
    until_s : float, optional
        Records that are younger (seconds since 1970) do not count: the jobs of a run must see the plan as it was when
        the run began.
    """

    def __init__(self, is_asked_for: bool, until_s: float | None = None) -> None:
        self.is_asked_for, self.until_s = is_asked_for, until_s
        # One look at a folder, not one for each of thousands of tiles.
        self._known = cache(self._names)
        self._left_out: dict[str, str] = {}

    def reason(self, artifact: Artifact) -> str:
        """Return why an artifact's job has failed; empty if it has not or that does not matter here."""
        stage = artifact.recipe.stage
        if not self._known(stage) or artifact.failure().name not in self._known(stage):
            return ""
        return artifact.failure().read_text(encoding="utf-8").strip()

    def leaves_out(self, artifact: Artifact) -> bool:
        """Whether an artifact is left out for its own failure alone; said in the notes."""
        if reason := self.reason(artifact):
            self._left_out[f"{artifact.recipe.stage} {artifact.recipe.name}"] = reason
        return bool(reason)

    @property
    def notes(self) -> list[dict[str, str]]:
        """What was left out and why."""
        return [{"what": what, "reason": reason} for what, reason in self._left_out.items()]

    def _names(self, stage: str) -> frozenset[str]:
        folder = FAILURES / stage
        if not self.is_asked_for or not folder.is_dir():
            return frozenset()
        with os.scandir(folder) as entries:
            return frozenset(
                entry.name
                for entry in entries
                if entry.name.endswith(REASON)
                if self.until_s is None or entry.stat().st_mtime <= self.until_s
            )
