"""Which detectors can run on this machine."""

from __future__ import annotations

import shutil

from skymill.config.detect import SOURCE_EXTRACTOR_PROGRAMS


def missing_detectors() -> dict[str, str]:
    """Return the kinds of detectors whose program is not installed here, with what to do about it."""
    if any(shutil.which(name) for name in SOURCE_EXTRACTOR_PROGRAMS):
        return {}
    names = ", ".join(SOURCE_EXTRACTOR_PROGRAMS)
    reason = f"None of {names} is on the PATH. Debian and Ubuntu have it: apt-get install source-extractor."
    return {"source_extractor": reason}
