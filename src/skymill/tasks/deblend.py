"""Task `deblend`: images of the galaxy and of its neighbours in linear light, and the flux that the image says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from skymill.errors import ConfigError
from skymill.models.compress import asinh
from skymill.models.outputs import Outputs
from skymill.tasks.batch import Batch
from skymill.tasks.flux import FluxTask
from skymill.tasks.losses import FLUX_LOSSES, scale_of
from skymill.tasks.registry import TASKS

if TYPE_CHECKING:
    from skymill.tasks.metrics import BlendMetrics

LARGEST_CORRECTION = 0.7
"""Bound of ln(flux / light of the image): a stamp holds at least half of a galaxy's light."""
LEAST_ERROR_RMS = 0.01
"""Pixel error that is as good as none, background rms: below it nothing is gained."""


@TASKS.register("deblend")
class DeblendTask(FluxTask):
    """Deblended images whose light is the flux.

    ln F is the logarithm of the light of the galaxy's image, plus a bounded correction for what lies beyond the image
    or is lost in it; the network makes it from that image alone. The loss of the flux does not act on the images: what
    is drawn is the light that is there, and the correction learns the rest.
    """

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Return the flux loss plus the weighted losses of the images; what has no weight is not computed."""
        layers = _layers(outputs)
        true = torch.stack(batch.layers(layers.shape[-1]), dim=1)  # (b, 2, y, x)
        location, scale = self._measured(outputs._replace(layers=layers.detach()))
        parts = {
            "flux_weight": lambda: FLUX_LOSSES[self.config.loss](location, scale, torch.log(batch.flux)),
            "pixel_weight": lambda: (asinh(layers) - asinh(true)).abs(),
            "peak_weight": lambda: log_error(layers[:, 0], true[:, 0]),
            "light_weight": lambda: light_error(layers[:, 0], true[:, 0]),
            "conservation_weight": lambda: light_error(layers.sum(dim=1), true.sum(dim=1)),
        }
        weights = {name: getattr(self.config, name) for name in parts}
        return sum(weights[name] * part().mean() for name, part in parts.items() if weights[name])

    def log_flux(self, outputs: Outputs, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return location and scale of ln F (b, 1), not calibrated; F in background rms."""
        return self._measured(outputs)

    def _measured(self, outputs: Outputs) -> tuple[Tensor, Tensor]:
        light = total(_layers(outputs)[:, 0]).clamp(min=self.config.anchor_floor_sigma * self.anchor.noise)
        raw, spread = outputs.values.float().chunk(2, dim=1)
        correction = LARGEST_CORRECTION * torch.tanh(raw / LARGEST_CORRECTION)
        return torch.log(light)[:, None] + correction, scale_of(spread)

    def metrics(self) -> BlendMetrics:
        """Make the running figures of a validation."""
        from skymill.tasks.metrics import ImageMetrics

        return ImageMetrics(self)


def total(light: Tensor) -> Tensor:
    """Return the light of all pixels of images (b, y, x): (b,)."""
    return light.sum(dim=(1, 2))


def log_error(image: Tensor, true: Tensor) -> Tensor:
    """Return ln of the root-mean-square error of images (b, y, x) over the true image's brightest pixel: (b,).

    It is minus the PSNR in units of 8.7 dB, with a floor of `LEAST_ERROR_RMS`: all galaxies weigh the same.
    """
    squared = (image - true).square().mean(dim=(1, 2)) + LEAST_ERROR_RMS**2
    return 0.5 * torch.log(squared) - torch.log(true.amax(dim=(1, 2)).clamp(min=LEAST_ERROR_RMS))


def light_error(image: Tensor, true: Tensor) -> Tensor:
    """Return |Δ ln| of the light of images (b, y, x), below one background rms in all counted as that: (b,)."""
    return (torch.log(total(image).clamp(min=1.0)) - torch.log(total(true).clamp(min=1.0))).abs()


def _layers(outputs: Outputs) -> Tensor:
    if outputs.layers is None:
        raise ConfigError(
            "network", expected="one that gives images", found="none", remedy="Take 'branched' for deblend."
        )
    return outputs.layers.float()
