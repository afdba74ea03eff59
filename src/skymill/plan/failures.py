"""Failed jobs that left a reason, for runs that leave out what has failed."""

from __future__ import annotations

import os
from functools import cache

from skymill.plan.artifact import FAILURES, Artifact


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
                if self.until_s is None or entry.stat().st_mtime <= self.until_s
            )
