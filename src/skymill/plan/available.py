"""Which detectors can run on this machine."""

from __future__ import annotations

import shutil

SOURCE_EXTRACTOR_NAMES = ("source-extractor", "sex", "sextractor")


def missing_detectors() -> dict[str, str]:
    """Return the kinds of detectors whose program is not installed here, with what to do about it."""
    if any(shutil.which(name) for name in SOURCE_EXTRACTOR_NAMES):
        return {}
    names = ", ".join(SOURCE_EXTRACTOR_NAMES)
    reason = f"None of {names} is on the PATH. Debian and Ubuntu have it: apt-get install source-extractor."
    return {"source_extractor": reason}
