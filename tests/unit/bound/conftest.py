"""A small survey, galaxies of every composition, and their images as GalSim draws them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import galsim
import numpy as np
import pytest

from skymill.bound.derivatives import Derivatives, derivatives
from skymill.bound.grid import FourierGrid
from skymill.data.survey import Survey
from skymill.simulate.parametric import bulge_and_disc
from skymill.simulate.psf import effective_psf

CANVAS, SCALE = 64, 0.2
EXACT = galsim.GSParams(folding_threshold=5e-3, maxk_threshold=1e-5, kvalue_accuracy=1e-6)
MIXED = {
    "kind": "bulge_disc",
    "knots_fraction": 0.0,
    "bulge_to_total": 0.4,
    "bulge_n": 2.5,
    "bulge_re": 0.4,
    "q_bulge": 0.8,
    "disc_re": 0.9,
    "q_disc": 0.5,
    "theta": 25.0,
}


def toy_survey(**changes: Any) -> Survey:
    values = {
        "name": "toy",
        "band": "r",
        "pixel_scale_arcsec": SCALE,
        "zero_point_mag": 25.0,
        "gain_e_per_unit": 100.0,
        "background_rms": 0.05,
        "psf": {"kind": "gaussian", "fwhm_arcsec": 0.7},
        **changes,
    }
    return Survey.model_validate(values)


@pytest.fixture
def make_survey() -> Callable[..., Survey]:
    return toy_survey


@pytest.fixture
def survey() -> Survey:
    return toy_survey()


@pytest.fixture
def galaxy() -> Callable[..., dict[str, Any]]:
    """A bulge + disc galaxy; keyword arguments change it."""

    def make(**changes: Any) -> dict[str, Any]:
        return {**MIXED, **changes}

    return make


@pytest.fixture
def differentiate(survey: Survey) -> Callable[..., Derivatives]:
    """Differentiate a galaxy near the middle of the canvas."""

    def make(galaxy: dict, flux: float = 100.0, x: float = 31.3, y: float = 32.2, survey: Survey = survey):
        return derivatives(galaxy, flux, x, y, FourierGrid(CANVAS, survey), survey.pixel_scale_arcsec)

    return make


@pytest.fixture
def drawn(survey: Survey) -> Callable[..., np.ndarray]:
    """The same galaxy by GalSim, in double precision."""

    def make(galaxy: dict, flux: float = 100.0, x: float = 31.3, y: float = 32.2, survey: Survey = survey):
        psf = effective_psf(survey.psf).withGSParams(EXACT)
        is_point = galaxy["kind"] == "point"
        seen = psf if is_point else galsim.Convolve([bulge_and_disc(galaxy, EXACT), psf], gsparams=EXACT)
        middle = (CANVAS - 1) / 2
        image = galsim.ImageD(CANVAS, CANVAS, scale=survey.pixel_scale_arcsec)
        seen.withFlux(flux).drawImage(image=image, method="no_pixel", offset=(x - middle, y - middle))
        return image.array

    return make
