"""The log of one job of the workflow, and what it leaves when it fails or is killed."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skymill.errors import SkymillError, one_line

BEGUN = ".begun"
"""Suffix of the note of what is being worked on."""
TRACEBACK = ".traceback.txt"
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@contextmanager
def job_log(path: str | Path, failure: str | Path | None = None) -> Iterator[None]:
    """Send log messages and warnings to `path` and to stderr while the job runs.

    Parameters
    ----------
    path : str or Path
        The rule's log file; overwritten.
    failure : str or Path, optional
        Where the reason is left when the job fails; removed when it begins. Runs that leave failed tiles out read it.
        While the job works, a note lies beside it (:func:`begun`).

    Raises
    ------
    SystemExit
        With status 1 after an error, which is logged as one line. Of one that skymill did not foresee the traceback
        goes to a file beside the log.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    handlers: list[logging.Handler] = [logging.FileHandler(path, mode="w"), logging.StreamHandler(sys.stderr)]
    logging.basicConfig(level=logging.INFO, format=FORMAT, handlers=handlers, force=True)
    logging.captureWarnings(True)
    leave_reason(failure, None)
    try:
        with begun(failure):
            yield
    except Exception as error:  # noqa: BLE001 - whatever it is, its reason is kept
        reason = reason_of(error, Path(path).with_suffix(TRACEBACK))
        logging.getLogger("skymill").error("%s", reason)
        leave_reason(failure, reason)
        raise SystemExit(1) from None
    finally:
        logging.shutdown()


def reason_of(error: Exception, place: str | Path) -> str:
    """Say in one line why something failed.

    Parameters
    ----------
    error : Exception
        What was raised.
    place : str or Path
        File that the traceback is added to if it is not a :class:`~skymill.errors.SkymillError`.
    """
    if isinstance(error, SkymillError):
        return str(error)
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    with Path(place).open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(traceback.format_exception(error))
    said = SkymillError(
        type(error).__name__,
        expected="no such error",
        found=one_line(str(error)) or "nothing said",
        remedy=f"The traceback is in {place}.",
    )
    return str(said)


@contextmanager
def begun(failure: str | Path | None) -> Iterator[None]:
    """Keep a note while something is worked on: what kills the process leaves it, and nothing else.

    Parameters
    ----------
    failure : str or Path, optional
        Where the reason of a failure would be left; the note lies beside it and says how often this has begun in this
        run. Without it nothing is noted.
    """
    if failure is None:
        yield
        return
    note = Path(failure).with_suffix(BEGUN)
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(f"{times_begun(failure) + 1}\n", encoding="utf-8")
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def times_begun(failure: str | Path) -> int:
    """Return how often something has begun in this run and was killed: its note is still there."""
    try:
        return int(Path(failure).with_suffix(BEGUN).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return 0


def leave_reason(path: str | Path | None, reason: str | None) -> None:
    """Leave the reason of a failure in `path`, or remove an old one where there is none; nothing without `path`."""
    if path is None:
        return
    if reason is None:
        Path(path).unlink(missing_ok=True)
        return
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(reason + "\n", encoding="utf-8")
