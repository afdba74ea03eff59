"""Task `restore`: a degraded image → the galaxy as the survey's PSF shows it, in linear light and without noise."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from skymill.config.restorer import RestoreTaskConfig
from skymill.models.compress import asinh
from skymill.models.inputs import StampInputs
from skymill.models.outputs import Outputs
from skymill.tasks.anchor import Anchor
from skymill.tasks.batch import Batch
from skymill.tasks.deblend import light_error, log_error

ANCHOR_FWHM = 3.0
"""Radius of the aperture that says how bright a galaxy is, FWHM of the survey's PSF."""
FLOOR_SIGMA = 3.0


class Degraded(NamedTuple):
    """Degraded stamps and what they were, in units of the background rms of the degraded ones.

    Parameters
    ----------
    image : Tensor (b, 1, y, x)
        With the wider PSF and the noise.
    light : Tensor (b, 1, y, x)
        With the survey's PSF, without noise.
    condition : Tensor (b, 2)
        log2 of the PSF's width and of the background rms over the survey's
        (:data:`skymill.models.inputs.CONDITIONS`).
    """

    image: Tensor
    light: Tensor
    condition: Tensor

    def layers(self, size_px: int) -> tuple[Tensor]:
        """Return the middle of the light, (b, size_px, size_px), as a critic is shown it."""
        return (self.middle(self.light, size_px),)

    middle = staticmethod(Batch.middle)


class RestoreTask:
    """Restored images.

    Parameters
    ----------
    config : RestoreTaskConfig
        Weights of the losses.
    psf_fwhm_px : float
        FWHM of the survey's PSF.
    """

    def __init__(self, config: RestoreTaskConfig, psf_fwhm_px: float) -> None:
        self.config = config
        self.anchor = Anchor(ANCHOR_FWHM * psf_fwhm_px, FLOOR_SIGMA)

    def inputs(self, image: Tensor, condition: Tensor) -> StampInputs:
        """Turn stamps (b, 1, y, x) in background rms and what is known of them (b, 2) into the network's input."""
        return StampInputs(image[:, 0], self.anchor(image) / self.anchor.area_px, condition)

    def loss(self, outputs: Outputs, batch: Degraded) -> Tensor:
        """Return the weighted losses, a scalar; what has no weight is not computed.

        Light counts in the survey's background rms: what a faint galaxy's image is worth does not depend on the noise
        that it is restored from.
        """
        unit = 2 ** batch.condition[:, 1, None, None]
        image, true = (unit * light[:, 0] for light in (outputs.layers.float(), batch.light))
        parts = {
            "pixel_weight": lambda: (asinh(image) - asinh(true)).abs(),
            "peak_weight": lambda: log_error(image, true),
            "light_weight": lambda: light_error(image, true),
        }
        weights = {name: getattr(self.config, name) for name in parts}
        return sum(weights[name] * part().mean() for name, part in parts.items() if weights[name])

    def metrics(self) -> RestoreMetrics:
        """Make the running figures of a validation."""
        return RestoreMetrics()


class RestoreMetrics:
    """Figures over a validation set.

    ``image_psnr`` and ``degraded_psnr`` (dB, mean, linear pixels, range: the true image's brightest pixel) and
    ``image_flux_mape`` (percent, mean of |Δ| of all light of a stamp).
    """

    def __init__(self) -> None:
        self.parts: list[Tensor] = []

    def update(self, outputs: Outputs, batch: Degraded) -> None:
        """Add a batch."""
        true = batch.light[:, 0].double()
        images = [one[:, 0].double() for one in (outputs.layers, batch.image)]
        flux_error = (images[0].sum(dim=(1, 2)) / true.sum(dim=(1, 2)) - 1).abs()
        self.parts.append(torch.stack([*(psnr(one, true) for one in images), flux_error], dim=1).cpu())

    def compute(self) -> dict[str, float]:
        """Return the figures of all batches since the last reset."""
        restored, degraded, flux_error = torch.cat(self.parts).mean(dim=0).tolist()
        return {"image_psnr": restored, "degraded_psnr": degraded, "image_flux_mape": 100 * flux_error}

    def reset(self) -> None:
        """Start anew."""
        self.parts.clear()


def psnr(images: Tensor, true: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio of linear images (b, y, x), dB; range: the true image's brightest pixel."""
    squared = (images - true).square().mean(dim=(1, 2))
    return 10 * torch.log10(true.amax(dim=(1, 2)).square() / squared)
