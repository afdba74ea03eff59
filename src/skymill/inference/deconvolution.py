"""Deconvolutions that know the PSF and no galaxies: Richardson–Lucy and Wiener, as scikit-image has them.

Images (n, y, x) are sky-subtracted; all are mirrored at their edges by the PSF's reach before and cut out again after,
so that no method is judged by what lies beyond the stamp. `psf` (k, k), k odd, is what the wanted image was convolved
with, its sum 1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float64]


def gaussian(sigma_px: float, reach_px: int) -> NDArray[np.float64]:
    """Return a round Gaussian at pixel centres, sum 1: (2 reach + 1, 2 reach + 1)."""
    axis = np.arange(-reach_px, reach_px + 1)
    light = np.exp(-0.5 * (axis[:, None] ** 2 + axis**2) / max(sigma_px, 1e-3) ** 2)
    return light / light.sum()


def richardson_lucy(images: NDArray, psf: NDArray, iterations: int, pedestal: NDArray) -> Images:
    """Deconvolve with Richardson's (1972, JOSA 62, 55) and Lucy's (1974, AJ 79, 745) iteration.

    Parameters
    ----------
    images, psf : ndarray
        See the module.
    iterations : int
        Number of them, at least 1; the first estimate is flat.
    pedestal : ndarray (n,)
        Sky that is added before and subtracted after: the iteration knows no negative pixels, and what is still
        negative counts as none. 0 gives the textbook's use.
    """
    from skimage.restoration import richardson_lucy as iterate

    def one(image: NDArray, sky: float) -> NDArray:
        # A pixel of exactly 0 would stay 0 for ever, and one divides by the blurred estimate.
        positive = np.maximum(image + sky, 1e-6 * max(float(image.max() + sky), 1e-12))
        return iterate(positive, psf, num_iter=iterations, clip=False) - sky

    return _each(images, psf, lambda image, row: one(image, float(pedestal[row])))


def wiener(images: NDArray, psf: NDArray, balance: float) -> Images:
    """Deconvolve with a Wiener filter whose prior is a small Laplacian (Orieux et al. 2010, JOSA A 27, 1593).

    Parameters
    ----------
    images, psf : ndarray
        See the module.
    balance : float
        Weight of the prior beside the data; positive.
    """
    from skimage.restoration import wiener as filtered

    return _each(images, psf, lambda image, _: filtered(image, psf, balance, clip=False))


def unsupervised_wiener(images: NDArray, psf: NDArray, seed: int) -> Images:
    """Deconvolve with the same filter, its weight found for each image from that image alone (the same paper).

    Parameters
    ----------
    images, psf : ndarray
        See the module.
    seed : int
        Of its sampling; that of image i is seed + i.
    """
    from skimage.restoration import unsupervised_wiener as filtered

    return _each(images, psf, lambda image, row: filtered(image, psf, clip=False, rng=seed + row)[0])


def _each(images: NDArray, psf: NDArray, deconvolve: Callable[[NDArray, int], NDArray]) -> Images:
    margin = min(len(psf) // 2, images.shape[-1] - 1)
    inner = slice(margin, margin + images.shape[-1])
    padded = np.pad(
        np.asarray(images, dtype=np.float64), ((0, 0), (margin,) * 2, (margin,) * 2), mode="reflect"
    )
    return np.stack([deconvolve(image, row)[inner, inner] for row, image in enumerate(padded)])
