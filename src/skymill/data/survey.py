"""Survey: what a simulation must match and a tile is checked against."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import Field, ValidationError

from skymill.config.base import NAME_PATTERN, ConfigModel, explained
from skymill.errors import ConfigError

AB_NJY_ZERO_POINT_MAG = 31.4
"""AB magnitude of 1 nJy: -2.5 log10(1e-9 / 3631), rounded to 0.0003 mag (Oke & Gunn 1983, ApJ 266, 713)."""

ArrayLike = TypeVar("ArrayLike")


class GaussianPsf(ConfigModel):
    """A round Gaussian PSF."""

    kind: Literal["gaussian"] = Field(description="Form of the PSF.")
    fwhm_arcsec: float = Field(gt=0, le=60, description="Full width at half maximum.")


class MoffatPsf(ConfigModel):
    """A Moffat (1969, A&A 3, 455) PSF: the form of seeing-limited images."""

    kind: Literal["moffat"] = Field(description="Form of the PSF.")
    fwhm_arcsec: float = Field(gt=0, le=60, description="Full width at half maximum.")
    beta: float = Field(gt=1.1, le=20, description="Slope of the wings.")


class DoubleGaussianPsf(ConfigModel):
    """Two Gaussians and a power law: the composite profile of the SDSS imaging pipeline.

    ``exp(-r^2 / 2 s^2) + b exp(-r^2 / 2 (t s)^2) + p (1 + r^2 / (beta (u s)^2))^(-beta / 2)`` (Lupton et al.
    2001, ASP Conf. Ser. 238, 269; the parameters stand in psField files as psf_sigma1, psf_b, psf_sigma2, psf_p0,
    psf_beta, psf_sigmap), with s such that the whole has `fwhm_arcsec`. A Moffat profile that fits the core of such a
    PSF has too little light in its wings, by several percent of the whole.
    """

    kind: Literal["double_gaussian"] = Field(description="Form of the PSF.")
    fwhm_arcsec: float = Field(gt=0, le=60, description="Full width at half maximum, all parts together.")
    outer_peak: float = Field(ge=0, le=1, description="Peak of the outer Gaussian over that of the inner.")
    outer_width: float = Field(
        gt=1, le=20, description="Width (sigma) of the outer Gaussian over that of the inner."
    )
    wing_peak: float = Field(ge=0, le=1, description="Peak of the power law over that of the inner Gaussian.")
    wing_width: float = Field(
        gt=0, le=20, description="Core of the power law over the inner Gaussian's sigma."
    )
    wing_slope: float = Field(gt=1, le=20, description="Slope beta of the power law.")
    wing_end_arcsec: float = Field(
        gt=0, le=600, description="Radius at which the power law ends: that of the survey's total fluxes."
    )


class OpticalPsf(ConfigModel):
    """An obscured Airy pattern convolved with a Gaussian: the form of space telescopes' images.

    `fwhm_arcsec` is the measured width of the whole on the image; the Gaussian (pointing, charge diffusion, drizzling)
    is what is needed beside the Airy pattern to reach it.
    """

    kind: Literal["optical"] = Field(description="Form of the PSF.")
    fwhm_arcsec: float = Field(gt=0, le=60, description="Full width at half maximum, all effects together.")
    wavelength_nm: float = Field(gt=100, lt=1e5, description="Effective wavelength of the band.")
    diameter_m: float = Field(gt=0, lt=100, description="Diameter of the primary mirror.")
    obscuration: float = Field(ge=0, lt=1, description="Linear central obscuration.")


Psf = Annotated[GaussianPsf | MoffatPsf | DoubleGaussianPsf | OpticalPsf, Field(discriminator="kind")]


class Survey(ConfigModel):
    """One band of a survey; image values are in the survey's own unit, in which its zero-point holds."""

    name: str = Field(pattern=NAME_PATTERN, description="Name, the same as the file's.")
    description: str = Field("", description="One sentence: telescope, camera, band, depth.")
    band: str = Field(pattern=NAME_PATTERN, description="Name of the band.")
    pixel_scale_arcsec: float = Field(gt=0, le=60, description="Side of a pixel.")
    zero_point_mag: float = Field(ge=-10, le=60, description="AB magnitude of one image unit.")
    gain_e_per_unit: float = Field(gt=0, description="Electrons for one image unit over the whole exposure.")
    background_rms: float = Field(gt=0, description="Noise of the blank sky per pixel, image units.")
    saturation: float | None = Field(
        None, gt=0, description="Pixel value above which a pixel is saturated, image units."
    )
    psf: Psf = Field(description="Point-spread function.")
    sources: dict[str, str] = Field({}, description="Where each number comes from, by key.")

    def physics(self) -> dict[str, Any]:
        """Return what changes an image, as plain values: all but the words."""
        return self.model_dump(mode="json", exclude={"description", "sources"})

    @property
    def psf_fwhm_px(self) -> float:
        """Full width at half maximum of the PSF in pixels."""
        return self.psf.fwhm_arcsec / self.pixel_scale_arcsec


def load_survey(name: str, folder: str | Path) -> Survey:
    """Read the survey `name` from ``<folder>/<name>.yaml``.

    Raises
    ------
    ConfigError
        If there is no such survey (the message lists those there are) or a key is wrong.
    """
    folder = Path(folder)
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in known:
        raise ConfigError(
            "survey",
            expected=f"one of: {', '.join(known) or 'none'}",
            found=f"'{name}'",
            remedy=f"Add {folder / 'NAME.yaml'}; docs/add-a-survey.md says how.",
        )
    path = folder / f"{name}.yaml"
    try:
        survey = Survey.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise ConfigError(path, expected="a survey", found=explained(error)) from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(path, expected="a survey", found=str(error)) from error
    if survey.name != name:
        raise ConfigError(path, expected=f"name: {name}, as the file is called", found=f"name: {survey.name}")
    return survey


def flux_scale(from_zero_point_mag: float, to_zero_point_mag: float) -> float:
    """Return the factor that turns pixel values and fluxes of one zero-point into those of another.

    Whatever of one image meets another (patches of noise, injected galaxies, maps) is multiplied by this; a gain, in
    electrons per image unit, is divided by it.
    """
    return 10 ** (0.4 * (to_zero_point_mag - from_zero_point_mag))


def image_flux_to_njy(flux: ArrayLike, zero_point_mag: float) -> ArrayLike:
    """Convert fluxes from image units to nJy: ``flux * 10**(0.4 * (31.4 - zero_point_mag))``."""
    return flux * flux_scale(zero_point_mag, AB_NJY_ZERO_POINT_MAG)


def njy_to_image_flux(flux: ArrayLike, zero_point_mag: float) -> ArrayLike:
    """Convert fluxes from nJy to image units."""
    return flux / flux_scale(zero_point_mag, AB_NJY_ZERO_POINT_MAG)


def mag_to_njy(mag: ArrayLike) -> ArrayLike:
    """Convert AB magnitudes to nJy."""
    return 10 ** (0.4 * (AB_NJY_ZERO_POINT_MAG - mag))


def mag_to_image_flux(mag: ArrayLike, zero_point_mag: float) -> ArrayLike:
    """Convert AB magnitudes to image units."""
    return 10 ** (0.4 * (zero_point_mag - mag))


def njy_to_mag(flux: ArrayLike) -> ArrayLike:
    """Convert fluxes in nJy to AB magnitudes; fluxes that are not positive give NaN."""
    import numpy as np

    flux = np.asarray(flux, dtype=np.float64)
    positive = np.where(flux > 0, flux, np.nan)
    return AB_NJY_ZERO_POINT_MAG - 2.5 * np.log10(positive)
