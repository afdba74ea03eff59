"""A small tile of Gaussian galaxies with known positions, fluxes and shapes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from astropy.wcs import WCS

from skymill.data.survey import Survey
from skymill.data.tile import Tile, TileMeta

RMS, ZERO_POINT, GAIN = 1.0, 25.0, 100.0


class Field(NamedTuple):
    """A tile and the truth: x, y, flux (image units), a, b (px), theta (degrees)."""

    tile: Tile
    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    a: np.ndarray
    b: np.ndarray
    theta: np.ndarray


def gaussians(shape, x, y, flux, a, b, theta) -> np.ndarray:
    """Elliptical Gaussians, sampled at pixel centres."""
    row, column = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    image = np.zeros(shape)
    for x0, y0, f, a0, b0, t in zip(x, y, flux, a, b, np.deg2rad(theta), strict=True):
        along = ((column - x0) * np.cos(t) + (row - y0) * np.sin(t)) / a0
        across = ((row - y0) * np.cos(t) - (column - x0) * np.sin(t)) / b0
        image += f / (2 * np.pi * a0 * b0) * np.exp(-(along**2 + across**2) / 2)
    return image


def tile_of(
    image: np.ndarray, mask: np.ndarray | None = None, wcs: WCS | None = None, seed: int | None = 3
) -> Tile:
    """A tile of an image without noise; noise of rms 1 is added unless `seed` is None."""
    noise = 0 if seed is None else np.random.default_rng(seed).normal(0, RMS, image.shape)
    return Tile(
        (image + noise).astype(np.float32),
        np.full(image.shape, RMS, dtype=np.float32),
        np.zeros(image.shape, dtype=np.uint8) if mask is None else mask,
        wcs,
        TileMeta("t1", "test_r", "r", 0.4, ZERO_POINT, GAIN, None, 3.5),
    )


@pytest.fixture(scope="session")
def field() -> Field:
    """25 galaxies, 40 px apart, with S/N of 100 and more, on a tile with a WCS."""
    random = np.random.default_rng(11)
    y, x = (axis.ravel().astype(np.float64) for axis in np.mgrid[25:200:40, 25:200:40])
    x, y = (axis + random.uniform(-0.5, 0.5, 25) for axis in (x, y))
    a = random.uniform(2.0, 3.5, 25)
    b = a * random.uniform(0.5, 0.8, 25)
    flux, theta = random.uniform(3e3, 2e4, 25), random.uniform(-80, 80, 25)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, 2.0], [100.0, 100.0]
    wcs.wcs.cdelt = [-0.4 / 3600, 0.4 / 3600]
    image = gaussians((210, 210), x, y, flux, a, b, theta)
    return Field(tile_of(image, wcs=wcs), x, y, flux, a, b, theta)


@pytest.fixture(scope="session")
def empty_tile() -> Tile:
    """Noise alone, far below any threshold."""
    return tile_of(np.zeros((100, 100)), seed=None)


@pytest.fixture
def make_tile():
    """Make a tile of an image; see `tile_of`."""
    return tile_of


@pytest.fixture
def draw():
    """Draw Gaussians; see `gaussians`."""
    return gaussians


@pytest.fixture
def survey() -> Survey:
    """The survey of the field."""
    return Survey(
        name="test_r",
        description="A survey for tests.",
        band="r",
        pixel_scale_arcsec=0.4,
        zero_point_mag=ZERO_POINT,
        gain_e_per_unit=GAIN,
        background_rms=RMS,
        saturation=None,
        psf={"kind": "gaussian", "fwhm_arcsec": 1.4},
        sources={},
    )
