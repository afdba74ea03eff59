"""Scene: galaxies and stars with their places on a field."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from skymill.config.simulate import FieldConfig, ParametricPriors
from skymill.data.stamps import centre_index
from skymill.data.survey import Survey, mag_to_image_flux
from skymill.simulate.build import build_population
from skymill.simulate.draw import FAILURES, draw, drawing_parameters
from skymill.simulate.population import Population
from skymill.simulate.priors import Columns, magnitudes, uniforms
from skymill.simulate.psf import effective_psf

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

SMALLEST_STAMP_PX = 64
LARGEST_STAMP_PX = 1024
EDGE_RMS = 0.05
"""A source's stamp is doubled until its light at the edge is below this fraction of the background's noise."""
STAR_FFT_MAX_PX = 4 * LARGEST_STAMP_PX
PLACES = ("x", "y", "is_clustered", "host", "distance", "angle")


@dataclass(frozen=True)
class Scene:
    """All sources of a field.

    Parameters
    ----------
    survey : Survey
        What is simulated.
    shape : (int, int)
        (y, x) size of the field.
    population : Population
        Draws galaxies and stars.
    sources : dict of str to ndarray (n,)
        Columns of the schema ``galaxies`` that drawing needs; dx and dy are those of `x` and `y`.
    x, y : ndarray (n,)
        Positions, 0-based px.
    """

    survey: Survey
    shape: tuple[int, int]
    population: Population
    sources: Columns
    x: NDArray[np.float64]
    y: NDArray[np.float64]

    @property
    def mag(self) -> NDArray[np.float64]:
        """Total AB magnitudes."""
        return self.sources["mag"]

    @property
    def re_px(self) -> NDArray[np.float64]:
        """Half-light radii before the PSF, px; 0 for stars."""
        return self.sources["re"] / self.survey.pixel_scale_arcsec

    @property
    def is_star(self) -> NDArray[np.bool_]:
        """Which sources are points."""
        return self.sources["kind"] == "point"

    def draw(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Draw all sources, one after the other and always in the same order.

        Returns
        -------
        light : ndarray (y, x), float64
            Noise-free image, image units.
        failed : ndarray (n,), bool
            Sources that could not be drawn; the log names them.
        """
        light = np.zeros(self.shape)
        failed = np.zeros(len(self.x), dtype=bool)
        for number in range(len(self.x)):
            source = {name: values[number] for name, values in self.sources.items()}
            try:
                stamp = self._stamp(source)
            except FAILURES as error:
                failed[number] = True
                log.warning("source %d could not be drawn: %s", number, " ".join(str(error).split()))
                continue
            add_stamp(light, stamp, int(np.rint(self.x[number])), int(np.rint(self.y[number])))
        return light, failed

    def _stamp(self, source: Mapping[str, Any]) -> NDArray[np.float32]:
        """Draw a source on a stamp that is as large as its brightness needs."""
        size = SMALLEST_STAMP_PX
        limit = EDGE_RMS * self.survey.background_rms
        while True:
            stamp = self._draw_one(source, size)
            edge = max(np.abs(stamp[[0, -1]]).max(), np.abs(stamp[:, [0, -1]]).max())
            if edge < limit or size >= LARGEST_STAMP_PX:
                return stamp
            size *= 2

    def _draw_one(self, source: Mapping[str, Any], size: int) -> NDArray[np.float32]:
        if source["kind"] != "point":
            return self.population.draw(dict(source), size)
        flux = mag_to_image_flux(source["mag"], self.survey.zero_point_mag)
        star = effective_psf(self.survey.psf).withGSParams(drawing_parameters(STAR_FFT_MAX_PX)).withFlux(flux)
        return draw(star, size, source["dx"], source["dy"], self.survey.pixel_scale_arcsec)


def add_stamp(image: NDArray, stamp: NDArray, column: int, row: int) -> None:
    """Add a stamp to an image in place; its pixel ``size // 2`` falls on (column, row), what sticks out is cut off."""
    size = len(stamp)
    x0, y0 = column - centre_index(size), row - centre_index(size)
    xa, xb = max(x0, 0), min(x0 + size, image.shape[1])
    ya, yb = max(y0, 0), min(y0 + size, image.shape[0])
    if xa < xb and ya < yb:
        image[ya:yb, xa:xb] += stamp[ya - y0 : yb - y0, xa - x0 : xb - x0]


def place(config: FieldConfig, survey: Survey, seed: int, name: str) -> Scene:
    """Draw which sources are on a field, and where.

    Parameters
    ----------
    config : FieldConfig
        Size, densities and priors.
    survey : Survey
        What is simulated.
    seed : int
        The run's seed.
    name : str
        The field; its randomness is keyed by it and by the source's number.

    Returns
    -------
    Scene
        Galaxies first, then stars.
    """
    area = config.width_px * config.height_px * (survey.pixel_scale_arcsec / 60) ** 2
    galaxies = np.arange(round(config.galaxies_per_arcmin2 * area), dtype=np.int64)
    stars = np.arange(round(config.stars_per_arcmin2 * area), dtype=np.int64)
    priors = config.galaxies
    if isinstance(priors, ParametricPriors):
        priors = priors.model_copy(update={"point_source_fraction": 0.0})
    population = build_population(priors, survey, seed, "field", name)
    truth = population.truth(galaxies)
    u = uniforms(seed, "field", f"{name}.galaxies", galaxies, PLACES)
    x, y = _galaxy_places(config, survey, truth["re"], u)
    u = uniforms(seed, "field", f"{name}.stars", stars, ("x", "y", "mag"))
    x = np.concatenate([x, _along(u["x"], config.width_px)])
    y = np.concatenate([y, _along(u["y"], config.height_px)])
    points = _stars(truth, magnitudes(u["mag"], config.star_mag, config.star_mag_slope))
    sources = {key: np.concatenate([truth[key], points[key]]) for key in truth}
    sources |= {"galaxy_id": np.concatenate([galaxies, stars]), "dx": x - np.rint(x), "dy": y - np.rint(y)}
    return Scene(survey, (config.height_px, config.width_px), population, sources, x, y)


def _along(u: NDArray, size: int) -> NDArray[np.float64]:
    """Spread uniform numbers over the pixels of an axis, edges of the outer pixels included."""
    return u * size - 0.5


def _galaxy_places(
    config: FieldConfig, survey: Survey, re_arcsec: NDArray, u: Columns
) -> tuple[NDArray, NDArray]:
    """Put galaxies anywhere, or, some of them, beside one that stands by itself; never outside the field."""
    x, y = _along(u["x"], config.width_px), _along(u["y"], config.height_px)
    is_clustered = u["is_clustered"] < config.clustered_fraction
    hosts = np.flatnonzero(~is_clustered)
    if not len(hosts):
        return x, y
    host = hosts[(u["host"] * len(hosts)).astype(np.int64)]
    low, high = config.clustered_separation_re
    unit = np.maximum(np.maximum(re_arcsec, re_arcsec[host]), survey.psf.fwhm_arcsec / 2)
    distance = (low + u["distance"] * (high - low)) * unit / survey.pixel_scale_arcsec
    beside_x = x[host] + distance * np.cos(2 * np.pi * u["angle"])
    beside_y = y[host] + distance * np.sin(2 * np.pi * u["angle"])
    is_moved = is_clustered & _inside(beside_x, config.width_px) & _inside(beside_y, config.height_px)
    return np.where(is_moved, beside_x, x), np.where(is_moved, beside_y, y)


def _inside(position: NDArray, size: int) -> NDArray[np.bool_]:
    return (position >= -0.5) & (position < size - 0.5)


def _stars(like: Columns, mag: NDArray[np.float64]) -> Columns:
    """Return points with the columns of `like`."""
    absent = {key: np.full(len(mag), np.nan) for key in like}
    return {**absent, "kind": np.full(len(mag), "point"), "mag": mag, "re": np.zeros(len(mag))}
