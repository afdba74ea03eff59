"""Real galaxies: images of another telescope, brought to the survey's PSF, pixels and zero-point."""

from __future__ import annotations

import logging
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
from skymill.simulate.priors import Columns, magnitudes, uniforms, unknown_shape
from skymill.simulate.psf import effective_psf
from skymill.simulate.stamp_noise import brightest_mag, fine_psf

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

QUANTITIES = ("mag", "dx", "dy", "angle")
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
    and exposure of the catalogue do not matter. The image's own noise is drawn along: it grows with the flux, so each
    galaxy has a brightest magnitude at which its noise is ``max_noise_rms`` of the survey's, and is never brighter.

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
        If it has no galaxy of the wanted magnitudes and sizes, none whose noise is low enough, or the survey's PSF is
        narrower than the catalogue's.
    """

    def __init__(self, priors: RealPriors, survey: Survey, seed: int, stage: str, name: str) -> None:
        self.priors, self.survey, self.seed, self.stage, self.name = priors, survey, seed, stage, name
        self._parameters = drawing_parameters(priors.fft_max_px)
        self._psf = effective_psf(survey.psf).withGSParams(self._parameters)
        self._mag = _catalogue_mag(priors.catalogue)
        chosen = self._chosen()
        self._check_psf(int(chosen[0]))
        self._rows, self._brightest = self._usable(chosen)

    def _chosen(self) -> NDArray[np.int64]:
        """Return the rows of the wanted magnitudes and sizes."""
        low, high = self.priors.catalogue_mag
        rows = np.flatnonzero((self._mag >= low) & (self._mag <= high))
        large = [
            row
            for row in rows
            if min(_image(self.priors.catalogue, int(row)).shape) >= self.priors.min_image_px
        ]
        if large:
            return np.array(large, dtype=np.int64)
        raise ConfigError(
            f"population {self.name}, catalogue_mag and min_image_px",
            expected=f"a range that holds galaxies of {self.priors.catalogue} "
            f"({self._mag.min():.2f} to {self._mag.max():.2f} mag) on images of at least min_image_px",
            found=f"[{low:g}, {high:g}] with {len(rows)} galaxies, none on {self.priors.min_image_px} px",
        )

    def _usable(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the rows that may be as bright as wanted, and the brightest magnitude of each."""
        flux = np.array([_image(self.priors.catalogue, int(row)).sum(dtype=np.float64) for row in rows])
        noise = self._noise(rows)
        noise_of_unit_flux = np.divide(noise, flux, out=np.full(len(rows), np.inf), where=flux > 0)
        limits = brightest_mag(noise_of_unit_flux, self.survey, self.priors.max_noise_rms)
        own = self._mag[rows] + self.priors.mag_offset
        wanted = own if self.priors.mag is None else np.full(len(rows), self.priors.mag[1])
        is_whole = flux_mismatch(self._mag[rows], flux) <= self.priors.max_flux_mismatch_mag
        usable = (limits <= wanted) & is_whole
        log.info(
            "%d of %d galaxies have images that hold their light, of low enough noise",
            usable.sum(),
            len(rows),
        )
        if usable.any():
            return rows[usable], limits[usable]
        raise ConfigError(
            f"population {self.name}, max_noise_rms",
            expected=f"whole galaxies whose image's noise is below {self.priors.max_noise_rms:g} background_rms "
            f"at {wanted.min():.2f} to {wanted.max():.2f} mag",
            found=f"none of {len(rows)}; the best may be {limits.min():.2f} mag",
            remedy="Draw fainter galaxies, choose brighter ones by catalogue_mag, or raise max_noise_rms.",
        )

    def _noise(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the noise per pixel of the survey when images are drawn with their own flux.

        The noise after deconvolution and convolution is worked out for the first galaxy. That of the others is scaled
        by the noise of their images: PSFs within a catalogue hardly differ.
        """
        first = _real_galaxy(self.priors.catalogue, int(rows[0]), self._parameters)
        seen = galsim.Convolve([first, self._psf], gsparams=self._parameters)
        # GalSim's variance is that of one pixel of the image, whatever pixels are drawn.
        pixels = (self.survey.pixel_scale_arcsec / first.pixel_scale) ** 2
        variance = _catalogue(self.priors.catalogue).variance[rows].astype(np.float64)
        return pixels * np.sqrt(seen.noise.getVariance() * variance / variance[0])

    def _check_psf(self, row: int) -> None:
        """Refuse a survey that is sharper than the images: deconvolution would blow their noise up."""
        drawn, scale = fine_psf(self._psf, self.survey.psf.fwhm_arcsec)
        survey_re = half_light_radius_px(drawn, *_middle(drawn)) * scale
        image_re = _measured(self.priors.catalogue, row, self._parameters).psf_re
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
            low, high = self.priors.mag
            brightest = self._brightest[index % len(self._rows)]
            mag = magnitudes(u["mag"], (np.maximum(low, brightest), high), self.priors.mag_slope)
        re = [_measured(self.priors.catalogue, int(row), self._parameters).re for row in rows]
        return {
            **unknown_shape(len(index)),
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


def flux_mismatch(mag: NDArray[np.float64], flux: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how many magnitudes the light of each image is off what its magnitude says, beside the median image.

    A neighbour that was not taken out, or an image that cuts the galaxy off. Images without light are off by infinity.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        zero_point = mag + 2.5 * np.log10(np.where(flux > 0, flux, np.nan))
    return np.nan_to_num(np.abs(zero_point - np.nanmedian(zero_point)), nan=np.inf)


def _image(path: str, row: int) -> NDArray[np.float64]:
    """Return the image of one galaxy as the catalogue has it."""
    return _catalogue(path).getGalImage(row).array


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
