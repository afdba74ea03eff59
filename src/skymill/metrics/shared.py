"""Names of the figures on the sources that two detectors share: compare writes them, the report reads them."""

from __future__ import annotations

OF_EACH = ("flux_mape", "flux_ape_median")
"""Metrics of either detector."""
RATIO = "flux_mape_ratio"
SUBSETS = ("all", "isolated", "blended", "both_found")


def shared_subset(other: str, subset: str) -> str:
    """Name a subset of the galaxies that a detector shares with another one."""
    return f"shared/{other}/{subset}"
