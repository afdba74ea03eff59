"""Derivatives of a galaxy's image with respect to all its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from skymill.bound.grid import FourierGrid
from skymill.bound.transform import sersic_transform
from skymill.simulate.parametric import EXPONENTIAL

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Derivatives:
    """A galaxy's image and its derivatives.

    Parameters
    ----------
    names : tuple of str
        The p parameters: ``x``, ``y`` (px) and, for galaxies, ``theta`` (radians); for each component ``flux`` (image
        units), ``ln_re``, ``ln_q`` and, for bulges, ``ln_n``, with ``bulge_`` or ``disc_`` before them. Points have
        ``x``, ``y`` and ``flux``.
    images : ndarray (p, y, x), float64
        Derivative of the image with respect to each.
    total_flux : ndarray (p,), float64
        Derivative of the total flux with respect to each: 1 for the components' fluxes, else 0.
    light : ndarray (y, x), float64
        The noise-free image, image units.
    """

    names: tuple[str, ...]
    images: NDArray[np.float64]
    total_flux: NDArray[np.float64]
    light: NDArray[np.float64]


@dataclass(frozen=True)
class _Component:
    """Spectra (m,) of flux 1 before the PSF: the profile's and its derivatives'."""

    name: str
    flux: float
    value: NDArray
    by_theta: NDArray
    by_shape: dict[str, NDArray]


def derivatives(
    galaxy: Mapping[str, Any], flux: float, x: float, y: float, grid: FourierGrid, pixel_scale_arcsec: float
) -> Derivatives:
    """Differentiate the image of a point or a bulge + disc galaxy.

    All derivatives but that with respect to the Sersic index (see :mod:`skymill.bound.transform`) are analytic in
    Fourier space, where the profile of an ellipse with semi-major axis a and axis ratio q is that of a circle at the
    wave number ``a * hypot(k_major, q k_minor)``: sizes, axis ratios and the angle follow from one radial slope by
    the chain rule, and the centre is a phase. There are no step sizes to choose.

    Parameters
    ----------
    galaxy : mapping
        Row of the schema ``galaxies``; its `kind` is ``point`` or ``bulge_disc``.
    flux : float
        Total flux, image units.
    x, y : float
        Centre on the canvas, px, 0 at the centre of the first pixel.
    grid : FourierGrid
        The canvas and the PSF.
    pixel_scale_arcsec : float
        Side of a pixel.

    Returns
    -------
    Derivatives
        Image and derivatives.
    """
    seen = grid.psf * np.exp(-1j * (grid.kx * x + grid.ky * y))
    components = _components(galaxy, flux, grid, pixel_scale_arcsec)
    total = sum(part.flux * part.value for part in components)
    spectra = {"x": -1j * grid.kx * total, "y": -1j * grid.ky * total}
    if galaxy["kind"] != "point":
        spectra["theta"] = sum(part.flux * part.by_theta for part in components)
    for part in components:
        spectra[f"{part.name}flux"] = part.value
        spectra |= {f"{part.name}{name}": part.flux * each for name, each in part.by_shape.items()}
    images = grid.images(np.stack(list(spectra.values())) * seen)
    is_flux = np.array([name.endswith("flux") for name in spectra])
    light = np.tensordot([part.flux for part in components], images[is_flux], axes=1)
    return Derivatives(tuple(spectra), images, is_flux.astype(np.float64), light)


def _components(
    galaxy: Mapping[str, Any], flux: float, grid: FourierGrid, pixel_scale_arcsec: float
) -> list[_Component]:
    """Return the components that have light."""
    if galaxy["kind"] == "point":
        return [_Component("", flux, np.ones_like(grid.kx), np.zeros_like(grid.kx), {})]
    fraction, theta = float(galaxy["bulge_to_total"]), np.deg2rad(float(galaxy["theta"]))
    parts = []
    if fraction > 0:
        size, n = galaxy["bulge_re"] / pixel_scale_arcsec, round(float(galaxy["bulge_n"]), 6)
        parts.append(_ellipse("bulge_", flux * fraction, n, size, galaxy["q_bulge"], theta, grid))
    if fraction < 1:
        size = galaxy["disc_re"] / pixel_scale_arcsec
        part = _ellipse("disc_", flux * (1 - fraction), EXPONENTIAL, size, galaxy["q_disc"], theta, grid)
        del part.by_shape["ln_n"]  # a disc is exponential by definition
        parts.append(part)
    return parts


def _ellipse(
    name: str, flux: float, n: float, size_px: float, axis_ratio: float, theta: float, grid: FourierGrid
) -> _Component:
    """Return an elliptical Sersic profile; `size_px` is the half-light radius along the major axis."""
    q = float(axis_ratio)
    major = grid.kx * np.cos(theta) + grid.ky * np.sin(theta)
    minor = grid.ky * np.cos(theta) - grid.kx * np.sin(theta)
    squared = major**2 + (q * minor) ** 2
    radial = sersic_transform(n, float(size_px) * np.sqrt(squared))
    # At wave number 0 the profile is its flux, whatever its shape.
    slope = np.divide(radial.by_ln_size, squared, out=np.zeros_like(squared), where=squared > 0)
    by_shape = {"ln_re": radial.by_ln_size, "ln_q": slope * (q * minor) ** 2, "ln_n": radial.by_ln_n}
    return _Component(name, flux, radial.value, slope * (1 - q**2) * major * minor, by_shape)
