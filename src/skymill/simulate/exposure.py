"""From noise-free light to what a detector records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skymill.data.survey import Survey

if TYPE_CHECKING:
    from numpy.typing import NDArray


def expose(
    light: NDArray, background: float, survey: Survey, generator: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Add background and noise, and clip what is saturated.

    The noise is that of counted electrons: a background whose Poisson noise is the survey's ``background_rms``, and
    the sources' light, ``gain_e_per_unit`` electrons for one image unit. The level of that background is replaced by
    `background`, as pipelines do that subtract a sky and add a pedestal.

    Parameters
    ----------
    light : ndarray (y, x)
        Noise-free light of all sources, image units.
    background : float
        Level of the background in the result, image units.
    survey : Survey
        Noise, gain and saturation.
    generator : numpy.random.Generator
        For the noise.

    Returns
    -------
    image : ndarray (y, x), float32
        Image units.
    saturated : ndarray (y, x), bool
        Pixels that were clipped at ``saturation + background``.
    """
    gain = survey.gain_e_per_unit
    sky_electrons = (survey.background_rms * gain) ** 2
    electrons = generator.poisson(np.maximum(light * gain + sky_electrons, 0.0))
    image = (electrons - sky_electrons) / gain
    limit = np.inf if survey.saturation is None else survey.saturation
    saturated = image >= limit
    return (np.minimum(image, limit) + background).astype(np.float32), saturated
