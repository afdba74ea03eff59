"""Observed, isolated galaxies, moved farther away: shrunk and dimmed until their own PSF and noise are small."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import galsim
import numpy as np

from skymill.config.cutouts import CutoutRow, load_cutouts
from skymill.config.simulate import CutoutPriors
from skymill.data.fits_image import read_image
from skymill.data.survey import Survey, mag_to_image_flux
from skymill.errors import ConfigError, DataError
from skymill.simulate.cleaning import clean
from skymill.simulate.draw import draw, drawing_parameters
from skymill.simulate.light import centroid, half_light_radius_px
from skymill.simulate.population import POPULATIONS
from skymill.simulate.priors import Columns, magnitudes, uniforms, unknown_shape
from skymill.simulate.psf import effective_psf
from skymill.simulate.stamp_noise import PSF_GRID, brightest_mag, white_noise_rms

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

QUANTITIES = ("mag", "dx", "dy", "angle", "shrink")
FEWEST_SKY_PIXELS = 100
CLEANINGS = 3
"""A hole where a neighbour was moves the centre a little, and the centre says what fills the hole."""
FWHM_STEPS = 8
"""Steps per pixel in which the width of an image's PSF is measured."""
MAD_TO_SIGMA = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""


@dataclass(frozen=True)
class Cutout:
    """One observed galaxy without its neighbours.

    Parameters
    ----------
    name : str
        Its id in the table.
    light : ndarray (y, x), float64
        The galaxy alone, sum 1.
    dx, dy : float
        Its centre from the middle of the image, px.
    re_px : float
        Half-light radius, its PSF included.
    pixel_arcsec : float
        Side of a pixel as observed.
    mag : float
        Magnitude as observed, of the light that is kept.
    sigma : float
        Noise per pixel within the galaxy, in units of its flux.
    psf : ndarray (y, x), float64
        The image's PSF, sum 1.
    """

    name: str
    light: NDArray[np.float64]
    dx: float
    dy: float
    re_px: float
    pixel_arcsec: float
    mag: float
    sigma: float
    psf: NDArray[np.float64]


@POPULATIONS.register("cutouts")
class Cutouts:
    """Galaxies of a table of observed images (:class:`~skymill.config.cutouts.CutoutRow`), as if farther away.

    Galaxy i is row ``i mod (number of rows used)``, shrunk by a factor of its own, turned by a random angle and dimmed
    to a magnitude of its own, but never made brighter than observed; all galaxies made from one row stay on one side of
    the split. Neighbours are taken out (:func:`skymill.simulate.cleaning.clean`). What is drawn is the image itself,
    interpolated and convolved with the survey's PSF: nothing is deconvolved, so the PSF that the galaxy is seen with is
    slightly wider than the survey's (the log says by how much), and the galaxy's noise comes along. Both are bounded by
    the configuration. The true flux is that of all drawn light, the half-light radius that of the image, shrunk.

    Parameters
    ----------
    priors : CutoutPriors
        Table, shrinking and magnitudes.
    survey : Survey
        PSF, pixel scale and zero-point.
    seed : int
        The run's seed.
    stage, name : str
        Keys of the randomness.
    data_dir : str or Path, optional
        Folder with the files that the table names, if they do not lie where it says.

    Raises
    ------
    ConfigError
        If the table is wrong, an image's PSF is not shrunk enough, or no galaxy may be as bright as wanted.
    DataError
        If an image cannot be used.
    """

    def __init__(
        self,
        priors: CutoutPriors,
        survey: Survey,
        seed: int,
        stage: str,
        name: str,
        data_dir: str | Path | None = None,
    ) -> None:
        self.priors, self.survey, self.seed, self.stage, self.name = priors, survey, seed, stage, name
        self._parameters = drawing_parameters(priors.fft_max_px)
        self._psf = effective_psf(survey.psf).withGSParams(self._parameters)
        # The noise of an image of unit noise and of pixels of 1 arcsec; it goes as noise over pixel.
        self._noise = white_noise_rms(1.0, 1.0, survey, self._psf)
        table = priors.catalogue
        cutouts = [read_cutout(row, table, data_dir) for row in load_cutouts(table)]
        for cutout in cutouts:
            self._check_psf(cutout)
        self._cutouts = self._usable(cutouts)
        self._profiles = [self._profile(cutout) for cutout in self._cutouts]

    def _check_psf(self, cutout: Cutout) -> None:
        """Refuse an image whose PSF would not be narrow beside the survey's; say in the log how much it widens it."""
        psf = galsim.InterpolatedImage(galsim.Image(cutout.psf), scale=cutout.pixel_arcsec)
        fwhm = float(psf.calculateFWHM(scale=cutout.pixel_arcsec / FWHM_STEPS))
        largest = self.priors.shrink[1]
        allowed = self.priors.max_psf_fraction * self.survey.psf.fwhm_arcsec
        if fwhm * largest > allowed:
            raise ConfigError(
                f"population {self.name}, shrink",
                expected=f"factors of at most {allowed / fwhm:.4g}, so that the PSF of {cutout.name} ({fwhm:.3g}"
                f" arcsec) becomes narrower than {self.priors.max_psf_fraction:g} of that of survey {self.survey.name}",
                found=f"{largest:g}",
                remedy="Shrink more, or leave this galaxy out of the table.",
            )
        seen = galsim.Convolve([psf.dilate(largest), self._psf], gsparams=self._parameters)
        wider = (
            seen.calculateFWHM(scale=self.survey.psf.fwhm_arcsec / PSF_GRID) / self.survey.psf.fwhm_arcsec - 1
        )
        log.info(
            "%s: stars would be %.1f %% wider than the survey's at a factor of %g",
            cutout.name,
            100 * wider,
            largest,
        )

    def _usable(self, cutouts: list[Cutout]) -> list[Cutout]:
        """Choose the galaxies that may be as bright as the faintest wanted magnitude whatever factor is drawn."""
        smallest, faintest = np.array(self.priors.shrink[0]), self.priors.mag[1]
        brightest = {cutout.name: float(self._brightest(cutout, smallest)) for cutout in cutouts}
        usable = [cutout for cutout in cutouts if brightest[cutout.name] <= faintest]
        if not usable:
            raise ConfigError(
                f"population {self.name}, mag",
                expected=f"magnitudes that some galaxy of {self.priors.catalogue} may have: "
                f"{min(brightest.values(), default=np.nan):.2f} or fainter",
                found=f"{self.priors.mag}",
                remedy="Draw fainter galaxies, shrink less, or raise max_noise_rms.",
            )
        log.info("%d of the %d galaxies of %s are used", len(usable), len(cutouts), self.priors.catalogue)
        return usable

    def _brightest(self, cutout: Cutout, shrink: NDArray) -> NDArray[np.float64]:
        """Return the brightest magnitude of a galaxy that is shrunk by some factors."""
        noise = self._noise * cutout.sigma / (cutout.pixel_arcsec * shrink)
        return np.maximum(brightest_mag(noise, self.survey, self.priors.max_noise_rms), cutout.mag)

    def truth(self, index: NDArray[np.int64]) -> Columns:
        """Return what is true of galaxies by number."""
        u = uniforms(self.seed, self.stage, self.name, index, QUANTITIES)
        rows, shrink = self.split_keys(index), self._shrink(u)
        low, high = self.priors.mag
        brightest = np.array(
            [self._brightest(self._cutouts[row], s) for row, s in zip(rows, shrink, strict=True)]
        )
        re_arcsec = np.array([cutout.re_px * cutout.pixel_arcsec for cutout in self._cutouts])
        return {
            **unknown_shape(len(index)),
            "kind": np.full(len(index), "real"),
            "mag": magnitudes(u["mag"], (np.maximum(low, brightest), high), self.priors.mag_slope),
            "re": re_arcsec[rows] * shrink,
            "dx": u["dx"] - 0.5,
            "dy": u["dy"] - 0.5,
        }

    def _shrink(self, u: Mapping[str, NDArray]) -> NDArray[np.float64]:
        low, high = np.log(self.priors.shrink)
        return np.exp(low + u["shrink"] * (high - low))

    def split_keys(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of those used that the galaxies are made from."""
        return index % len(self._cutouts)

    def draw(self, galaxy: dict[str, Any], size: int) -> NDArray[np.float32]:
        """Draw one galaxy with the survey's PSF; the image's noise is in it."""
        index = np.array([galaxy["galaxy_id"]])
        u = uniforms(self.seed, self.stage, self.name, index, QUANTITIES)
        profile = self._profiles[int(self.split_keys(index)[0])]
        profile = profile.dilate(float(self._shrink(u)[0])).rotate(
            360 * float(u["angle"][0]) * galsim.degrees
        )
        seen = galsim.Convolve([profile, self._psf], gsparams=self._parameters)
        flux = mag_to_image_flux(galaxy["mag"], self.survey.zero_point_mag)
        return draw(seen.withFlux(flux), size, galaxy["dx"], galaxy["dy"], self.survey.pixel_scale_arcsec)

    def _profile(self, cutout: Cutout) -> galsim.GSObject:
        image = galsim.Image(cutout.light)
        profile = galsim.InterpolatedImage(image, scale=cutout.pixel_arcsec, gsparams=self._parameters)
        return profile.shift(-cutout.dx * cutout.pixel_arcsec, -cutout.dy * cutout.pixel_arcsec)


def read_cutout(row: CutoutRow, table: str | Path, data_dir: str | Path | None = None) -> Cutout:
    """Read the files of one row and take the galaxy's neighbours out.

    Parameters
    ----------
    row : CutoutRow
        The galaxy.
    table : str or Path
        Where the table lies: paths begin there.
    data_dir : str or Path, optional
        A folder that holds files of the same names; replaces their paths.

    Raises
    ------
    DataError
        Naming the file: it cannot be read, its shape is not the image's, or there is no galaxy in it.
    """
    files = row.files(table, data_dir)
    images = {role: read_image(path).data.astype(np.float64) for role, path in files.items()}
    image, segments = images["image"], images["segmentation"]
    for role in ("segmentation", "mask", "sigma"):
        if role in images and images[role].shape != image.shape:
            raise DataError(
                files[role],
                expected=f"the shape {image.shape} of {files['image']}",
                found=f"{images[role].shape}",
            )
    own = segments == _segment(row, segments, files["segmentation"])
    bad = ((segments != 0) & ~own) | ~np.isfinite(image)
    if "mask" in images:
        bad |= images["mask"] != 0
    own_light = np.where(own & ~bad, image, 0.0)
    flux = own_light.sum()
    if not flux > 0:
        raise DataError(
            files["image"], expected=f"a galaxy in segment {row.segment}", found=f"a flux of {flux:.3g}"
        )
    x, y = _centre(own_light)
    for _ in range(CLEANINGS):
        light = clean(image, own, bad, x, y, f"{files['image']}")
        x, y = _centre(light)
    total = light.sum()
    psf = images["psf"]
    if not (np.isfinite(psf).all() and psf.sum() > 0):
        raise DataError(
            files["psf"], expected="the image of a PSF", found="pixels that are not finite or a sum of 0"
        )
    height, width = image.shape
    return Cutout(
        name=row.id,
        light=light / total,
        dx=x - (width - 1) / 2,
        dy=y - (height - 1) / 2,
        re_px=half_light_radius_px(light, x, y),
        pixel_arcsec=row.pixel_scale_arcsec,
        mag=row.zero_point_mag - 2.5 * float(np.log10(total)),
        sigma=_sigma(images, own & ~bad, (segments == 0) & ~bad, files["image"]) / total,
        psf=psf / psf.sum(),
    )


def _segment(row: CutoutRow, segments: NDArray, where: Path) -> float:
    """Return the number of the galaxy's segment."""
    height, width = segments.shape
    number = segments[height // 2, width // 2] if row.segment == "centre" else row.segment
    if number == 0 or not (segments == number).any():
        known = ", ".join(f"{one:g}" for one in np.unique(segments[segments != 0]))
        raise DataError(
            where,
            expected="a segment at the middle pixel"
            if row.segment == "centre"
            else f"a segment {row.segment}",
            found=f"none; there are {known or 'none at all'}",
            remedy="Give the galaxy's number in the column segment.",
        )
    return float(number)


def _centre(light: NDArray) -> tuple[float, float]:
    """Return the centre of the light under a window as wide as the galaxy, as for catalogued images."""
    rows, columns = np.indices(light.shape)
    x, y = float((light * columns).sum() / light.sum()), float((light * rows).sum() / light.sum())
    return centroid(light, sigma=half_light_radius_px(light, x, y), start=(x, y))


def _sigma(
    images: Mapping[str, NDArray], own: NDArray[np.bool_], sky: NDArray[np.bool_], where: Path
) -> float:
    """Return the noise per pixel: the map's median within the galaxy, without a map the scatter of the sky."""
    if "sigma" in images:
        found = float(np.median(images["sigma"][own]))
        if not (np.isfinite(found) and found > 0):
            raise DataError(
                where, expected="a positive noise within the galaxy", found=f"{found:g} in the map sigma"
            )
        return found
    values = images["image"][sky]
    if len(values) < FEWEST_SKY_PIXELS:
        raise DataError(
            where,
            expected=f"{FEWEST_SKY_PIXELS} pixels of sky to measure the noise on",
            found=f"{len(values)}",
            remedy="Give a map of the noise in the column sigma.",
        )
    return MAD_TO_SIGMA * float(np.median(np.abs(values - np.median(values))))
