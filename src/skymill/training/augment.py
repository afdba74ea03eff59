"""Augmentation on the device: windows of blends → batches of the network's input size.

Quarter turns, mirroring and whole-pixel shifts move pixels and leave the noise as it is. Zoom and arbitrary rotation
interpolate, which would smooth the noise; so they act on the noise-free galaxies only and the noise stays where it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

import torch
from kornia.geometry.transform import get_rotation_matrix2d, warp_affine
from torch import Tensor

from skymill.config.train import AugmentConfig
from skymill.rng import rng
from skymill.tasks.batch import Batch

BICUBIC_REACH_PX = 2


def window_px(input_px: int, config: AugmentConfig) -> int:
    """Return the side of the windows (odd) that `config` needs for inputs of `input_px`."""
    half = input_px // 2 + config.shift_px
    if config.resamples:
        half = ceil(half * (sqrt(2) if config.rotate else 1.0) / min(config.zoom[0], 1.0)) + BICUBIC_REACH_PX
    return 2 * half + 1


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
    """

    turns: Tensor
    flip: Tensor
    shift: Tensor
    zoom: Tensor
    angle: Tensor
    noise: Tensor


def draw(config: AugmentConfig, n: int, seed: int, epoch: int, batch: int) -> Draws:
    """Draw what is done to the `n` stamps of a batch; the same seed, epoch and batch give the same."""
    generator = rng(seed, "train", "augment", epoch, batch)
    turns = generator.integers(4, size=n) * config.quarter_turns
    flip = generator.integers(2, size=n).astype(bool) & config.flip
    shift = generator.integers(-config.shift_px, config.shift_px + 1, size=(n, 2))
    zoom, angle = generator.uniform(*config.zoom, size=n), generator.uniform(0, 360, size=n) * config.rotate
    noise = generator.uniform(*config.added_noise_rms, size=n)
    reals = (torch.from_numpy(values).float() for values in (zoom, angle, noise))
    return Draws(torch.from_numpy(turns), torch.from_numpy(flip), torch.from_numpy(shift), *reals)


def place(windows: Tensor, draws: Draws, input_px: int) -> Tensor:
    """Turn, mirror and shift windows (b, c, w, w) about their middle pixel: (b, c, input_px, input_px), exactly."""
    middle, device = windows.shape[-1] // 2, windows.device
    offset = torch.arange(input_px, device=device) - input_px // 2
    v = offset[None, :, None] - draws.shift[:, 0].to(device)[:, None, None]  # (b, y, 1)
    u = offset[None, None, :] - draws.shift[:, 1].to(device)[:, None, None]  # (b, 1, x)
    u = torch.where(draws.flip.to(device)[:, None, None], -u, u)
    cosine = torch.tensor([1, 0, -1, 0], device=device)[draws.turns.to(device)][:, None, None]
    sine = torch.tensor([0, 1, 0, -1], device=device)[draws.turns.to(device)][:, None, None]
    rows = middle + cosine * v - sine * u  # (b, y, x)
    columns = middle + cosine * u + sine * v  # (b, y, x)
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
    """

    def __init__(self, config: AugmentConfig, input_px: int, seed: int) -> None:
        self.config, self.input_px, self.seed = config, input_px, seed

    def __call__(self, windows: dict[str, Tensor], epoch: int, batch: int) -> Batch:
        """Augment the windows that :class:`~skymill.training.blends.BlendData` gives."""
        draws = draw(self.config, len(windows["flux"]), self.seed, epoch, batch)
        image, flux, masks = windows["image"], windows["flux"], unpack_masks(windows)
        if self.config.resamples:
            image = image - windows["galaxies"] + stretch(windows["galaxies"], draws)
            flux = flux * draws.zoom.to(flux.device)[:, None] ** 2
            masks = None if masks is None else (warp(masks, draws) > 0.5).float()
        image = place(image, draws, self.input_px)
        masks = None if masks is None else place(masks, draws, self.input_px)
        return self._add_noise(Batch(image, flux, masks), draws, epoch, batch)

    def _add_noise(self, batch: Batch, draws: Draws, epoch: int, number: int) -> Batch:
        """Add noise and give the result in units of the noise it then has, as on a shallower tile."""
        if self.config.added_noise_rms[1] == 0:
            return batch
        device = batch.image.device
        generator = torch.Generator(device)
        generator.manual_seed(int(rng(self.seed, "train", "noise", epoch, number).integers(2**62)))
        noise = torch.randn(batch.image.shape, generator=generator, device=device)
        added = draws.noise.to(device)[:, None, None, None]  # (b, 1, 1, 1)
        unit = torch.sqrt(1 + added**2)
        return Batch((batch.image + added * noise) / unit, batch.flux / unit[:, :, 0, 0], batch.masks)


def unpack_masks(windows: dict[str, Tensor]) -> Tensor | None:
    """Turn mask bits (b, 1, w, w) uint8 into masks (b, 2, w, w) float32: central, neighbour; None without masks."""
    if "masks" not in windows:
        return None
    bits = windows["masks"][:, 0]  # (b, w, w)
    return torch.stack([bits & 1, (bits & 2) >> 1], dim=1).float()


def as_they_are(windows: dict[str, Tensor], input_px: int) -> Batch:
    """Return the centre of windows without augmentation, for validation."""
    middle = windows["image"].shape[-1] // 2
    cut = slice(middle - input_px // 2, middle - input_px // 2 + input_px)
    masks = unpack_masks(windows)
    return Batch(
        windows["image"][..., cut, cut], windows["flux"], None if masks is None else masks[..., cut, cut]
    )
