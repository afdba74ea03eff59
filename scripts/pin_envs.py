"""Bring the versions in envs/*.yaml to those of requirements.lock; `make lock` calls it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Rewrite each ``name==version`` of each environment; comments and everything else stay."""
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    versions = {name.lower(): version for name, version in pins.items()}
    for path in sorted((ROOT / "envs").glob("*.yaml")):
        text = path.read_text()
        path.write_text(
            re.sub(r"([\w.-]+)==[\w.]+", lambda pin: f"{pin[1]}=={versions[pin[1].lower()]}", text)
        )


if __name__ == "__main__":
    main()
