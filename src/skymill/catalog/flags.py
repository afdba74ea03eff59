"""The one registry of flag bits, and what each of them means.

A detector does not set them by rules of its own: :mod:`skymill.detectors.flags` does, for every detector alike, from
where the source is, how large it is and which pixels are usable.
"""

from __future__ import annotations

from enum import IntFlag

EXTENT_RADII = 3.0
"""A source's extent is the circle of this many half-light radii about its centre."""
CORE_RADII = 1.5
"""Its core has this many: about a twentieth of the light lies beyond an edge that touches it. One half-light radius
would not do: the centre of a source that is cut is measured farther inside than it is."""


class Flag(IntFlag):
    """Bits of the column ``flags``; every detector sets the same, as :data:`MEANING` says."""

    EDGE = 1
    MASKED = 2
    SATURATED = 4
    BLENDED = 8
    DUPLICATE = 16
    FAILED = 32
    TRUNCATED = 64


MEANING: dict[Flag, str] = {
    Flag.EDGE: "the extent reaches over the edge of the image",
    Flag.MASKED: "bad pixels or pixels without data within the extent",
    Flag.SATURATED: "saturated pixels within the extent",
    Flag.BLENDED: "the extent reaches the half-light radius of another source of the same catalogue, or that one's "
    "extent its own",
    Flag.DUPLICATE: "another window or tile holds the primary entry (is_primary is False)",
    Flag.FAILED: "the measurement, or for simulated galaxies the drawing, failed: flux or flux_err is NaN",
    Flag.TRUNCATED: "light is missing: the image's edge, bad pixels or pixels without data lie within 1.5 half-light "
    "radii, or a limit of the tool (its memory, a simulated or a network's stamp) cut it off",
}
"""The definition of each bit in one line, for documents and reports."""

EXTENT = (
    "A source's extent is the circle of 3 half-light radii about its centre; the half-light radius is `flux_radius`, "
    "and at least that of a star (half the PSF's FWHM); the extent has 3 to 64 px. The same holds for all detectors: "
    "what a program says of its own apertures and isophotes is left out, unless it ran into a limit of its own "
    "(TRUNCATED). Pixels without data inside an image (a mosaic's empty parts) count as MASKED, the rim of the array "
    "as EDGE; both are TRUNCATED where a twentieth of the light or more is lost. That a network's stamp reaches over "
    "the edge is none of these."
)
"""What the definitions speak of, for documents."""
