"""Task `flux`: the flux of the galaxy at the centre of a blend, or of it and its companion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from skymill.config.train import FluxTaskConfig
from skymill.models.inputs import StampInputs
from skymill.models.outputs import Outputs
from skymill.tasks.anchor import Anchor
from skymill.tasks.batch import Batch
from skymill.tasks.calibration import NAMES, Calibration, laplace
from skymill.tasks.losses import FLUX_LOSSES, scale_of
from skymill.tasks.registry import TASKS

if TYPE_CHECKING:
    from skymill.tasks.metrics import BlendMetrics

LARGEST_RATIO = 12.0
"""Bound of |ln(F / F_anchor)|, so that an untrained or misused network cannot overflow."""


@TASKS.register("flux")
class FluxTask:
    """Flux as a residual to the light in an aperture, with its distribution.

    For each galaxy the network gives ln(F / F_anchor) and the logarithm of the scale b of its error. F_anchor is the
    light of the noisy image within `anchor_radius_fwhm` of the *central* galaxy (for the companion too: where that
    is, only the network knows). A calibration turns both into quantiles of the flux.

    Parameters
    ----------
    config : FluxTaskConfig
        Options.
    psf_fwhm_px : float
        FWHM of the survey's PSF.
    """

    def __init__(self, config: FluxTaskConfig, psf_fwhm_px: float) -> None:
        self.config = config
        self.learns_masks = config.learns_masks
        self.anchor = Anchor(config.anchor_radius_fwhm * psf_fwhm_px, config.anchor_floor_sigma)
        self.galaxies = 2 if config.outputs == "central_and_companion" else 1
        self.values = 2 * self.galaxies

    def inputs(self, image: Tensor, condition: Tensor) -> StampInputs:
        """Turn stamps (b, band, y, x) in background rms and what is known of them (b, 2) into the network's input."""
        return StampInputs(image[:, 0], self.anchor(image) / self.anchor.area_px, condition)

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Return the mean over galaxies of the flux loss that the options name."""
        location, scale = self.log_flux(outputs, batch.image)
        return FLUX_LOSSES[self.config.loss](location, scale, torch.log(batch.flux)).mean()

    def log_flux(self, outputs: Outputs, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return location and scale of ln F (b, g), not calibrated; F in background rms."""
        residual, raw = outputs.values.float().chunk(2, dim=1)
        anchor = torch.log(self.anchor(image))[:, None]  # (b, 1)
        return anchor + residual.clamp(-LARGEST_RATIO, LARGEST_RATIO), scale_of(raw)

    def columns(
        self, outputs: Outputs, image: Tensor, calibration: Calibration | None = None
    ) -> dict[str, Tensor]:
        """Return the flux and its distribution.

        Parameters
        ----------
        outputs : Outputs
            Of the network.
        image : Tensor (b, band, y, x)
            The stamps, background rms.
        calibration : Calibration, optional
            Of the model; that of a Laplace distribution by default.

        Returns
        -------
        dict of str to Tensor (b,)
            ``flux`` (the median), ``flux_err`` (half of the central 68 %), ``flux_q025``, ``flux_q16``, ``flux_q84``,
            ``flux_q975`` in background rms and ``flags``; for pairs the same for the companion with
            ``companion_`` before the name.
        """
        location, scale = self.log_flux(outputs, image)
        quantiles = torch.exp((calibration or laplace()).log_flux(location, scale))  # (b, g, 5)
        columns: dict[str, Tensor] = {}
        for galaxy, prefix in enumerate(("", "companion_")[: self.galaxies]):
            named = dict(zip(NAMES, quantiles[:, galaxy].unbind(dim=1), strict=True))
            columns[f"{prefix}flux"] = named.pop("median")
            columns[f"{prefix}flux_err"] = (named["q84"] - named["q16"]) / 2
            columns |= {f"{prefix}flux_{name}": values for name, values in named.items()}
        columns["flags"] = torch.zeros_like(columns["flux"], dtype=torch.int32)
        return columns

    def metrics(self) -> BlendMetrics:
        """Make the running figures of a validation."""
        # torchmetrics takes a second to import and inference does without.
        from skymill.tasks.metrics import BlendMetrics

        return BlendMetrics(self)
