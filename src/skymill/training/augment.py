"""Augmentation and noise on the device: windows of blends → batches of the network's input size.

All that moves or blurs light comes first, the noise last: it is never interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, log, sqrt

import numpy as np
import torch
from kornia.filters import gaussian_blur2d
from kornia.geometry.transform import get_rotation_matrix2d, warp_affine
from torch import Tensor

from skymill.config.train import AugmentConfig
from skymill.rng import rng
from skymill.tasks.batch import Batch
from skymill.training.noise import BatchNoise
from skymill.training.peak import peak_offset
from skymill.training.share import Part, Stream

BICUBIC_REACH_PX = 2
SIGMA_TO_FWHM = 2 * sqrt(2 * log(2))
BLUR_REACH_SIGMA = 4
LEAST_SIGMA_PX = 1e-3
"""A Gaussian so narrow is a single pixel; a width of 0 would divide by it."""


def window_px(input_px: int, config: AugmentConfig, psf_fwhm_px: float) -> int:
    """Return the side of the windows (odd) that `config` needs for inputs of `input_px` and a PSF of that width."""
    half = input_px // 2 + config.shift_px + _reach_px(psf_fwhm_px, config.psf_fwhm_ratio[1])
    half += peak_reach_px(config, psf_fwhm_px)
    if config.resamples:
        half = ceil(half * (sqrt(2) if config.rotate else 1.0) / min(config.zoom[0], 1.0)) + BICUBIC_REACH_PX
    return 2 * half + 1


def validation_window_px(input_px: int, config: AugmentConfig, psf_fwhm_px: float) -> int:
    """Return the side of the windows (odd) that validation needs."""
    return input_px + 1 + 2 * peak_reach_px(config, psf_fwhm_px)


def peak_reach_px(config: AugmentConfig, psf_fwhm_px: float) -> int:
    """Return how far from a galaxy's centre the peak may be on which it is seen."""
    return round(config.peak_reach_fwhm * psf_fwhm_px)


def _reach_px(psf_fwhm_px: float, ratio: float) -> int:
    """Return how far light is spread by the Gaussian that makes a PSF `ratio` times as wide."""
    return ceil(BLUR_REACH_SIGMA * psf_fwhm_px / SIGMA_TO_FWHM * sqrt(ratio**2 - 1))


@dataclass(frozen=True)
class Draws:
    """What is done to each of b stamps.

    Parameters
    ----------
    turns : Tensor (b,), int64
        Quarter turns, counter-clockwise.
    flip : Tensor (b,), bool
        Mirror in x, after the turn.
    shift : Tensor (b, 2), int64
        Shift of the galaxy in y and x, pixels.
    zoom, angle : Tensor (b,)
        Magnification and rotation in degrees, counter-clockwise on arrays drawn with y upwards.
    noise : Tensor (b,)
        Standard deviation of the noise to add, background rms.
    psf : Tensor (b,)
        Width of the PSF over the survey's.
    widest : float
        The largest of these in the whole batch.
    offset : Tensor (b, 2), int64
        y and x, from the window's middle pixel, of the place that counts as the galaxy's: :mod:`skymill.training.peak`.
    """

    turns: Tensor
    flip: Tensor
    shift: Tensor
    zoom: Tensor
    angle: Tensor
    noise: Tensor
    psf: Tensor
    widest: float
    offset: Tensor

    def of(self, part: Part) -> Draws:
        """Return the draws of a part of the batch."""
        kept = {name: values[part.rows] for name, values in vars(self).items() if name != "widest"}
        return Draws(**kept, widest=self.widest)


def draw(config: AugmentConfig, n: int, seed: int, epoch: int, batch: int) -> Draws:
    """Draw what is done to the `n` stamps of a batch; the same seed, epoch and batch give the same."""
    generator = rng(seed, "train", "augment", epoch, batch)
    turns = generator.integers(4, size=n) * config.quarter_turns
    flip = generator.integers(2, size=n).astype(bool) & config.flip
    shift = generator.integers(-config.shift_px, config.shift_px + 1, size=(n, 2))
    zoom, angle = generator.uniform(*config.zoom, size=n), generator.uniform(0, 360, size=n) * config.rotate
    noise = generator.uniform(*config.added_noise_rms, size=n)
    psf = generator.uniform(*config.psf_fwhm_ratio, size=n)
    reals = (torch.from_numpy(values).float() for values in (zoom, angle, noise, psf))
    whole = (torch.from_numpy(values) for values in (turns, flip, shift))
    nowhere = torch.zeros((n, 2), dtype=torch.int64)
    return Draws(*whole, *reals, widest=float(np.float32(psf.max())), offset=nowhere)


def unchanged(n: int) -> Draws:
    """Return what leaves `n` stamps as they are."""
    none, nothing = torch.zeros(n, dtype=torch.int64), torch.zeros(n)
    shift = torch.zeros((n, 2), dtype=torch.int64)
    return Draws(none, none.bool(), shift, nothing + 1, nothing, nothing, nothing + 1, 1.0, shift)


def place(windows: Tensor, draws: Draws, input_px: int) -> Tensor:
    """Turn, mirror and shift windows (b, c, w, w) about the galaxy's place: (b, c, input_px, input_px), exactly."""
    device = windows.device
    middle = (windows.shape[-1] // 2 + draws.offset.to(device)).T[..., None, None]  # (2, b, 1, 1)
    offset = torch.arange(input_px, device=device) - input_px // 2
    v = offset[None, :, None] - draws.shift[:, 0].to(device)[:, None, None]  # (b, y, 1)
    u = offset[None, None, :] - draws.shift[:, 1].to(device)[:, None, None]  # (b, 1, x)
    u = torch.where(draws.flip.to(device)[:, None, None], -u, u)
    cosine = torch.tensor([1, 0, -1, 0], device=device)[draws.turns.to(device)][:, None, None]
    sine = torch.tensor([0, 1, 0, -1], device=device)[draws.turns.to(device)][:, None, None]
    rows = middle[0] + cosine * v - sine * u  # (b, y, x)
    columns = middle[1] + cosine * u + sine * v  # (b, y, x)
    stamps = torch.arange(len(windows), device=device)[:, None, None]
    return windows[stamps, :, rows, columns].movedim(-1, 1).contiguous()


def warp(windows: Tensor, draws: Draws) -> Tensor:
    """Zoom and rotate windows (b, c, w, w) about their middle pixel by bicubic interpolation."""
    middle = torch.full((len(windows), 2), float(windows.shape[-1] // 2), device=windows.device)
    zoom = draws.zoom.to(windows.device)[:, None].expand(-1, 2)
    # kornia turns counter-clockwise with y downwards.
    matrix = get_rotation_matrix2d(middle, -draws.angle.to(windows.device), zoom)  # (b, 2, 3)
    return warp_affine(
        windows, matrix, windows.shape[-2:], mode="bicubic", padding_mode="zeros", align_corners=True
    )


def stretch(galaxies: Tensor, draws: Draws) -> Tensor:
    """Zoom and rotate galaxies (b, c, w, w) at constant surface brightness: the flux grows by the zoom squared.

    Interpolation alone does not keep the flux: a pixel counts more or less by how the new grid falls on it, which
    costs or adds 4 % for point sources zoomed about a pixel's centre. So each pixel is divided by its weight first.
    """
    with torch.enable_grad():
        ones = torch.ones_like(galaxies[:, :1]).requires_grad_()
        (weight,) = torch.autograd.grad(warp(ones, draws).sum(), ones)  # (b, 1, w, w)
    area = draws.zoom.to(galaxies.device)[:, None, None, None] ** 2
    # Pixels that leave the window have little weight or none; they are of no use in it.
    return warp(galaxies * area / weight.clamp(min=0.5 * area), draws)


def blur(light: Tensor, draws: Draws, psf_fwhm_px: float) -> Tensor:
    """Widen the PSF of light (b, c, w, w) to its width over the survey's by a Gaussian; widths add in quadrature."""
    unit = psf_fwhm_px / SIGMA_TO_FWHM
    sigma = unit * torch.sqrt(draws.psf.to(light.device) ** 2 - 1).clamp(min=LEAST_SIGMA_PX)
    half = ceil(BLUR_REACH_SIGMA * unit * max(sqrt(draws.widest**2 - 1), LEAST_SIGMA_PX))
    # Truncated at the same distance for all: where the kernel is a spike, its tail is nothing.
    return gaussian_blur2d(light, 2 * half + 1, torch.stack([sigma, sigma], dim=1), border_type="constant")


def planes(image: Tensor, stream: Stream) -> Tensor:
    """Return a plane for each image (b, c, y, x): constant, and rise over half of each side, are standard normal."""
    level, rise_y, rise_x = stream.normal((3, len(image), 1, 1, 1), axis=1)
    y, x = (torch.linspace(-1, 1, size, device=image.device) for size in image.shape[-2:])
    return level + rise_y * y[:, None] + rise_x * x


class Augment:
    """Make batches of windows.

    Parameters
    ----------
    config : AugmentConfig
        What is done.
    input_px : int
        Side of the stamps to give.
    seed : int
        The run's seed.
    noise : callable
        Adds noise to light (:mod:`skymill.training.noise`).
    psf_fwhm_px : float
        Width of the survey's PSF.
    mask_threshold_rms : float
        Light above this belongs to a galaxy's mask.
    """

    def __init__(
        self,
        config: AugmentConfig,
        input_px: int,
        seed: int,
        noise: BatchNoise,
        psf_fwhm_px: float,
        mask_threshold_rms: float,
    ) -> None:
        self.config, self.input_px, self.seed, self.noise = config, input_px, seed, noise
        self.psf_fwhm_px, self.mask_threshold_rms = psf_fwhm_px, mask_threshold_rms

    def __call__(self, windows: dict[str, Tensor], epoch: int, batch: int, part: Part | None = None) -> Batch:
        """Augment the windows that :class:`~skymill.training.blends.ComposedBlends` gives, and add noise.

        They may be a part of the batch: each row then gets what it gets in the whole one.
        """
        part = part or Part(0, len(windows["flux"]), len(windows["flux"]))
        draws = draw(self.config, part.of, self.seed, epoch, batch).of(part)
        light = torch.cat([windows["central"], windows["neighbours"]], dim=1)  # (b, 2, w, w)
        flux = windows["flux"]
        if self.config.resamples:
            light = stretch(light, draws)
            flux = flux * draws.zoom.to(flux.device)[:, None] ** 2
        if self.config.psf_fwhm_ratio[1] > 1:
            light = blur(light, draws, self.psf_fwhm_px)
        light = place(light, self._to_peak(light, draws), self.input_px)
        return self._expose(light, flux, draws, part, ("augment", epoch, batch))

    def as_they_are(self, windows: dict[str, Tensor], batch: int, part: Part | None = None) -> Batch:
        """Return the middle of windows with noise and nothing else, for validation: the same in every epoch."""
        light = torch.cat([windows["central"], windows["neighbours"]], dim=1)
        part, draws = part or Part(0, len(light), len(light)), unchanged(len(light))
        light = place(light, self._to_peak(light, draws), self.input_px)
        return self._expose(light, windows["flux"], draws, part, ("validation", batch))

    def _to_peak(self, light: Tensor, draws: Draws) -> Draws:
        """Move galaxies of windows (b, 2, w, w) such that the peaks on which they are seen are where they would be."""
        reach = peak_reach_px(self.config, self.psf_fwhm_px)
        if not reach:
            return draws
        offset = peak_offset(light, self.psf_fwhm_px / SIGMA_TO_FWHM, reach)
        return replace(draws, offset=offset)

    def _expose(
        self, light: Tensor, flux: Tensor, draws: Draws, part: Part, key: tuple[str | int, ...]
    ) -> Batch:
        """Add noise to light (b, 2, y, x) and give all in units of the noise it then has, as on a shallower tile."""
        device = light.device
        generator = torch.Generator(device)
        generator.manual_seed(int(rng(self.seed, "train", "noise", *key).integers(2**62)))
        stream = Stream(generator, part)
        image = self.noise(light.sum(dim=1, keepdim=True), stream)
        if self.config.background_rms > 0:
            image = image + self.config.background_rms * planes(image, stream)
        if self.config.added_noise_rms[1] > 0:
            image = image + draws.noise.to(device)[:, None, None, None] * stream.normal(image.shape)
        unit = torch.sqrt(1 + draws.noise.to(device) ** 2)  # (b,)
        central, neighbours = (light / unit[:, None, None, None]).split(1, dim=1)
        condition = torch.stack([torch.log2(draws.psf.to(device)), torch.log2(unit)], dim=1)
        return Batch(
            image / unit[:, None, None, None],
            flux / unit[:, None],
            condition,
            central,
            neighbours,
            self.mask_threshold_rms / unit,
        )
