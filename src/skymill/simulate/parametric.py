"""Parametric galaxies: Sersic bulge, exponential disc with or without knots, and points."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import galsim
import numpy as np

from skymill.config.simulate import ParametricPriors
from skymill.data.survey import Survey, mag_to_image_flux
from skymill.rng import rng
from skymill.simulate.draw import draw, drawing_parameters
from skymill.simulate.knots import draw_knots, scatter_knots
from skymill.simulate.population import POPULATIONS
from skymill.simulate.priors import QUANTITIES, Columns, parametric_truth, uniforms
from skymill.simulate.psf import effective_psf

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXPONENTIAL = 1.0


@POPULATIONS.register("parametric")
class Parametric:
    """Bulge + disc galaxies drawn from joint priors.

    Parameters
    ----------
    priors : ParametricPriors
        The joint priors.
    survey : Survey
        PSF, pixel scale and zero-point.
    seed : int
        The run's seed.
    stage, name : str
        Keys of the randomness.
    """

    def __init__(self, priors: ParametricPriors, survey: Survey, seed: int, stage: str, name: str) -> None:
        self.priors, self.survey, self.seed, self.stage, self.name = priors, survey, seed, stage, name
        self._parameters = drawing_parameters(priors.fft_max_px)
        self._psf = effective_psf(survey.psf).withGSParams(self._parameters)

    def truth(self, index: NDArray[np.int64]) -> Columns:
        """Return what is true of galaxies by number."""
        u = uniforms(self.seed, self.stage, self.name, index, QUANTITIES)
        return parametric_truth(u, self.priors, self.survey.pixel_scale_arcsec)

    def split_keys(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the galaxies' own numbers: no two are related."""
        return index

    def draw(self, galaxy: dict[str, Any], size: int) -> NDArray[np.float32]:
        """Draw one galaxy with the survey's PSF, without noise."""
        flux = mag_to_image_flux(galaxy["mag"], self.survey.zero_point_mag)
        if galaxy["kind"] == "point":
            seen = self._psf
        else:
            smooth = bulge_and_disc(galaxy, self._parameters)
            seen = galsim.Convolve([smooth, self._psf], gsparams=self._parameters)
        scale, fraction = self.survey.pixel_scale_arcsec, galaxy["knots_fraction"]
        if not fraction > 0:
            return draw(seen * flux, size, galaxy["dx"], galaxy["dy"], scale)
        generator = rng(self.seed, self.stage, self.name, "knots", int(galaxy["galaxy_id"]))
        knots = scatter_knots(galaxy, self.priors.knots, generator)
        # The galaxy's place is the centroid of all its light, wherever its knots are.
        dx = galaxy["dx"] - fraction * float(knots.share @ knots.x) / scale
        dy = galaxy["dy"] - fraction * float(knots.share @ knots.y) / scale
        clumps = flux * fraction * draw_knots(knots, self._psf, size, dx, dy, scale)
        return draw(seen * flux, size, dx, dy, scale) + clumps.astype(np.float32)


def bulge_and_disc(galaxy: dict[str, Any], parameters: galsim.GSParams) -> galsim.GSObject:
    """Return the smooth profile of one galaxy before the PSF, sizes in arcsec.

    Both components share the position angle theta; their radii are along the major axis. The flux is 1, less the
    knots' fraction, which is missing from the disc.
    """
    fraction = galaxy["bulge_to_total"]
    parts = []
    if fraction > 0:
        bulge = _component(
            galaxy["bulge_n"], galaxy["bulge_re"], galaxy["q_bulge"], galaxy["theta"], parameters
        )
        parts.append(bulge * fraction)
    if fraction < 1:
        disc = _component(EXPONENTIAL, galaxy["disc_re"], galaxy["q_disc"], galaxy["theta"], parameters)
        parts.append(disc * (1 - fraction - max(galaxy["knots_fraction"], 0.0)))
    return parts[0] if len(parts) == 1 else galsim.Add(parts, gsparams=parameters)


def _component(
    n: float, semi_major: float, axis_ratio: float, theta: float, parameters: galsim.GSParams
) -> galsim.GSObject:
    # GalSim's shear keeps the area: a circle of radius a sqrt(q) becomes an ellipse with semi-major axis a.
    round_one = _sersic(round(float(n), 6), parameters).dilate(float(semi_major) * float(axis_ratio) ** 0.5)
    return round_one.shear(q=float(axis_ratio), beta=float(theta) * galsim.degrees)


@lru_cache(maxsize=256)
def _sersic(n: float, parameters: galsim.GSParams) -> galsim.GSObject:
    """Return a round profile with half-light radius 1 and flux 1; setting an index up takes about 40 ms."""
    if n == EXPONENTIAL:
        return galsim.Exponential(half_light_radius=1.0, gsparams=parameters)
    return galsim.Sersic(n, half_light_radius=1.0, gsparams=parameters)
