"""A network that restores images: conditional on the degraded image, and on how much worse its PSF and noise are.

The idea is that of GalaxyGAN (Schawinski et al. 2017, MNRAS 467, L110): a network that has seen many galaxies knows
more than a deconvolution that has seen none. Theirs draws pictures of 8 bits; this one gives linear light. It is shown
what the known PSF allows to undo, as Wiener filters of two strengths, and gives, pixel by pixel, a weighted mean of
what it draws, of those and of the degraded image: where the noise is nothing beside the light, measured light is given
out; where it is not, what is drawn is free of noise.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from skymill.config.restorer import RestorerNetConfig
from skymill.models.branched import BRIGHTEST, FAINTEST, Residual
from skymill.models.compress import asinh
from skymill.models.degradation import added_sigma_px, sharpened
from skymill.models.inputs import CONDITIONS, StampInputs, pixel_channels
from skymill.models.outputs import Outputs
from skymill.models.unet import CHANNELS, convolution

MARGIN_PX = 8
"""Images are mirrored so far at their edges before they are filtered."""
SCALES = 2
"""Units that a filtered image is shown in: the background rms, and a tenth of the galaxy's own brightness."""


class Restorer(nn.Module):
    """Residual blocks at a quarter and at half of the side, then weights for each pixel.

    Parameters
    ----------
    config : RestorerNetConfig
        Widths and blocks.
    psf_fwhm_px : float
        FWHM of the survey's own PSF, which the condition is relative to.
    """

    def __init__(self, config: RestorerNetConfig, psf_fwhm_px: float) -> None:
        super().__init__()
        fine, coarse = config.widths
        self.config, self.psf_fwhm_px = config, psf_fwhm_px
        filters = len(config.balances)
        self.first = convolution(CHANNELS + SCALES * filters + len(CONDITIONS), fine, stride=2)
        self.down = convolution(fine, coarse, stride=2)
        self.root = nn.Sequential(*(Residual(coarse) for _ in range(config.root_blocks)))
        self.up = nn.Conv2d(coarse, fine, kernel_size=1)
        self.blocks = nn.Sequential(*(Residual(fine) for _ in range(config.branch_blocks)))
        # The drawing, and a weight for it, the degraded image and each filtered one. Four numbers for each pixel of the
        # halved map are its four pixels: cheaper than blocks at full size.
        self.maps = nn.Conv2d(fine, 4 * (3 + filters), kernel_size=1)

    def forward(self, inputs: StampInputs) -> Outputs:
        """Give images (b, 1, y, x) in the input's unit, not negative, and no other numbers."""
        image, condition = inputs.image, inputs.condition
        sigma_px = added_sigma_px(self.psf_fwhm_px, 2 ** condition[:, 0])
        filtered = [sharpened(image, sigma_px, one, MARGIN_PX) for one in self.config.balances]
        maps = self._maps(inputs, filtered)  # (b, 1 + candidates, y, x)
        drawn = torch.sinh(functional.softplus(maps[:, 0] + FAINTEST).clamp(max=BRIGHTEST))
        candidates = torch.stack([drawn, *(one.clamp(min=0.0) for one in (image, *filtered))], dim=1)
        restored = (torch.softmax(maps[:, 1:], dim=1) * candidates).sum(dim=1, keepdim=True)
        return Outputs(image.new_empty((len(image), 0)), layers=restored)

    def _maps(self, inputs: StampInputs, filtered: list[Tensor]) -> Tensor:
        """Return the drawing's features and the logits of the weights, for each pixel."""
        own = 0.1 * inputs.brightness[:, None, None]
        sharp = [asinh(one / unit) for one in filtered for unit in (1.0, own)]
        given = inputs.condition[:, :, None, None].expand(-1, -1, *inputs.image.shape[1:])
        seen = torch.cat([pixel_channels(inputs), torch.stack(sharp, dim=1), given], dim=1)
        skip = self.first(seen.contiguous(memory_format=torch.channels_last))  # (b, fine, y / 2, x / 2)
        coarse = self.root(self.down(skip))  # (b, coarse, y / 4, x / 4)
        features = skip + functional.interpolate(self.up(coarse), scale_factor=2.0, mode="nearest")
        return functional.pixel_shuffle(self.maps(self.blocks(features)), 2).float()
