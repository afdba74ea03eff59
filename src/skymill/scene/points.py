"""Stars: the survey's PSF at sub-pixel places."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from skymill.data.survey import Survey
from skymill.simulate.draw import draw
from skymill.simulate.psf import effective_psf

if TYPE_CHECKING:
    from numpy.typing import NDArray

PHASES = 8
"""Sub-pixel places along each axis: a star's centre is right to a sixteenth of a pixel, and its truth is exact."""
HALF_FWHM = 12.0


class Points:
    """The PSF drawn once at every one of :data:`PHASES` squared sub-pixel places.

    Parameters
    ----------
    survey : Survey
        PSF and pixel scale.

    Attributes
    ----------
    stamps : ndarray (k, k, size, size), float32
        Light of a star of flux 1 whose centre is ``phase[j]`` to the right of and ``phase[i]`` above the middle pixel.
    phase : ndarray (k,), float64
        Offsets in pixels, from -7/16 to 7/16.
    """

    def __init__(self, survey: Survey) -> None:
        self.phase = (np.arange(PHASES) + 0.5) / PHASES - 0.5
        size = 2 * ceil(HALF_FWHM * survey.psf_fwhm_px) + 1
        psf, scale = effective_psf(survey.psf), survey.pixel_scale_arcsec
        self.stamps: NDArray[np.float32] = np.stack(
            [np.stack([draw(psf, size, dx, dy, scale) for dx in self.phase]) for dy in self.phase]
        )

    def nearest(self, offset: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the number of the phase nearest to each offset (px, -0.5 … 0.5)."""
        return np.clip(np.floor((offset + 0.5) * PHASES), 0, PHASES - 1).astype(np.int64)
