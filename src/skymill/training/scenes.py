"""Patches of sky for training: images in units of the background rms, with the objects on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from skymill.catalog.catalogue import Catalogue
from skymill.config.train import AugmentConfig
from skymill.data.stamps import StampSet
from skymill.data.survey import Survey
from skymill.errors import DataError
from skymill.rng import rng
from skymill.tasks.patches import Patches

OBJECT_COLUMNS = ("y", "x", "snr", "brighter_distance", "width")


class SceneData(Dataset):
    """Patches of one side of the split, kept in memory.

    Parameters
    ----------
    stamps, truth : str or Path
        The set and its catalogue (schema ``scenes``).
    survey : Survey
        Gives the background rms.
    crop_px : int or None
        Side of the windows that are cut out in training: an epoch then has as many of them as cover the patches once.
        None: whole patches.

    Raises
    ------
    DataError
        If the truth is of other patches, or a patch is smaller than the windows.
    """

    def __init__(
        self, stamps: str | Path, truth: str | Path, survey: Survey, crop_px: int | None = None
    ) -> None:
        with StampSet.open(stamps) as opened:
            self.n, self.side_px = opened.n, opened.shape("image")[-1]
            self.image = torch.from_numpy(
                opened.read("image", slice(None)) / np.float32(survey.background_rms)
            )
            self.segment = torch.from_numpy(opened.read("segments", slice(None))[:, 0] > 0)
        if (crop_px or 0) > self.side_px:
            raise DataError(
                stamps, expected=f"patches of at least input_px = {crop_px}", found=f"{self.side_px} px"
            )
        self.windows = 1 if crop_px is None else (self.side_px // crop_px) ** 2
        objects = Catalogue.read(truth, "scenes")
        if len(objects) and objects["patch_id"].max() >= self.n:
            raise DataError(
                truth, expected=f"patches 0 to {self.n - 1}", found=str(objects["patch_id"].max())
            )
        objects = objects.select(np.flatnonzero(objects["is_object"]))
        patch = objects["patch_id"]
        values = np.column_stack([objects[name] for name in OBJECT_COLUMNS]).astype(np.float32)
        self.objects = np.split(values, np.searchsorted(patch, np.arange(1, self.n)))

    def __len__(self) -> int:
        return self.n * self.windows

    def __getitem__(self, index: list[int] | NDArray) -> dict[str, Tensor]:
        """Return whole patches and the objects on them.

        Returns
        -------
        dict of Tensor
            image (b, 1, y, x), segment (b, y, x) bool, owner (k,), objects (k, 5): y, x, snr, distance to a brighter
            source, width.
        """
        patch = np.asarray(index) // self.windows
        objects = [self.objects[number] for number in patch]
        rows = torch.from_numpy(patch)
        return {
            "image": self.image[rows],
            "segment": self.segment[rows],
            "owner": torch.from_numpy(np.repeat(np.arange(len(patch)), [len(each) for each in objects])),
            "objects": torch.from_numpy(np.concatenate(objects)),
        }


def whole(patches: dict[str, Tensor]) -> Patches:
    """Give whole patches as a task sees them."""
    return Patches(
        patches["image"], patches["segment"].float(), patches["owner"], *patches["objects"].unbind(dim=1)
    )


class PatchAugment:
    """Cut windows out of patches, turn and mirror them: exact, noise included.

    Parameters
    ----------
    config : AugmentConfig
        Whether to turn and to mirror; the rest of it is for blends.
    input_px : int
        Side of the windows.
    seed : int
        The run's seed.
    """

    def __init__(self, config: AugmentConfig, input_px: int, seed: int) -> None:
        self.config, self.input_px, self.seed = config, input_px, seed

    def __call__(self, patches: dict[str, Tensor], epoch: int, batch: int) -> Patches:
        """Augment the patches that :class:`SceneData` gives; the same epoch and batch give the same."""
        image, size, device = patches["image"], self.input_px, patches["image"].device
        n, room = len(image), image.shape[-1] - size
        generator = rng(self.seed, "finder", "augment", epoch, batch)
        corner = torch.from_numpy(generator.integers(room + 1, size=(n, 2))).to(device)  # y, x
        turns = (generator.integers(4, size=n) * self.config.quarter_turns).tolist()
        flips = (generator.integers(2, size=n).astype(bool) & self.config.flip).tolist()
        images, segments, positions, kept = [], [], [], []
        for number in range(n):
            y0, x0 = corner[number].tolist()
            box = (slice(y0, y0 + size), slice(x0, x0 + size))
            mine = torch.nonzero(patches["owner"] == number)[:, 0]
            place = patches["objects"][mine, :2] - corner[number]
            inside = ((place >= -0.5) & (place < size - 0.5)).all(dim=1)
            images.append(turned(image[number][:, *box], turns[number], flips[number]))
            segments.append(turned(patches["segment"][number][box], turns[number], flips[number]))
            positions.append(turned_positions(place[inside], size, turns[number], flips[number]))
            kept.append(mine[inside])
        rows, (y, x) = torch.cat(kept), torch.cat(positions).unbind(dim=1)
        known = patches["objects"][rows, 2:].unbind(dim=1)
        return Patches(
            torch.stack(images), torch.stack(segments).float(), patches["owner"][rows], y, x, *known
        )

    def as_they_are(self, patches: dict[str, Tensor], batch: int) -> Patches:
        """Return whole patches, for validation."""
        return whole(patches)


def turned(image: Tensor, turns: int, flip: bool) -> Tensor:
    """Turn the last two axes (y, x) by quarter turns from +x towards +y, then mirror them in x."""
    image = torch.rot90(image, -turns, dims=(-2, -1))
    return image.flip(-1) if flip else image


def turned_positions(place: Tensor, size: int, turns: int, flip: bool) -> Tensor:
    """Turn and mirror positions (k, 2), y and x, along with a square image of side `size`."""
    y, x = place.unbind(dim=1)
    for _ in range(turns % 4):
        y, x = x, size - 1 - y
    return torch.stack([y, size - 1 - x if flip else x], dim=1)
