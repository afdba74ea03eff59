"""Task `pictures`: pictures of 8 bits of both galaxies of a blend, after Reiman & Göhre (2019, MNRAS 485, 2617).

It is here for comparison with theirs. Levels of a stretched, rounded picture are not light: no flux comes out of them.
"""

from __future__ import annotations

from math import asinh, log, sqrt
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from skymill.config.pictures import PicturesTaskConfig, StretchConfig
from skymill.models.branched_pictures import WHITE
from skymill.models.compress import asinh as asinh_of
from skymill.models.inputs import StampInputs
from skymill.models.outputs import Outputs
from skymill.tasks.batch import Batch
from skymill.tasks.registry import TASKS

if TYPE_CHECKING:
    from skymill.tasks.metrics import PictureMetrics

ROUNDING = sqrt(1 / 12)
"""Root-mean-square error of rounding, levels: below it nothing is gained."""
OWN_PX = 8
"""Side of the middle of a picture whose mean level is the central galaxy's own brightness."""
WINDOW_PX = 11
"""Side of the window of SSIM, a Gaussian of 1.5 px (Wang et al. 2004, IEEE TIP 13, 600)."""


@TASKS.register("pictures")
class PicturesTask:
    """Pictures of the galaxy at the centre of a blend and of the other one.

    A batch for it holds pictures, levels 0 to 255, in place of light (:mod:`skymill.training.pictures`). As nothing is
    measured it has neither `log_flux` nor `columns`.

    Parameters
    ----------
    config : PicturesTaskConfig
        Options.
    psf_fwhm_px : float
        Of no use here.
    """

    learns_masks, galaxies, values = False, 1, 0

    def __init__(self, config: PicturesTaskConfig, psf_fwhm_px: float) -> None:
        self.config = config

    def inputs(self, image: Tensor, condition: Tensor) -> StampInputs:
        """Turn pictures (b, 1, y, x) of blends and what is known of them (b, 2) into the network's input."""
        brightness = Batch.middle(image, OWN_PX).mean(dim=(1, 2)).clamp(min=1.0)
        return StampInputs(image[:, 0], brightness, condition)

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Return the weighted losses of both pictures; what has no weight is not computed."""
        drawn = outputs.layers.float()
        true = torch.stack(batch.layers(drawn.shape[-1]), dim=1)  # (b, 2, y, x)
        parts = {
            "error_weight": lambda: log_error(drawn, true),
            "similarity_weight": lambda: 1 - similarity(drawn, true),
        }
        weights = {name: getattr(self.config, name) for name in parts}
        return sum(weights[name] * part().mean() for name, part in parts.items() if weights[name])

    def metrics(self) -> PictureMetrics:
        """Make the running figures of a validation."""
        from skymill.tasks.metrics import PictureMetrics

        return PictureMetrics()


def picture(light: Tensor, stretch: StretchConfig) -> Tensor:
    """Return the picture of light of any shape, background rms: whole levels 0 to 255."""
    return torch.round(levels(light, stretch))


def levels(light: Tensor, stretch: StretchConfig) -> Tensor:
    """Return the levels of light of any shape, background rms, before they are rounded.

    ``255 (A(light) - A(black)) / (A(white) - A(black))`` with A = arsinh(light / softening) (Lupton, Gunn & Szalay
    1999, AJ 118, 1406), cut off at both ends.
    """
    black, white = (asinh(end / stretch.softening_rms) for end in (stretch.black_rms, stretch.white_rms))
    share = (asinh_of(light / stretch.softening_rms) - black) / (white - black)
    return WHITE * share.clamp(0.0, 1.0)


def log_error(drawn: Tensor, true: Tensor) -> Tensor:
    """Return ln of the root-mean-square error of pictures (b, n, y, x) over 255 levels: (b, n).

    It is minus the PSNR in units of 8.7 dB, with a floor of `ROUNDING`.
    """
    return 0.5 * torch.log((drawn - true).square().mean(dim=(2, 3)) + ROUNDING**2) - log(WHITE)


def similarity(drawn: Tensor, true: Tensor) -> Tensor:
    """Return the SSIM of pictures (b, n, y, x) of 255 levels, where the window lies within them: (b, n)."""
    # Networks that measure are read through this package, too, where training's libraries are not there.
    from kornia.metrics import ssim

    return ssim(drawn, true, WINDOW_PX, max_val=WHITE, padding="valid").mean(dim=(2, 3))
