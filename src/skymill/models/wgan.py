"""A network that draws galaxies and learned from a critic what they look like, and that critic.

A Wasserstein GAN with a gradient penalty (Gulrajani et al. 2017, NeurIPS, arXiv:1704.00028). What draws ends as the
variational autoencoder's decoder does, in a canvas of flux 1 and half-light radius 1 and the survey's PSF
(:mod:`skymill.models.vae`); latent numbers, standard normal ones while it learns, become a galaxy's look together with
its flux and size. Canvas and critic can grow while they learn (Karras et al. 2018, ICLR, arXiv:1710.10196).
"""

from __future__ import annotations

from itertools import pairwise
from math import floor

import torch
from torch import Tensor, nn
from torch.nn import functional

from skymill.config.generator import CanvasNetworkConfig, WganConfig
from skymill.models.compress import asinh
from skymill.models.vae import CONDITIONS, GENERATORS, Decoder, GalaxyNetwork, Seen

LEVELS = 2
"""Times that canvas and critic grow by a factor of two."""
SLOPE = 0.2
VIEW_PX, VIEW_RE = 32, 4.0
"""Side of what the critic sees, and the distance of its edge from the galaxy's centre, seen half-light radii."""
PSF_PX = 1.5
"""Half-light radius of a point, about: what critics see is larger than the galaxy by that, in quadrature."""
BRIGHTNESSES = (0.3, 0.03)
"""Units that what the critic sees is compressed in, flux per square of the seen half-light radius: one shows the core,
the other the outskirts."""
RINGS, MODES = 8, (1, 2)
"""Rings of a view, and the Fourier modes of each that the critic is told: how lopsided and how elongated it is."""
KNOWN = 2
"""ln flux and ln half-light radius."""


class Style(nn.Module):
    """Latent numbers, flux and size → what the decoder takes; a layer that has learned nothing changes nothing.

    The first two latent numbers, the elongation, are made larger or smaller together: no direction is preferred.
    """

    def __init__(self, config: WganConfig) -> None:
        super().__init__()
        inputs = config.latent - 1 + KNOWN
        self.first, self.second = nn.Linear(inputs, config.style), nn.Linear(config.style, config.style)
        self.head = nn.Linear(config.style, config.latent - 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, latent: Tensor, flux: Tensor, re_px: Tensor) -> Tensor:
        """Return looks (b, latent) of galaxies of some flux (background rms) and half-light radius (px), (b,) each."""
        elongation, others = latent[:, :2], latent[:, 2:]
        length = 0.5 * (elongation**2).sum(dim=1, keepdim=True) - 1
        known = torch.stack([torch.log(flux) / 3 - 2, torch.log(re_px) - 1], dim=1)
        seen = functional.silu(self.first(torch.cat([length, others, known], dim=1)))
        change = self.head(functional.silu(self.second(seen)))
        return torch.cat([elongation * torch.exp(change[:, :1].clamp(-3, 2)), others + change[:, 1:]], dim=1)


class ProfileDecoder(Decoder):
    """A decoder that starts from symmetric Sersic profiles, whose index the third number says.

    A critic has to find out by itself that galaxies differ in their concentration and in how far they are symmetric;
    this is where it begins. The index is ``2 exp(latent / 2)``, within 0.5 and 6, and ``b = 2 n - 1/3`` (Ciotti &
    Bertin 1999, A&A 352, 447, eq. 18, its first terms). What is learned is split into the part that a half turn leaves
    as it is and the part that it reverses; how much of the second a galaxy has is one number of its look.
    """

    def __init__(self, config: CanvasNetworkConfig) -> None:
        super().__init__(config)
        self.lopsidedness = nn.Linear(config.latent, 1)
        nn.init.zeros_(self.lopsidedness.weight)
        nn.init.zeros_(self.lopsidedness.bias)

    def detail(self, image: Tensor, latent: Tensor) -> Tensor:
        """Return what is added to the log light of a profile, (b, c, c), made of a head's image (b, 1, c, c)."""
        image = image[:, 0]
        turned = image.flip(-2, -1)
        return (image + turned) / 2 + self.lopsidedness(latent)[..., None] * (image - turned) / 2

    def profile(self, latent: Tensor) -> Tensor:
        """Return the log light of Sersic profiles, (b, c, c)."""
        radius = self.canvas.place.norm(dim=-1).clamp(min=0.05)
        index = (2 * torch.exp(latent[:, 2] / 2)).clamp(0.5, 6)[:, None, None]
        return -(2 * index - 1 / 3) * radius ** (1 / index)


@GENERATORS.register("wgan")
class Wgan(GalaxyNetwork):
    """Style, decoder and PSF, which learned from a critic; guesser, encoder and mixture, which learned afterwards.

    Parameters
    ----------
    config : WganConfig
        Sizes of the layers.
    stamp_px : int
        Side of the stamps.
    """

    decoder_kind = ProfileDecoder
    is_exact = True

    def __init__(self, config: WganConfig, stamp_px: int) -> None:
        super().__init__(config, stamp_px)
        self.style = Style(config)

    def look(self, latent: Tensor, flux: Tensor, re_px: Tensor) -> Tensor:
        """Turn latent numbers (b, latent) into what the decoder takes, given flux (background rms) and size."""
        return self.style(latent, flux, re_px)


class CoarseHeads(nn.Module):
    """Canvases at half and at a quarter of the side, for a decoder that is growing."""

    def __init__(self, config: WganConfig) -> None:
        super().__init__()
        _, coarsest, coarser, _ = config.canvas_widths
        self.heads = nn.ModuleList(nn.Conv2d(width, 1, 3, padding=1) for width in (coarser, coarsest))
        for head in self.heads:
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)

    def canvas(self, decoder: Decoder, look: Tensor, coarseness: float) -> Tensor:
        """Return canvases (b, c, c) of a decoder, with details of `coarseness` levels left out; 0: with all."""
        features, maps = functional.silu(decoder.start(look)).unflatten(1, decoder.shape), []
        for convolution in decoder.convolutions:
            features = functional.interpolate(
                features, scale_factor=2.0, mode="bilinear", align_corners=False
            )
            features = functional.silu(convolution(features))
            maps.append(features)
        heads, level = [decoder.head, *self.heads], floor(coarseness)
        share, side = coarseness - level, decoder.canvas.baseline.shape[-1]
        log_light = decoder.profile(look)
        for number, weight in ((level, 1 - share), (level + 1, share)):
            if weight > 0:
                image = heads[number](maps[-1 - number])
                image = functional.interpolate(image, size=(side, side), mode="bilinear", align_corners=False)
                log_light = log_light + weight * decoder.detail(image, look)
        return decoder.canvas.normalised(log_light)


class RingModes(nn.Module):
    """Views → the light in rings, and how lopsided and how elongated each is: amplitudes of its Fourier modes.

    What concentration, asymmetry and ellipticity are made of (modes 1 and 2: Rix & Zaritsky 1995, ApJ 447, 82). Each
    number changes at most as fast as the view does, so that the penalty on slopes weighs them as it does pixels.
    """

    def __init__(self) -> None:
        super().__init__()
        axis = torch.linspace(-VIEW_RE, VIEW_RE, VIEW_PX)
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        ring = torch.floor(torch.hypot(x, y) / VIEW_RE * RINGS)
        waves = [torch.ones_like(x)]
        for mode in MODES:
            waves += [torch.cos(mode * torch.atan2(y, x)), torch.sin(mode * torch.atan2(y, x))]
        maps = torch.stack([(ring == number) * wave for number in range(RINGS) for wave in waves])
        # They follow from the numbers above: no part of the weights.
        self.register_buffer("maps", functional.normalize(maps.flatten(1)).T.contiguous(), persistent=False)

    def forward(self, views: Tensor) -> Tensor:
        """Return numbers (b, 2 RINGS (1 + modes)) of views (b, 2, y, x)."""
        light, *waves = (views.flatten(2) @ self.maps).unflatten(2, (RINGS, -1)).unbind(dim=3)
        pairs = zip(waves[::2], waves[1::2], strict=True)
        amplitudes = [torch.sqrt(cosine**2 + sine**2 + 1e-12) for cosine, sine in pairs]
        return torch.stack([light, *amplitudes], dim=-1).flatten(1)


class WganCritic(nn.Module):
    """Views of galaxies, with flux, size, place and noise → one verdict, high for true galaxies.

    Without normalisation from one galaxy to the next: the penalty is on the slope at each.

    Parameters
    ----------
    config : WganConfig
        Widths.
    """

    def __init__(self, config: WganConfig) -> None:
        super().__init__()
        widths = config.critic_widths
        self.convolutions = nn.ModuleList(
            nn.Conv2d(*step, 3, stride=2, padding=1) for step in pairwise((len(BRIGHTNESSES), *widths))
        )
        growing = widths[1 : LEVELS + 1] if config.progressive else ()
        self.entrances = nn.ModuleList(
            nn.Conv2d(len(BRIGHTNESSES), width, 3, stride=2, padding=1) for width in growing
        )
        side = VIEW_PX // 2 ** len(widths)
        self.dense = nn.Linear(widths[-1] * side**2, config.critic_dense)
        self.modes = RingModes()
        seen = config.critic_dense + len(BRIGHTNESSES) * RINGS * (1 + len(MODES)) + CONDITIONS
        self.join = nn.Linear(seen, config.critic_dense)
        self.head = nn.Linear(config.critic_dense, 1)

    def forward(self, views: Tensor, condition: Tensor, coarseness: float = 0.0) -> Tensor:
        """Judge galaxies: (b,).

        Parameters
        ----------
        views : Tensor (b, 2, y, x)
            Of :func:`view`.
        condition : Tensor (b, 5)
            Of :meth:`skymill.models.vae.Seen.condition`.
        coarseness : float
            Levels of detail that are left out, 0 to 2; a broken one fades the finer of two levels in.
        """
        level = floor(coarseness)
        share, features = coarseness - level, self._entered(views, level)
        for number, convolution in enumerate(self.convolutions):
            if number <= level:
                continue
            features = functional.leaky_relu(convolution(features), SLOPE)
            if share > 0 and number == level + 1:
                features = (1 - share) * features + share * self._entered(views, number)
        features = functional.leaky_relu(self.dense(features.flatten(1)), SLOPE)
        modes = self.modes(coarse(views, coarseness))
        features = functional.leaky_relu(self.join(torch.cat([features, modes, condition], dim=1)), SLOPE)
        return self.head(features)[:, 0]

    def _entered(self, views: Tensor, level: int) -> Tensor:
        """Return the features of the convolution `level` of views that are as coarse as it is used to."""
        entrance = self.entrances[level - 1] if level else self.convolutions[0]
        pooled = functional.avg_pool2d(views, 2**level) if level else views
        return functional.leaky_relu(entrance(pooled), SLOPE)


def coarse(views: Tensor, coarseness: float) -> Tensor:
    """Return views (b, 2, y, x) without details of some levels, as large as before."""
    level = floor(coarseness)
    kept = views
    if level:
        kept = functional.interpolate(functional.avg_pool2d(views, 2**level), scale_factor=2.0**level)
    share = coarseness - level
    return torch.lerp(kept, coarse(views, level + 1), share) if share else kept


def view(seen: Seen) -> Tensor:
    """Return noisy galaxies as the critic sees them: all of one size and brightness, compressed, (b, 2, 32, 32).

    The critic compares forms, for which it has to see them alike: flux and size are right in any case.
    """
    size, device = seen.image.shape[-1], seen.image.device
    seen_re = torch.sqrt(seen.re_px**2 + PSF_PX**2)
    axis = torch.linspace(-VIEW_RE, VIEW_RE, VIEW_PX, device=device)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    place = torch.stack([x, y], dim=-1) * seen_re[:, None, None, None] + seen.offset[:, None, None]
    place = (place + size // 2) * 2 / (size - 1) - 1
    image = functional.grid_sample(seen.image, place, padding_mode="zeros", align_corners=True)
    image = image * (seen_re**2 / seen.flux)[:, None, None, None]
    return torch.cat([asinh(image / unit) for unit in BRIGHTNESSES], dim=1)


def gradient_penalty(
    critic: WganCritic, true: Tensor, drawn: Tensor, condition: Tensor, share: Tensor, coarseness: float = 0.0
) -> Tensor:
    """Return the mean squared distance of the critic's slope from 1 between true and drawn galaxies.

    ``(|grad critic(x)| - 1)²`` at ``x = share true + (1 - share) drawn`` (Gulrajani et al. 2017, eq. 3).

    Parameters
    ----------
    critic : WganCritic
        The critic.
    true, drawn : Tensor (b, 2, y, x)
        Views of galaxies of the same conditions.
    condition : Tensor (b, 5)
        These conditions.
    share : Tensor (b,)
        Evenly distributed between 0 and 1.
    coarseness : float
        As of :class:`WganCritic`.
    """
    part = share[:, None, None, None]
    between = (part * true + (1 - part) * drawn).detach().requires_grad_()
    verdict = critic(between, condition, coarseness)
    (slope,) = torch.autograd.grad(verdict.sum(), between, create_graph=True)
    return ((torch.sqrt((slope**2).flatten(1).sum(dim=1) + 1e-12) - 1) ** 2).mean()


def coarseness_at(progress: float) -> float:
    """Return the levels of detail that are left out after a part of the training, 0 to 1.

    In the first half of it each level is trained alone, then the next is faded in, for an eighth of the training each.
    """
    eighths = 8 * progress
    return sum(min(max(2 * level + 2 - eighths, 0.0), 1.0) for level in range(LEVELS))
