"""Small images with known stars, sky and noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from skymill.config.ingest import IngestConfig
from skymill.data.survey import Survey

SIDE = 320
FWHM_PX, BETA = 3.5, 3.0
SKY, RMS = 100.0, 2.0
SCALE_ARCSEC = 0.4


def moffat(x: np.ndarray, y: np.ndarray, fwhm: float = FWHM_PX) -> np.ndarray:
    """A round Moffat profile of unit flux, sampled at pixel centres."""
    scale = fwhm / (2 * np.sqrt(2 ** (1 / BETA) - 1))
    return (BETA - 1) / (np.pi * scale**2) * (1 + (x**2 + y**2) / scale**2) ** -BETA


def stars(fwhm: float = FWHM_PX, side: int = SIDE, flux: float = 3e4) -> np.ndarray:
    """A grid of stars with sub-pixel offsets, without noise."""
    random = np.random.default_rng(7)
    y, x = np.mgrid[:side, :side].astype(np.float64)
    image = np.zeros((side, side))
    for y0 in range(30, side - 20, 50):
        for x0 in range(30, side - 20, 50):
            dx, dy, scale = *random.uniform(-0.5, 0.5, 2), random.uniform(0.5, 2.0)
            image += scale * flux * moffat(x - x0 - dx, y - y0 - dy, fwhm)
    return image


@pytest.fixture(scope="session")
def star_light() -> np.ndarray:
    """36 stars without sky or noise."""
    return stars()


@pytest.fixture(scope="session")
def star_image(star_light: np.ndarray) -> np.ndarray:
    """The stars on a sky of 100 +- 2, float32."""
    noise = np.random.default_rng(1).normal(SKY, RMS, (SIDE, SIDE))
    return (star_light + noise).astype(np.float32)


@pytest.fixture
def survey() -> Survey:
    """A survey that the star image fits."""
    return Survey(
        name="test_r",
        description="A survey for tests.",
        band="r",
        pixel_scale_arcsec=SCALE_ARCSEC,
        zero_point_mag=25.0,
        gain_e_per_unit=2.0,
        background_rms=RMS,
        saturation=None,
        psf={"kind": "moffat", "fwhm_arcsec": FWHM_PX * SCALE_ARCSEC, "beta": BETA},
        sources={},
    )


def wcs_header(scale_arcsec: float = SCALE_ARCSEC) -> fits.Header:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [150.0, 2.0]
    wcs.wcs.crpix = [SIDE / 2, SIDE / 2]
    wcs.wcs.cdelt = [-scale_arcsec / 3600, scale_arcsec / 3600]
    return wcs.to_header()


@pytest.fixture
def header():
    """Make a header with a TAN WCS of a given pixel scale."""
    return wcs_header


@pytest.fixture
def make_recipe(survey: Survey):
    """Recipe of an ingest, as the plan makes it."""

    def recipe(config: IngestConfig | None = None, **facts: Any) -> dict[str, Any]:
        tile = {"tile_id": "t1", "survey": survey.name, **facts}
        params = {
            "survey": survey.model_dump(mode="json"),
            "tile": tile,
            "ingest": (config or IngestConfig()).recipe_params(),
        }
        return {
            "stage": "ingest",
            "name": "t1",
            "revision": 1,
            "version": "0123456789",
            "params": params,
            "parents": {},
        }

    return recipe
