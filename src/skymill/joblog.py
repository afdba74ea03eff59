"""The log of one job of the workflow."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skymill.errors import SkymillError

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@contextmanager
def job_log(path: str | Path, failure: str | Path | None = None) -> Iterator[None]:
    """Send log messages and warnings to `path` and to stderr while the job runs.

    Parameters
    ----------
    path : str or Path
        The rule's log file; overwritten.
    failure : str or Path, optional
        Where the reason is left when the job fails with a :class:`~skymill.errors.SkymillError`; removed when it
        begins. Runs that leave failed tiles out read it.

    Raises
    ------
    SystemExit
        With status 1 after a :class:`~skymill.errors.SkymillError`, which is logged as one line. Any other error
        is logged with its traceback and raised on.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    handlers: list[logging.Handler] = [logging.FileHandler(path, mode="w"), logging.StreamHandler(sys.stderr)]
    logging.basicConfig(level=logging.INFO, format=FORMAT, handlers=handlers, force=True)
    logging.captureWarnings(True)
    leave_reason(failure, None)
    try:
        yield
    except SkymillError as error:
        logging.getLogger("skymill").error("%s", error)
        leave_reason(failure, str(error))
        raise SystemExit(1) from None
    except Exception:
        logging.getLogger("skymill").exception("unexpected error")
        raise
    finally:
        logging.shutdown()


def leave_reason(path: str | Path | None, reason: str | None) -> None:
    """Leave the reason of a failure in `path`, or remove an old one where there is none; nothing without `path`."""
    if path is None:
        return
    if reason is None:
        Path(path).unlink(missing_ok=True)
        return
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(reason + "\n", encoding="utf-8")
