"""A critic: it tells true images of galaxies from drawn ones, patch by patch, beside the blend that they are of.

It judges patches and not whole stamps (PatchGAN: Isola et al. 2017, CVPR, section 3.2.2), is given the blend as the
condition, and its layers are normalised by their largest singular value, so that its slope is bounded (Miyato et al.
2018, ICLR, arXiv:1802.05957). It is used in training alone.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from skymill.config.critic import CriticConfig
from skymill.models.compress import asinh

SCALES_RMS = (1.0, 30.0)
"""Units that each image is compressed in, background rms: one shows the outskirts, the other the cores."""
LAYERS = 2
"""The central galaxy and its neighbours, beside the blend."""
SLOPE = 0.2


class Critic(nn.Module):
    """Convolutions over pixels, each of which halves the side, and a verdict on each pixel of the last map.

    Parameters
    ----------
    config : CriticConfig
        Widths.
    layers : int
        Images that are judged, beside the one that they are of.
    """

    def __init__(self, config: CriticConfig, layers: int = LAYERS) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        for inputs, outputs in pairwise(((1 + layers) * len(SCALES_RMS), *config.widths)):
            halving = nn.Conv2d(inputs, outputs, kernel_size=4, stride=2, padding=1)
            steps += [spectral_norm(halving), nn.LeakyReLU(SLOPE, inplace=True)]
        steps.append(spectral_norm(nn.Conv2d(config.widths[-1], 1, kernel_size=3, padding=1)))
        self.layers = nn.Sequential(*steps)

    def forward(self, blend: Tensor, layers: Tensor) -> Tensor:
        """Judge images (b, layers, y, x) of blends (b, y, x), background rms: (b, 1, rows, columns), high for true."""
        images = torch.cat([blend[:, None], layers], dim=1)
        seen = torch.cat([asinh(images / scale) for scale in SCALES_RMS], dim=1)
        return self.layers(seen.contiguous(memory_format=torch.channels_last))


def critic_loss(true: Tensor, drawn: Tensor) -> Tensor:
    """Return the hinge loss of the verdicts on true and on drawn images (Lim & Ye 2017, arXiv:1705.02894)."""
    return torch.relu(1 - true).mean() + torch.relu(1 + drawn).mean()


def adversarial_loss(drawn: Tensor) -> Tensor:
    """Return what the verdict on its images costs a network: minus its mean."""
    return -drawn.mean()
