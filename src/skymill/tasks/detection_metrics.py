"""Running figures of the validation of a detection network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from skymill.catalog.ranked import match_ranked
from skymill.metrics.ranking import rank
from skymill.models.outputs import Maps
from skymill.tasks.patches import Patches
from skymill.tasks.peaks import find_peaks

LEAST_LOGIT = -4.0
"""Peaks to which the network gives less than 2 % are not looked at: they are noise."""
PURITY = 0.9
CLOSE_FWHM = 2.0
SNR_EDGES = (4.0, 6.0, 10.0, 20.0)


@dataclass(frozen=True)
class Found:
    """Peaks and objects of a set of patches.

    Parameters
    ----------
    logit : ndarray (n,)
        Value of each peak.
    is_real : ndarray (n,), bool
        Whether it is an object.
    best : ndarray (m,)
        Value of the peak of each object; -inf where there is none.
    snr, brighter : ndarray (m,)
        The objects' signal to noise and distance to a brighter source, px.
    """

    logit: NDArray[np.float64]
    is_real: NDArray[np.bool_]
    best: NDArray[np.float64]
    snr: NDArray[np.float64]
    brighter: NDArray[np.float64]


class DetectionMetrics:
    """Figures over all patches of a validation set.

    ``average_precision``; ``completeness`` where the purity is 90 %, and at the same threshold ``completeness_close``
    (objects with a brighter one within two FWHM of the PSF) and ``completeness_snr_…`` by signal to noise.

    Parameters
    ----------
    max_distance_px : float
        Peaks within this distance of an object are it.
    psf_fwhm_px : float
        FWHM of the PSF.
    vagueness : callable
        From the objects' widths (k,) to how many times that distance is theirs.
    """

    def __init__(
        self, max_distance_px: float, psf_fwhm_px: float, vagueness: Callable[[Tensor], Tensor]
    ) -> None:
        self.max_distance_px, self.psf_fwhm_px, self.vagueness = max_distance_px, psf_fwhm_px, vagueness
        self.parts: list[Found] = []

    def update(self, outputs: Maps, patches: Patches) -> None:
        """Add a batch."""
        peaks = find_peaks(outputs, LEAST_LOGIT)
        owner, y, x, logit = (values.double().cpu().numpy() for values in peaks)
        # Patches are laid side by side, so that one search serves all of them.
        stride = 10.0 * max(patches.image.shape[-2:])
        true_owner, true_y, true_x = (
            getattr(patches, name).double().cpu().numpy() for name in ("owner", "y", "x")
        )
        distance = self.max_distance_px * self.vagueness(patches.width).double().cpu().numpy()
        row = match_ranked(x + stride * owner, y, logit, true_x + stride * true_owner, true_y, distance)
        best = np.full(len(true_x), -np.inf)
        best[row[row >= 0]] = logit[row >= 0]
        snr, brighter = patches.snr.double().cpu().numpy(), patches.brighter.double().cpu().numpy()
        self.parts.append(Found(logit, row >= 0, best, snr, brighter))

    def found(self) -> Found:
        """Return the peaks and objects of all batches since the last reset."""
        names = ("logit", "is_real", "best", "snr", "brighter")
        return Found(**{name: np.concatenate([getattr(part, name) for part in self.parts]) for name in names})

    def compute(self) -> dict[str, float]:
        """Return the figures of all batches since the last reset."""
        found = self.found()
        ranking = rank(found.logit, found.is_real, len(found.best))
        threshold = ranking.threshold_of_purity(PURITY) if len(ranking.score) else np.inf
        seen = found.best >= threshold
        close = found.brighter < CLOSE_FWHM * self.psf_fwhm_px
        figures = {
            "average_precision": ranking.average_precision(),
            "completeness": _share(seen, np.ones(len(seen), dtype=bool)),
            "completeness_close": _share(seen, close),
        }
        for low, high in zip(SNR_EDGES, (*SNR_EDGES[1:], np.inf), strict=True):
            rows = (found.snr >= low) & (found.snr < high)
            figures[f"completeness_snr_{low:.0f}"] = _share(seen, rows)
        return figures

    def reset(self) -> None:
        """Start anew."""
        self.parts.clear()


def _share(seen: NDArray[np.bool_], rows: NDArray[np.bool_]) -> float:
    """Fraction of some rows; 0 where there are none, which a table of figures can hold."""
    return float(seen[rows].mean()) if rows.any() else 0.0
