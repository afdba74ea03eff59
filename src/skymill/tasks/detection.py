"""Task `detection`: where on an image sources are, and which pixels belong to any."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from skymill.config.finder import DetectionTaskConfig
from skymill.models.compress import asinh
from skymill.models.outputs import Maps
from skymill.tasks.detection_metrics import DetectionMetrics
from skymill.tasks.patches import Patches
from skymill.tasks.splat import centre_target, focal_loss, offset_loss

LEAST_SIGMA_PX = 0.7
LEAST_DISTANCE_PX = 1.5


class DetectionTask:
    """Maps of centres, offsets and segments.

    The input has one channel ``asinh(image / s)`` for each softening s: noise shows in the first, cores of bright
    sources in the others. The loss is the focal loss of the centres plus the weighted losses of offsets and segments.

    Parameters
    ----------
    config : DetectionTaskConfig
        Options.
    psf_fwhm_px : float
        FWHM of the survey's PSF.
    """

    def __init__(self, config: DetectionTaskConfig, psf_fwhm_px: float) -> None:
        self.config = config
        self.channels = len(config.softening_rms)
        self.psf_fwhm_px = psf_fwhm_px
        self.sigma_px = max(LEAST_SIGMA_PX, config.splat_fwhm * psf_fwhm_px)
        self.max_distance_px = max(LEAST_DISTANCE_PX, config.max_distance_fwhm * psf_fwhm_px)

    def inputs(self, image: Tensor) -> Tensor:
        """Turn images (b, band, y, x) in background rms into compressed channels (b, channels, y, x)."""
        channels = [asinh(image[:, 0] / softening) for softening in self.config.softening_rms]
        return torch.stack(channels, dim=1).contiguous(memory_format=torch.channels_last)

    def vagueness(self, width: Tensor) -> Tensor:
        """Return how many times as far from its centre as a point a source of `width` (k,), px, may be found."""
        return (self.config.width_fraction * width / self.sigma_px).clamp(min=1.0)

    def loss(self, outputs: Maps, patches: Patches) -> Tensor:
        """Return the loss of a batch, a scalar."""
        sigma_px = self.sigma_px * self.vagueness(patches.width)
        centre = focal_loss(outputs.centre.float(), centre_target(patches, sigma_px))
        offset = offset_loss(outputs.offset.float(), patches)
        segment = functional.binary_cross_entropy_with_logits(outputs.segment.float(), patches.segment)
        return centre + self.config.offset_weight * offset + self.config.segment_weight * segment

    def metrics(self) -> DetectionMetrics:
        """Make the running figures of a validation."""
        return DetectionMetrics(self.max_distance_px, self.psf_fwhm_px, self.vagueness)
