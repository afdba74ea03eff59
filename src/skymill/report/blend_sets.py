"""The sets of blends that a run may measure, in the order of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class BlendSet:
    """One set of blends.

    Parameters
    ----------
    dataset : str
        How metrics name it.
    artifact : str
        Its artifact of the stage blend.
    title, galaxies : str
        For people; what its galaxies are.
    key, count : str
        Where its composition stands in the configuration, and the key there that says how many blends there are.
    """

    dataset: str
    artifact: str
    title: str
    galaxies: str
    key: str
    count: str

    def setting(self, config: Mapping[str, Any]) -> str:
        """Say in one sentence how the blends were composed; nothing where the configuration does not."""
        blend = config.get(self.key) or {}
        if not {self.count, "group_sizes", "delta_mag"} <= set(blend):
            return ""
        sizes = ", ".join(f"{share:g} of {size}" for size, share in blend["group_sizes"].items())
        low, high = blend["delta_mag"]
        noise = (blend.get("noise") or {}).get("kind", "no")
        return (
            f"{blend[self.count]:,} blends; shares by number of galaxies: {sizes}; companions {low:g} to {high:g} mag "
            f"from the central galaxy; {noise} noise."
        )


TEST_BLENDS = BlendSet(
    "test_blends",
    "test",
    "Test blends",
    "Blends of simulated galaxies that no network has seen, measured by every detector on the same pixels.",
    "blend",
    "n_test",
)
REAL_BLENDS = BlendSet(
    "real_blends",
    "real",
    "Blends of real galaxies",
    "Blends of galaxies from images, which no network has seen or anything like them. They are few: each is in many "
    "blends, turned and dimmed, and intervals do not know of that. A little noise of their own images is in them.",
    "real_blends",
    "n",
)
BLEND_SETS = {blends.dataset: blends for blends in (TEST_BLENDS, REAL_BLENDS)}
