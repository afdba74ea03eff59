"""Real galaxies: images of another telescope, brought to the survey's PSF, pixels and zero-point."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import galsim
import numpy as np
from astropy.io import fits

from skymill.config.simulate import RealPriors
from skymill.data.survey import Survey, mag_to_image_flux
from skymill.errors import ConfigError, DataError
from skymill.rng import rng
from skymill.simulate.draw import draw, drawing_parameters
from skymill.simulate.light import centroid, half_light_radius_px
from skymill.simulate.population import POPULATIONS
from skymill.simulate.priors import Columns, magnitudes, uniforms
from skymill.simulate.psf import effective_psf

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUANTITIES = ("mag", "dx", "dy", "angle")
PSF_GRID = 16
"""Pixels per width of the PSF where its half-light radius is measured."""
SHARPEST = 0.9
"""Smallest allowed ratio of the survey's PSF to the images'; below 1 because radii are measured on pixels."""
SMALLEST_RE = 0.1
"""Radii come out no smaller than this fraction of the PSF's: below it they cannot be told from 0."""


@dataclass(frozen=True)
class Measured:
    """What is measured on one image of the catalogue.

    Parameters
    ----------
    dx, dy : float
        Centre of the light from the middle of the image, arcsec.
    re, psf_re : float
        Half-light radius of the galaxy, the PSF taken off in quadrature, and of that PSF, arcsec.
    """

    dx: float
    dy: float
    re: float
    psf_re: float


@POPULATIONS.register("real")
class Real:
    """Galaxies of a GalSim RealGalaxyCatalog (Mandelbaum et al. 2012, MNRAS 420, 1518), deconvolved and drawn anew.

    Galaxy i is image ``i mod (number of images used)``, turned by a random angle; all galaxies made from one image
    stay on one side of the split. The flux of the whole image is scaled to the galaxy's magnitude, so collecting area
    and exposure of the catalogue do not matter. The image's own noise is drawn along: choose bright galaxies.

    Parameters
    ----------
    priors : RealPriors
        Catalogue, selection and magnitudes.
    survey : Survey
        PSF, pixel scale and zero-point.
    seed : int
        The run's seed.
    stage, name : str
        Keys of the randomness.

    Raises
    ------
    DataError
        If the catalogue cannot be read.
    ConfigError
        If it has no galaxy of the wanted magnitudes, or the survey's PSF is narrower than the catalogue's.
    """

    def __init__(self, priors: RealPriors, survey: Survey, seed: int, stage: str, name: str) -> None:
        self.priors, self.survey, self.seed, self.stage, self.name = priors, survey, seed, stage, name
        self._parameters = drawing_parameters(priors.fft_max_px)
        self._psf = effective_psf(survey.psf).withGSParams(self._parameters)
        self._mag = _catalogue_mag(priors.catalogue)
        self._rows = self._chosen()
        self._check_psf()

    def _chosen(self) -> NDArray[np.int64]:
        low, high = self.priors.catalogue_mag
        rows = np.flatnonzero((self._mag >= low) & (self._mag <= high))
        if len(rows):
            return rows
        raise ConfigError(
            f"population {self.name}, catalogue_mag",
            expected=f"a range that holds galaxies of {self.priors.catalogue} "
            f"({self._mag.min():.2f} to {self._mag.max():.2f} mag)",
            found=f"[{low:g}, {high:g}]",
        )

    def _check_psf(self) -> None:
        """Refuse a survey that is sharper than the images: deconvolution would blow their noise up."""
        scale = self.survey.psf.fwhm_arcsec / PSF_GRID
        drawn = draw(self._psf, 8 * PSF_GRID + 1, 0, 0, scale)
        survey_re = half_light_radius_px(drawn, 4 * PSF_GRID, 4 * PSF_GRID) * scale
        image_re = _measured(self.priors.catalogue, int(self._rows[0]), self._parameters).psf_re
        if survey_re < SHARPEST * image_re:
            raise ConfigError(
                f"population {self.name}, catalogue",
                expected=f"images that are sharper than survey {self.survey.name} "
                f"(half of a star's light within {survey_re:.3f} arcsec)",
                found=f"{image_re:.3f} arcsec in {self.priors.catalogue}",
            )

    def truth(self, index: NDArray[np.int64]) -> Columns:
        """Return what is true of galaxies by number; radii are measured on the images."""
        u = uniforms(self.seed, self.stage, self.name, index, QUANTITIES)
        rows = self.split_keys(index)
        mag = self._mag[rows] + self.priors.mag_offset
        if self.priors.mag is not None:
            mag = magnitudes(u["mag"], self.priors.mag, self.priors.mag_slope)
        re = [_measured(self.priors.catalogue, int(row), self._parameters).re for row in rows]
        unknown = ("bulge_to_total", "bulge_n", "bulge_re", "disc_re", "q_bulge", "q_disc", "theta")
        return {
            **dict.fromkeys(unknown, np.full(len(index), np.nan)),
            "kind": np.full(len(index), "real"),
            "mag": mag,
            "re": np.array(re, dtype=np.float64),
            "dx": u["dx"] - 0.5,
            "dy": u["dy"] - 0.5,
        }

    def split_keys(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of the catalogue that the galaxies are made from."""
        return self._rows[index % len(self._rows)]

    def draw(self, galaxy: dict[str, Any], size: int) -> NDArray[np.float32]:
        """Draw one galaxy with the survey's PSF; the catalogue's noise is in it."""
        index = np.array([galaxy["galaxy_id"]])
        row = int(self.split_keys(index)[0])
        measured = _measured(self.priors.catalogue, row, self._parameters)
        profile = self._profile(row, int(index[0])).shift(-measured.dx, -measured.dy)
        if self.priors.is_rotated:
            angle = uniforms(self.seed, self.stage, self.name, index, QUANTITIES)["angle"][0]
            profile = profile.rotate(360 * float(angle) * galsim.degrees)
        seen = galsim.Convolve([profile, self._psf], gsparams=self._parameters)
        flux = mag_to_image_flux(galaxy["mag"], self.survey.zero_point_mag)
        return draw(seen.withFlux(flux), size, galaxy["dx"], galaxy["dy"], self.survey.pixel_scale_arcsec)

    def _profile(self, row: int, index: int) -> galsim.RealGalaxy:
        pad = self.priors.noise_pad_arcsec
        if not pad:
            return _real_galaxy(self.priors.catalogue, row, self._parameters)
        deviate = galsim.BaseDeviate(int(rng(self.seed, "noise_pad", self.name, index).integers(1, 2**31)))
        catalogue = _catalogue(self.priors.catalogue)
        return galsim.RealGalaxy(
            catalogue, index=row, rng=deviate, noise_pad_size=pad, gsparams=self._parameters
        )


@lru_cache(maxsize=4)
def _catalogue(path: str) -> galsim.RealGalaxyCatalog:
    try:
        return galsim.RealGalaxyCatalog(file_name=Path(path).name, dir=str(Path(path).parent))
    except (OSError, KeyError, galsim.GalSimError) as error:
        raise DataError(
            path,
            expected="a GalSim RealGalaxyCatalog",
            found=f"{type(error).__name__}: {error}",
            remedy="Give the path of the catalogue; its image and PSF files belong beside it.",
        ) from error


@lru_cache(maxsize=4)
def _catalogue_mag(path: str) -> NDArray[np.float64]:
    """Return the column MAG."""
    _catalogue(path)
    try:
        return np.asarray(fits.getdata(path, 1)["MAG"], dtype=np.float64)
    except (OSError, KeyError, IndexError) as error:
        raise DataError(path, expected="a column MAG in HDU 1", found=str(error)) from error


@lru_cache(maxsize=64)
def _real_galaxy(path: str, row: int, parameters: galsim.GSParams) -> galsim.RealGalaxy:
    return galsim.RealGalaxy(_catalogue(path), index=row, rng=galsim.BaseDeviate(1), gsparams=parameters)


@lru_cache(maxsize=100_000)
def _measured(path: str, row: int, parameters: galsim.GSParams) -> Measured:
    """Measure one image and its PSF, which is centred on its own middle."""
    galaxy = _real_galaxy(path, row, parameters)
    image, psf = galaxy.gal_image, galaxy.psf_image
    psf_re = half_light_radius_px(psf.array, *_middle(psf.array)) * psf.scale
    x0, y0 = _middle(image.array)
    rough = half_light_radius_px(image.array, x0, y0)
    x, y = centroid(image.array, sigma=rough)
    seen = half_light_radius_px(image.array, x, y) * image.scale
    re = float(np.sqrt(max(seen**2 - psf_re**2, (SMALLEST_RE * psf_re) ** 2)))
    return Measured((x - x0) * image.scale, (y - y0) * image.scale, re, psf_re)


def _middle(image: NDArray) -> tuple[float, float]:
    """Return where GalSim sees the origin of an image."""
    return (image.shape[1] - 1) / 2, (image.shape[0] - 1) / 2
