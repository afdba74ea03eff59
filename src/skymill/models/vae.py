"""Networks of galaxies whose decoder ends in the survey's PSF, and the variational autoencoder among them.

Kingma & Welling (2014, ICLR, arXiv:1312.6114); a PSF between the decoder and a likelihood that knows each pixel's
noise is the idea of Lanusse et al. (2021, MNRAS 504, 5543). What the decoder gives is the galaxy itself, before PSF and
noise, in units of its half-light radius and its flux: magnitude and size are not learned but given, so that a galaxy
that is asked for has them (:mod:`skymill.models.canvas`).
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from skymill.config.generator import CanvasNetworkConfig
from skymill.models.canvas import Canvas, elongation
from skymill.models.compress import asinh
from skymill.models.mixture import Mixture
from skymill.registry import Registry

GENERATORS: Registry[type[GalaxyNetwork]] = Registry("generator")
"""Networks that draw galaxies, by kind; each is called with its options and the side of its stamps."""

SOFTENINGS = (1.0, 10.0, 100.0)
MARGIN_PX = 8
"""Width of the frame around a stamp whose light the PSF may bring into it."""
CONDITIONS = 5
"""ln flux, ln half-light radius, offsets in x and y, ln noise."""


class Seen(NamedTuple):
    """Stamps as an encoder sees them, fluxes in units of the survey's background rms.

    Parameters
    ----------
    image : Tensor (b, 1, y, x)
        Noisy stamps, the galaxy's centre at pixel ``side // 2`` plus its offset.
    noise : Tensor (b,)
        Noise of blank sky.
    flux, re_px : Tensor (b,)
        Flux and half-light radius before the PSF, px.
    offset : Tensor (b, 2)
        dx, dy of the centre, px.
    """

    image: Tensor
    noise: Tensor
    flux: Tensor
    re_px: Tensor
    offset: Tensor

    def condition(self) -> Tensor:
        """Return what is given beside the pixels (b, 5), of order one."""
        logs = [torch.log(self.flux) / 3 - 2, torch.log(self.re_px) - 1, self.offset[:, 0], self.offset[:, 1]]
        return torch.stack([*logs, torch.log(self.noise)], dim=1)


class Guess(NamedTuple):
    """What an encoder takes from the pixels alone: ln flux, ln half-light radius (b,) and offsets (b, 2)."""

    log_flux: Tensor
    log_re_px: Tensor
    offset: Tensor


class VaeOutputs(NamedTuple):
    """What the network makes of noisy stamps.

    Parameters
    ----------
    mean, log_variance : Tensor (b, latent)
        The latent distribution.
    guess : Guess
        From the pixels alone.
    model : Tensor (b, 1, y, x)
        Noise-free stamps of one draw from that distribution.
    """

    mean: Tensor
    log_variance: Tensor
    guess: Guess
    model: Tensor


class Look(nn.Module):
    """Stamps → features."""

    def __init__(self, config: CanvasNetworkConfig, stamp_px: int) -> None:
        super().__init__()
        steps = list(pairwise((len(SOFTENINGS), *config.widths)))
        self.convolutions = nn.ModuleList(nn.Conv2d(*step, 3, stride=2, padding=1) for step in steps)
        self.dense = nn.Linear(config.widths[-1] * (stamp_px // 2 ** len(steps)) ** 2, config.dense)

    def forward(self, image: Tensor, noise: Tensor) -> Tensor:
        """Return features (b, dense) of stamps (b, 1, y, x) of some noise (b,)."""
        image = image / noise[:, None, None, None]
        seen = torch.cat([asinh(image / softening) for softening in SOFTENINGS], dim=1)
        for convolution in self.convolutions:
            seen = functional.silu(convolution(seen))
        return functional.silu(self.dense(seen.flatten(1)))


class Guesser(nn.Module):
    """Stamps → flux, size and place, from the pixels alone."""

    def __init__(self, config: CanvasNetworkConfig, stamp_px: int) -> None:
        super().__init__()
        self.look = Look(config, stamp_px)
        self.join, self.head = nn.Linear(config.dense + 1, config.dense), nn.Linear(config.dense, 4)

    def forward(self, image: Tensor, noise: Tensor) -> Guess:
        """Return what the pixels say."""
        features = torch.cat([self.look(image, noise), torch.log(noise)[:, None]], dim=1)
        given = self.head(functional.silu(self.join(features)))
        return Guess(6 + 3 * given[:, 0], 1 + given[:, 1], given[:, 2:])


class Encoder(nn.Module):
    """Stamps, with flux, size and place → the distribution of latent numbers."""

    def __init__(self, config: CanvasNetworkConfig, stamp_px: int) -> None:
        super().__init__()
        self.look = Look(config, stamp_px)
        self.join = nn.Linear(config.dense + CONDITIONS, config.dense)
        self.head = nn.Linear(config.dense, 2 * config.latent)

    def forward(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of the latent numbers, (b, latent) each."""
        features = torch.cat([self.look(seen.image, seen.noise), seen.condition()], dim=1)
        mean, log_variance = self.head(functional.silu(self.join(features))).chunk(2, dim=1)
        return mean, log_variance.clamp(-10, 4)


class Decoder(nn.Module):
    """Latent numbers → log of the surface brightness on a canvas, of flux 1 and in half-light radii."""

    def __init__(self, config: CanvasNetworkConfig) -> None:
        super().__init__()
        first, *others = config.canvas_widths
        self.canvas = Canvas(config.canvas_px, config.extent_re)
        self.shape = (first, config.canvas_px // 8, config.canvas_px // 8)
        self.start = nn.Linear(config.latent, first * self.shape[1] ** 2)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(coarse, fine, 3, padding=1) for coarse, fine in pairwise((first, *others))
        )
        self.head = nn.Conv2d(others[-1], 1, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, latent: Tensor) -> Tensor:
        """Return canvases (b, c, c) of flux 1; an untrained network gives a Sersic profile of index 2."""
        features = functional.silu(self.start(latent)).unflatten(1, self.shape)
        for convolution in self.convolutions:
            features = functional.interpolate(
                features, scale_factor=2.0, mode="bilinear", align_corners=False
            )
            features = functional.silu(convolution(features))
        return self.canvas.normalised(self.profile(latent) + self.detail(self.head(features), latent))

    def detail(self, image: Tensor, latent: Tensor) -> Tensor:
        """Return what is added to the log light of a profile, (b, c, c), made of the head's image (b, 1, c, c)."""
        return image[:, 0]

    def profile(self, latent: Tensor) -> Tensor:
        """Return the log light that learning starts from, (c, c), or one for each galaxy, (b, c, c)."""
        return self.canvas.baseline


class GalaxyNetwork(nn.Module):
    """Guesser, encoder, decoder, PSF and a mixture of looks: what draws galaxies and tells those that it cannot draw.

    Parameters
    ----------
    config : CanvasNetworkConfig
        Sizes of the layers.
    stamp_px : int
        Side of the stamps that the encoder sees.
    """

    decoder_kind: type[Decoder] = Decoder
    is_exact = False
    """Whether canvases are always scaled to a half-light radius of exactly 1, in training as well."""

    def __init__(self, config: CanvasNetworkConfig, stamp_px: int) -> None:
        super().__init__()
        self.config, self.stamp_px = config, stamp_px
        self.guesser, self.encoder = Guesser(config, stamp_px), Encoder(config, stamp_px)
        self.decoder = self.decoder_kind(config)
        self.mixture = Mixture(config.components, config.latent + 2)
        psf = torch.zeros((self.fine_px(stamp_px),) * 2)
        psf[psf.shape[0] // 2, psf.shape[1] // 2] = 1.0
        self.register_buffer("psf", psf)

    def forward(self, seen: Seen, draw: Tensor) -> VaeOutputs:
        """Encode stamps, draw latent numbers with standard normal ones (b, latent), and decode them."""
        mean, log_variance = self.encoder(seen)
        look = self.look(mean + draw * torch.exp(0.5 * log_variance), seen.flux, seen.re_px)
        model = self.decode(look, seen.flux, seen.re_px, seen.offset, seen.image.shape[-1])
        return VaeOutputs(mean, log_variance, self.guesser(seen.image, seen.noise), model)

    def look(self, latent: Tensor, flux: Tensor, re_px: Tensor) -> Tensor:
        """Turn the encoder's latent numbers (b, latent) of galaxies into what the decoder takes: here the same."""
        return latent

    def recognised(self, seen: Seen) -> Tensor:
        """Return what the decoder would draw these stamps from, (b, latent)."""
        return self.look(self.encoder(seen)[0], seen.flux, seen.re_px)

    def draw(self, mag: float, re_px: float, generator: np.random.Generator) -> NDArray[np.float64]:
        """Draw what the decoder takes for a new galaxy of some magnitude and half-light radius, (latent,).

        From the mixture, which knows what the galaxies that it was fitted to look like to the encoder.
        """
        return self.mixture.draw(np.array([mag, np.log(re_px)]), generator)

    def fine_px(self, stamp_px: int) -> int:
        """Return the side of the fine grid that light is laid on for stamps of some side."""
        return self.config.supersampling * (stamp_px + 2 * MARGIN_PX)

    def decode(
        self, look: Tensor, flux: Tensor, re_px: Tensor, offset: Tensor, size: int, *, is_exact: bool = False
    ) -> Tensor:
        """Return noise-free stamps (b, 1, size, size) of galaxies, with the PSF.

        Parameters
        ----------
        look : Tensor (b, latent)
            What they look like.
        flux, re_px, offset : Tensor (b,), (b,), (b, 2)
            As of :class:`Seen`; images are in the flux's unit.
        size : int
            Side of the stamps, even.
        is_exact : bool
            Whether half-light radii before the PSF shall be exactly `re_px`, whatever those of the canvases are.
        """
        return self.paint(self.decoder(look).float(), look, flux, re_px, offset, size, is_exact=is_exact)

    def paint(
        self,
        canvas: Tensor,
        look: Tensor,
        flux: Tensor,
        re_px: Tensor,
        offset: Tensor,
        size: int,
        *,
        is_exact: bool = False,
    ) -> Tensor:
        """Lay canvases (b, c, c) on the sky; the rest is as for :meth:`decode`."""
        # Places of half precision would be off by a tenth of a pixel.
        with torch.autocast(canvas.device.type, enabled=False):
            if is_exact or self.is_exact:
                re_px = re_px / self.decoder.canvas.half_light_radius(canvas)
            light = self.light(canvas, elongation(look[:, :2].float()), flux, re_px, size)
            return self.seen_through_psf(light, offset, size)[:, None]

    def light(self, canvas: Tensor, shape: Tensor, flux: Tensor, re_px: Tensor, size: int) -> Tensor:
        """Return galaxies before the PSF on the fine grid (b, n, n), centred on its point n // 2; flux per point.

        The part of the flux within the grid is that of the canvas; the points' sum is scaled to it, so that a galaxy
        smaller than the points has its flux as well.
        """
        n, half_px = self.fine_px(size), size / 2 + MARGIN_PX
        axis = (torch.arange(n, device=canvas.device) - n // 2) / self.config.supersampling
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        place = torch.stack([x, y], dim=-1).flatten(0, 1)  # (n n, 2) px
        inverse = torch.linalg.inv(shape) / re_px[:, None, None]
        on_canvas = (place @ inverse.mT).unflatten(1, (n, n))
        points = self.decoder.canvas.sample(canvas, on_canvas)
        inside = self._inside(canvas, shape * re_px[:, None, None], half_px)
        total = points.sum(dim=(1, 2)).clamp(min=1e-20)
        return points * (flux * inside / total)[:, None, None]

    def _inside(self, canvas: Tensor, shape: Tensor, half_px: float) -> Tensor:
        """Return the part of the canvases' light that lies within a square of that half side, (b,)."""
        geometry = self.decoder.canvas
        place = geometry.place.flatten(0, 1) @ shape.mT  # (b, c c, 2) px
        within = (half_px + 0.5 - place.abs()).clamp(0, 1).prod(dim=-1)
        return (torch.exp(canvas.flatten(1)) * geometry.area.flatten() * within).sum(dim=1)

    def seen_through_psf(self, light: Tensor, offset: Tensor, size: int) -> Tensor:
        """Convolve with the PSF, move by offsets (b, 2) px, and take the values at the pixels' centres."""
        n, fine = light.shape[-1], self.config.supersampling
        psf = torch.fft.rfft2(torch.fft.ifftshift(fitted(self.psf, n)))
        ky = torch.fft.fftfreq(n, d=1 / fine, device=light.device)  # cycles per px
        kx = torch.fft.rfftfreq(n, d=1 / fine, device=light.device)
        turn = -2 * torch.pi * (offset[:, :1, None] * kx + offset[:, 1:, None] * ky[:, None])
        seen = torch.fft.irfft2(
            torch.fft.rfft2(light) * (psf * torch.polar(torch.ones_like(turn), turn)), s=(n, n)
        )
        pixels = slice(fine * MARGIN_PX, fine * (MARGIN_PX + size), fine)
        return fine**2 * seen[:, pixels, pixels]


@GENERATORS.register("vae")
class Vae(GalaxyNetwork):
    """A variational autoencoder: what :class:`GalaxyNetwork` says, all of it trained together."""


def fitted(image: Tensor, side: int) -> Tensor:
    """Cut an image to some side, or surround it with zeros; its middle (pixel side // 2) stays the middle."""
    before = side // 2 - image.shape[-1] // 2
    after = side - image.shape[-1] - before
    return functional.pad(image, (before, after, before, after))
