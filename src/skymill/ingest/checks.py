"""What ingest read, measured and assumed of a tile, and what it found odd: for log, provenance and report."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Literal

from skymill.config.ingest import SurveyMatch
from skymill.errors import DataError

log = logging.getLogger(__name__)

Source = Literal["given", "read", "measured", "assumed"]
"""The tile table or the configuration gives it, the file's header says it, its pixels show it, the survey stands in."""

FACTS = (
    *("hdu", "unit", "filter", "zero-point", "gain", "scale"),
    *("noise map", "mask", "no data", "saturation", "PSF"),
)
"""What is said of each tile, in this order."""


@dataclass
class Checks:
    """The account of one tile.

    Parameters
    ----------
    where : str
        File and HDU, for messages.
    facts : dict of str to dict
        ``value``, ``source`` (:data:`Source`) and ``note`` by one of :data:`FACTS`.
    warnings : list of str
        One line each.
    """

    where: str
    facts: dict[str, dict[str, str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def note(self, what: str, value: str, source: Source, note: str = "") -> None:
        """Say what was taken for one of :data:`FACTS`, and where it is from."""
        self.facts[what] = {"value": value, "source": source, "note": note}

    def warn(self, text: str) -> None:
        """Say that something is odd, in the log and for the report."""
        self.warnings.append(text)
        log.warning("%s: %s", self.where, text)

    def refuse(self, error: DataError, limits: SurveyMatch) -> None:
        """Raise an error, or warn of it where the configuration says to go on.

        Raises
        ------
        DataError
            `error`, unless ``on_mismatch`` is ``go_on``.
        """
        if limits.on_mismatch == "refuse":
            raise error
        self.warn(f"expected {error.expected}, found {error.found}; going on, as on_mismatch says")

    def line(self) -> str:
        """Return everything in one line."""
        return "; ".join(
            f"{what} {fact['value']} ({fact['source']}{', ' * bool(fact['note'])}{fact['note']})"
            for what in FACTS
            if (fact := self.facts.get(what))
        )

    def record(self) -> dict[str, object]:
        """Return the account for the provenance record."""
        return {
            "facts": {what: self.facts[what] for what in FACTS if what in self.facts},
            "warnings": self.warnings,
        }
