"""Task `flux`: the flux of the galaxy at the centre of a blend, or of it and its companion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from skymill.config.train import FluxTaskConfig
from skymill.models.outputs import Outputs
from skymill.tasks.anchor import Anchor
from skymill.tasks.batch import Batch
from skymill.tasks.losses import FLUX_LOSSES, HALF_WIDTH_68, scale_of
from skymill.tasks.registry import TASKS

if TYPE_CHECKING:
    from skymill.tasks.metrics import BlendMetrics

LARGEST_RATIO = 12.0
"""Bound of |ln(F / F_anchor)|, so that an untrained or misused network cannot overflow."""


def mirrored(stamps: Tensor) -> Tensor:
    """Turn stamps (b, y, x) by 180 degrees about pixel ``size // 2``; in even sizes the first row and column wrap."""
    size_y, size_x = stamps.shape[-2:]
    return stamps.flip(1, 2).roll((1 - size_y % 2, 1 - size_x % 2), dims=(1, 2))


@TASKS.register("flux")
class FluxTask:
    """Flux as a residual to the light in an aperture, with its uncertainty.

    For each galaxy the network gives ln(F / F_anchor) and the logarithm of the scale b of a Laplace distribution
    around it. F_anchor is the light of the noisy image within `anchor_radius_fwhm` of the *central* galaxy (for the
    companion too: where that is, only the network knows). The result is F = F_anchor exp(output), the median of the
    distribution, and flux_err = 1.148 b F, half the interval that holds 68 %.

    The input has one channel ``asinh(image / s)`` for each softening s in `softening_rms` (noise shows in the first,
    cores of bright galaxies in the others) and one ``asinh(image / (s I))`` for each s in `softening_anchor`, where I
    is the anchor's mean surface brightness: these look the same for a galaxy of any flux. With `has_mirror_channels`,
    the first of either kind comes a second time for the lower of each pixel and the one opposite the stamp's centre:
    what is left there of a neighbour is only what has light opposite, the idea behind the templates of the SDSS
    deblender (Lupton et al. 2001, ASP Conf. 238, 269).

    Parameters
    ----------
    config : FluxTaskConfig
        Options.
    psf_fwhm_px : float
        FWHM of the survey's PSF.
    """

    needs_masks = False

    def __init__(self, config: FluxTaskConfig, psf_fwhm_px: float) -> None:
        self.config = config
        self.anchor = Anchor(config.anchor_radius_fwhm * psf_fwhm_px, config.anchor_floor_sigma)
        self.galaxies = 2 if config.outputs == "central_and_companion" else 1
        self.values = 2 * self.galaxies
        mirrored = config.has_mirror_channels * (1 + bool(config.softening_anchor))
        self.channels = len(config.softening_rms) + len(config.softening_anchor) + mirrored

    def inputs(self, image: Tensor) -> Tensor:
        """Turn stamps (b, band, y, x) in background rms into compressed channels (b, channels, y, x)."""
        unit = (self.anchor(image) / self.anchor.area_px)[:, None, None]  # (b, 1, 1)
        first, options = image[:, 0], self.config  # (b, y, x)
        channels = [torch.asinh(first / softening) for softening in options.softening_rms]
        channels += [torch.asinh(first / (softening * unit)) for softening in options.softening_anchor]
        if options.has_mirror_channels:
            lower = torch.minimum(first, mirrored(first))  # (b, y, x)
            channels += [torch.asinh(lower / softening) for softening in options.softening_rms[:1]]
            channels += [
                torch.asinh(lower / (softening * unit)) for softening in options.softening_anchor[:1]
            ]
        return torch.stack(channels, dim=1).contiguous(memory_format=torch.channels_last)

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Return the mean over galaxies of the flux loss that the options name."""
        residual, scale = self._split(outputs)
        anchor = torch.log(self.anchor(batch.image))[:, None]  # (b, 1)
        return FLUX_LOSSES[self.config.loss](residual + anchor, scale, torch.log(batch.flux)).mean()

    def columns(self, outputs: Outputs, image: Tensor) -> dict[str, Tensor]:
        """Return flux and flux_err (b,) in background rms, for pairs also companion_flux and companion_flux_err."""
        residual, scale = self._split(outputs)
        flux = self.anchor(image)[:, None] * torch.exp(residual)  # (b, g)
        flux_err = HALF_WIDTH_68 * scale * flux
        columns = {"flux": flux[:, 0], "flux_err": flux_err[:, 0]}
        columns["flags"] = torch.zeros_like(columns["flux"], dtype=torch.int32)
        if self.galaxies == 2:
            columns |= {"companion_flux": flux[:, 1], "companion_flux_err": flux_err[:, 1]}
        return columns

    def metrics(self) -> BlendMetrics:
        """Make the running figures of a validation."""
        # torchmetrics takes a second to import and inference does without.
        from skymill.tasks.metrics import BlendMetrics

        return BlendMetrics(self)

    def _split(self, outputs: Outputs) -> tuple[Tensor, Tensor]:
        """Split values (b, 2 g) into ln(F / F_anchor) (b, g) and scale (b, g)."""
        residual, raw = outputs.values.float().chunk(2, dim=1)
        return residual.clamp(-LARGEST_RATIO, LARGEST_RATIO), scale_of(raw)
