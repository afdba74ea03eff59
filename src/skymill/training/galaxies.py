"""Isolated galaxies to learn from: stamps without noise, and noise that is drawn on the device."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from skymill.catalog.catalogue import Catalogue
from skymill.catalog.flags import Flag
from skymill.config.generator import NoiseRangeConfig
from skymill.config.train import AugmentConfig
from skymill.data.stamps import StampSet
from skymill.data.survey import Survey, njy_to_image_flux
from skymill.errors import DataError
from skymill.models.vae import Seen
from skymill.rng import rng

AT_ONCE = 256


class GalaxyBatch(NamedTuple):
    """Noisy stamps with what is true of them.

    Parameters
    ----------
    seen : Seen
        What the encoder is given.
    light : Tensor (b, 1, y, x)
        The stamps without noise, background rms.
    variance : Tensor (b, 1, y, x)
        Variance that a model of the image is judged by: background, photons, and the relative error.
    draw : Tensor (b, latent)
        Standard normal numbers for the latent distribution.
    """

    seen: Seen
    light: Tensor
    variance: Tensor
    draw: Tensor

    @property
    def image(self) -> Tensor:
        """The noisy stamps, as the training loop counts them."""
        return self.seen.image


class GalaxyData(Dataset):
    """Galaxies of one side of the split, kept in memory; points and galaxies that could not be drawn are left out.

    Parameters
    ----------
    stamps, truth : str or Path
        A population, as the stage simulate makes it.
    side : str
        ``train``, ``validation`` or ``test``.
    survey : Survey
        Gives background rms, pixel scale and zero-point.
    stamp_px : int
        Side of the stamps that are trained on; one pixel more is kept, so that they can be turned.
    half : (int, int), optional
        Which half of the galaxies, 1 or 2, and the run's seed, by which they are divided at random; both have the same
        number. All of them by default.

    Raises
    ------
    DataError
        If the stamps are smaller than that, or the side has no galaxy.
    """

    def __init__(
        self,
        stamps: str | Path,
        truth: str | Path,
        side: str,
        survey: Survey,
        stamp_px: int,
        half: tuple[int, int] | None = None,
    ) -> None:
        known = Catalogue.read(truth, "galaxies")
        is_drawn = (known["flags"] & Flag.FAILED) == 0
        rows = np.flatnonzero((known["side"] == side) & (known["kind"] != "point") & is_drawn)
        if half is not None:
            rows = rows[in_half(len(rows), *half)]
        if not len(rows):
            raise DataError(truth, expected=f"galaxies of the side {side}", found="none")
        self.galaxy_id = known["galaxy_id"][rows]
        self.image = torch.from_numpy(
            read_middles(stamps, rows, stamp_px + 1) / np.float32(survey.background_rms)
        )
        flux = njy_to_image_flux(known["flux"][rows], survey.zero_point_mag) / survey.background_rms
        columns = {"flux": flux, "re_px": known["re"][rows] / survey.pixel_scale_arcsec}
        columns |= {name: known[name][rows] for name in ("dx", "dy", "mag")}
        self.columns = {
            name: torch.from_numpy(np.array(one, dtype=np.float32)) for name, one in columns.items()
        }

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, index: NDArray[np.int64]) -> dict[str, Tensor]:
        """Return images (b, 1, s + 1, s + 1), background rms, and what is known of them (b,)."""
        rows = torch.from_numpy(np.asarray(index))
        return {"image": self.image[rows], **{name: values[rows] for name, values in self.columns.items()}}


def in_half(count: int, half: int, seed: int) -> NDArray[np.int64]:
    """Return which of `count` galaxies are in the first or second half, in their order; an odd one is in neither."""
    order, size = rng(seed, "generator", "halves").permutation(count), count // 2
    return np.sort(order[(half - 1) * size : half * size])


def read_middles(
    stamps: str | Path, rows: NDArray[np.int64], size: int, layer: str = "image"
) -> NDArray[np.float32]:
    """Read the middles of stamps (n, 1, size, size); the pixel ``side // 2`` stays the middle.

    Raises
    ------
    DataError
        If the stamps are smaller.
    """
    with StampSet.open(stamps) as source:
        side = source.shape(layer)[-1]
        first = side // 2 - size // 2
        if first < 0 or first + size > side:
            raise DataError(stamps, expected=f"stamps of at least {size + 1} px", found=f"{side} px")
        box = slice(first, first + size)
        parts = [
            source.read(layer, rows[start : start + AT_ONCE])[:, :, box, box]
            for start in range(0, len(rows), AT_ONCE)
        ]
    return np.concatenate(parts)


class GalaxyAugment:
    """Turn and mirror stamps, draw how deep they are exposed, and add the noise.

    Parameters
    ----------
    config : AugmentConfig
        Whether to turn and to mirror.
    noise : NoiseRangeConfig
        Depths, and the relative error.
    survey : Survey
        Gives the photons' noise.
    latent : int
        Latent dimensions, for which normal numbers are drawn as well.
    seed : int
        The run's seed.
    """

    def __init__(
        self, config: AugmentConfig, noise: NoiseRangeConfig, survey: Survey, latent: int, seed: int
    ) -> None:
        self.config, self.noise, self.latent, self.seed = config, noise, latent, seed
        self.electrons = survey.gain_e_per_unit * survey.background_rms

    def __call__(self, windows: dict[str, Tensor], epoch: int, batch: int) -> GalaxyBatch:
        """Augment what :class:`GalaxyData` gives; the same epoch and batch give the same."""
        generator = rng(self.seed, "generator", "augment", epoch, batch)
        n = len(windows["image"])
        turns = generator.integers(4, size=n) * self.config.quarter_turns
        flips = generator.integers(2, size=n) * self.config.flip
        return self._noisy(turned(windows, turns, flips), generator)

    def as_they_are(self, windows: dict[str, Tensor], batch: int) -> GalaxyBatch:
        """Return stamps in their own position, for validation; always with the same noise."""
        return self._noisy(windows, rng(self.seed, "generator", "validation", batch))

    def _noisy(self, windows: dict[str, Tensor], generator: np.random.Generator) -> GalaxyBatch:
        light = windows["image"][..., :-1, :-1]
        low, high = np.log(self.noise.depth)
        depth = np.exp(low + generator.random(len(light)) * (high - low))
        return self.observed(windows, light, depth, generator)

    def observed(
        self, windows: dict[str, Tensor], light: Tensor, depth: NDArray, generator: np.random.Generator
    ) -> GalaxyBatch:
        """Add noise to light (b, 1, y, x), `depth` (b,) times that of the survey."""
        device = light.device
        noise = torch.from_numpy(depth.astype(np.float32)).to(device)
        normal = torch.from_numpy(generator.standard_normal(light.shape, dtype=np.float32)).to(device)
        draw = torch.from_numpy(generator.standard_normal((len(light), self.latent), dtype=np.float32)).to(
            device
        )
        positive = light.clamp(min=0)
        photons = (1 + positive / self.electrons) * noise[:, None, None, None] ** 2
        offset = torch.stack([windows["dx"], windows["dy"]], dim=1)
        seen = Seen(light + normal * photons.sqrt(), noise, windows["flux"], windows["re_px"], offset)
        return GalaxyBatch(seen, light, photons + (self.noise.relative_error * positive) ** 2, draw)


def turned(windows: dict[str, Tensor], turns: NDArray, flips: NDArray) -> dict[str, Tensor]:
    """Turn images of odd side by quarter turns from +x towards +y about their middle, then mirror them in x."""
    image, dx, dy = windows["image"].clone(), windows["dx"].clone(), windows["dy"].clone()
    for number, (turn, flip) in enumerate(zip(turns.tolist(), flips.tolist(), strict=True)):
        image[number] = torch.rot90(image[number], -turn, dims=(-2, -1))
        for _ in range(turn):
            dx[number], dy[number] = -dy[number].clone(), dx[number].clone()
        if flip:
            image[number], dx[number] = image[number].flip(-1), -dx[number]
    return {**windows, "image": image, "dx": dx, "dy": dy}
