"""Stamps of Gaussian galaxies in units of the background rms, and tasks for them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from skymill.config.train import TaskConfig
from skymill.tasks.batch import Batch
from skymill.tasks.build import build_task
from skymill.tasks.registry import Task

SIZE, PSF_FWHM_PX = 32, 3.0


@pytest.fixture(scope="session")
def make_task() -> Callable[..., Task]:
    """Make a task for a PSF of 3 px; keywords are its options."""

    def make(kind: str = "flux", **options) -> Task:
        config = TypeAdapter(TaskConfig).validate_python({"kind": kind, **options})
        return build_task(config, PSF_FWHM_PX)

    return make


@pytest.fixture(scope="session")
def galaxies() -> Callable[..., torch.Tensor]:
    """Draw round Gaussians of total `flux` (b,) at (x, y) from pixel 16: (b, 1, 32, 32), noise-free."""

    def draw(flux: torch.Tensor, sigma: float = 1.5, x: float = 0.0, y: float = 0.0) -> torch.Tensor:
        offset = torch.arange(SIZE) - SIZE // 2
        squared = (offset[:, None] - y) ** 2 + (offset[None, :] - x) ** 2
        profile = torch.exp(-squared / (2 * sigma**2)) / (2 * np.pi * sigma**2)
        return flux[:, None, None, None] * profile

    return draw


@pytest.fixture(scope="session")
def make_batch() -> Callable[..., Batch]:
    """Make a batch of stamps and true fluxes; light is the image's own unless it is given, the threshold 1 rms."""

    def make(
        image: torch.Tensor,
        flux: torch.Tensor,
        central: torch.Tensor | None = None,
        neighbours: torch.Tensor | None = None,
    ) -> Batch:
        central = image if central is None else central
        neighbours = torch.zeros_like(image) if neighbours is None else neighbours
        condition = torch.zeros(len(image), 2)
        return Batch(image, flux, condition, central, neighbours, torch.ones(len(image)))

    return make
