"""A wider PSF and its linear inverse, in Fourier space. Images are periodic there: give them a margin."""

from __future__ import annotations

from math import ceil, log, sqrt

import torch
from torch import Tensor
from torch.nn import functional

SIGMA_TO_FWHM = 2 * sqrt(2 * log(2))
REACH_SIGMA = 4
"""Beyond so many standard deviations a Gaussian spreads no light worth speaking of (3e-4 of it)."""


def added_sigma_px(psf_fwhm_px: float, ratio: Tensor) -> Tensor:
    """Return the width (sigma) of the Gaussian that makes a PSF `ratio` times as wide; widths add in quadrature."""
    return psf_fwhm_px / SIGMA_TO_FWHM * torch.sqrt((ratio**2 - 1).clamp(min=0.0))


def reach_px(psf_fwhm_px: float, ratio: float) -> int:
    """Return how far that Gaussian spreads light, px."""
    return ceil(REACH_SIGMA * float(added_sigma_px(psf_fwhm_px, torch.tensor(ratio))))


def transfer(sigma_px: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return the transfer functions of Gaussians (b,) for real images of `shape` (y, x): (b, y, x // 2 + 1)."""
    y, x = shape
    ky = torch.fft.fftfreq(y, device=sigma_px.device)[:, None]  # cycles per px
    kx = torch.fft.rfftfreq(x, device=sigma_px.device)
    return torch.exp(-2 * torch.pi**2 * sigma_px[:, None, None] ** 2 * (ky**2 + kx**2))


def blurred(images: Tensor, sigma_px: Tensor) -> Tensor:
    """Convolve images (b, y, x) with round Gaussians of widths (b,)."""
    shape = images.shape[-2:]
    return torch.fft.irfft2(torch.fft.rfft2(images) * transfer(sigma_px, shape), s=shape)


def sharpened(images: Tensor, sigma_px: Tensor, balance: float, margin_px: int) -> Tensor:
    """Undo such a convolution with a Wiener filter for white noise and a white signal.

    ``H / (H² + balance)``, scaled such that the light of an image stays (1 at wave number 0).

    Parameters
    ----------
    images : Tensor (b, y, x)
        Blurred and noisy.
    sigma_px : Tensor (b,)
        Widths of the Gaussians.
    balance : float
        Power of the noise over that of the signal.
    margin_px : int
        Images are mirrored at their edges so far, less than their side.
    """
    padded = functional.pad(images[:, None], (margin_px,) * 4, mode="reflect")[:, 0]
    known = transfer(sigma_px, padded.shape[-2:])
    filtered = torch.fft.rfft2(padded) * known * (1 + balance) / (known**2 + balance)
    found = torch.fft.irfft2(filtered, s=padded.shape[-2:])
    inner = slice(margin_px, margin_px + images.shape[-1])
    return found[:, inner, inner]
