"""A picture: a few galaxies degraded, restored in several ways, and as they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skymill.inference.restored_figures import SOFTENING_RMS, image_psnr
from skymill.provenance.atomic import atomic_path

if TYPE_CHECKING:
    from numpy.typing import NDArray

PICTURE = "restored.png"
ROWS = 6
INCH = 1.3
WORDS = {
    "richardson_lucy": "Richardson–Lucy",
    "richardson_lucy_no_sky": "the same, no sky",
    "richardson_lucy_30": "30 iterations",
    "wiener": "Wiener",
    "unsupervised_wiener": "unsupervised Wiener",
}
"""Above the columns; other deconvolutions are not drawn."""


class Panel(NamedTuple):
    """Galaxies of one degradation, survey's background rms.

    Parameters
    ----------
    psf, noise : float
        Ratios of the degradation.
    images : mapping of str to ndarray (n, y, x)
        By method.
    true : ndarray (n, y, x)
        The galaxies with the survey's PSF and without noise.
    """

    psf: float
    noise: float
    images: Mapping[str, NDArray]
    true: NDArray


def draw_restored(path: str | Path, panel: Panel, network: str) -> None:
    """Draw galaxies from bright to faint, each on one asinh scale, with the PSNR of linear pixels.

    Galaxies are those at even steps of the rank of their peaks, whatever they look like when restored.
    """
    from matplotlib.figure import Figure

    order = np.argsort(-panel.true.max(axis=(1, 2)), kind="stable")
    rows = order[np.unique(np.linspace(0, len(order) - 1, ROWS + 2).round().astype(int))[1:-1]]
    drawn = ("degraded", network, *WORDS)
    columns = {WORDS.get(name, name): panel.images[name] for name in drawn if name in panel.images}
    columns["truth"] = panel.true
    figure = Figure(figsize=(INCH * len(columns), INCH * len(rows) + 0.6), layout="constrained")
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    for column, (words, images) in enumerate(columns.items()):
        ratios = image_psnr(images, panel.true, is_linear=True)
        for place, row in enumerate(rows):
            axis = axes[place, column]
            low, top = (float(np.arcsinh(level / SOFTENING_RMS)) for level in (-2.0, panel.true[row].max()))
            seen = np.arcsinh(images[row] / SOFTENING_RMS)
            axis.imshow(seen, vmin=low, vmax=top, cmap="magma", origin="lower")
            axis.set(xticks=[], yticks=[])
            if np.isfinite(ratios[row]):
                axis.set_xlabel(f"{ratios[row]:.1f} dB", fontsize=6, labelpad=1)
        axes[0, column].set_title(words, fontsize=7)
    figure.suptitle(
        f"{network}: PSF {panel.psf:g} times as wide, noise {panel.noise:g} times the survey's", fontsize=9
    )
    # No software version or date in the file: the same images give the same bytes.
    with atomic_path(path) as partial:
        figure.savefig(partial, dpi=120, metadata={"Software": None})
