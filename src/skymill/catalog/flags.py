"""The one registry of flag bits."""

from __future__ import annotations

from enum import IntFlag


class Flag(IntFlag):
    """Bits of the column ``flags``; every detector sets the same."""

    EDGE = 1
    """The source, or the stamp it was measured on, reaches over the edge of the image."""
    MASKED = 2
    """Bad pixels or pixels without data near the source."""
    SATURATED = 4
    """Saturated pixels near the source."""
    BLENDED = 8
    """A neighbour's light overlaps with the source's, or the source was split from a larger one."""
    DUPLICATE = 16
    """The same source is in another window or tile, which holds the primary entry."""
    FAILED = 32
    """The measurement, or for simulated galaxies the drawing, failed; its columns are NaN."""
    TRUNCATED = 64
    """Part of the source's light lies outside the stamp or was cut off by a limit of the tool."""


MEANING: dict[Flag, str] = {
    Flag.EDGE: "reaches over the edge of the image",
    Flag.MASKED: "bad pixels or no data near the source",
    Flag.SATURATED: "saturated pixels near the source",
    Flag.BLENDED: "a neighbour's light overlaps",
    Flag.DUPLICATE: "another window or tile holds the primary entry",
    Flag.FAILED: "the measurement or the drawing failed",
    Flag.TRUNCATED: "part of the light is cut off",
}
"""One short line for each bit, for documents and reports."""
