"""Small sets of blends, written as the stage blend writes them, and the recipe of a tiny training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from skymill.catalog.catalogue import Catalogue
from skymill.config.train import ModelConfig
from skymill.data.stamps import link_shards, write_shard
from skymill.data.survey import Survey, image_flux_to_njy
from skymill.provenance.recipe import Recipe

CANVAS_PX, SEPARATION_PX = 32, 6.0


class BlendSet(NamedTuple):
    """Paths of a set and the arrays that were written."""

    stamps: Path
    truth: Path
    layers: dict[str, np.ndarray]
    flux: np.ndarray  # (n, 2) image units


@pytest.fixture(scope="session")
def survey() -> Survey:
    return Survey(
        name="test_r",
        description="A survey for tests.",
        band="r",
        pixel_scale_arcsec=0.4,
        zero_point_mag=25.0,
        gain_e_per_unit=100.0,
        background_rms=2.0,
        psf={"kind": "gaussian", "fwhm_arcsec": 0.8},
        sources={},
    )


def draw_round(x: np.ndarray, y: np.ndarray, flux: np.ndarray) -> np.ndarray:
    """Round Gaussians of 1.5 px: (n, 1, CANVAS_PX, CANVAS_PX)."""
    row, column = np.mgrid[:CANVAS_PX, :CANVAS_PX]
    squared = (row - y[:, None, None]) ** 2 + (column - x[:, None, None]) ** 2
    return (flux[:, None, None] / (2 * np.pi * 2.25) * np.exp(-squared / 4.5))[:, None]


def write_blends(folder: Path, survey: Survey, n: int, seed: int, companions: int = 1) -> BlendSet:
    """Pairs (or single galaxies) of round Gaussians with the central one at pixel 16."""
    random = np.random.default_rng(seed)
    flux = random.uniform(300, 3000, (n, 2))
    angle = random.uniform(0, 2 * np.pi, n)
    x, y = (16 + random.uniform(-0.4, 0.4, n) for _ in range(2))
    x2, y2 = x + SEPARATION_PX * np.cos(angle), y + SEPARATION_PX * np.sin(angle)
    central = draw_round(x, y, flux[:, 0])
    neighbours = draw_round(x2, y2, flux[:, 1]) * companions
    noise = random.normal(0, survey.background_rms, central.shape)
    masks = (central > 2.0) | ((neighbours > 2.0).astype(np.uint8) << 1)
    layers = {"image": central + neighbours + noise, "central": central, "neighbours": neighbours}
    layers = {name: layer.astype(np.float32) for name, layer in layers.items()}
    layers["masks"] = masks.astype(np.uint8)
    write_shard(folder / "shards" / "0.h5", layers, 0, {})
    link_shards(folder / "stamps.h5", [folder / "shards" / "0.h5"], {})
    roles = ["central", "companion"][: 1 + companions]
    rows = [
        {
            "stamp_id": np.arange(n),
            "galaxy_id": np.arange(n) + n * number,
            "role": np.full(n, role),
            "n_galaxies": np.full(n, len(roles)),
            "x": (x, x2)[number],
            "y": (y, y2)[number],
            "flux": image_flux_to_njy(flux[:, number], survey.zero_point_mag),
            "mag": survey.zero_point_mag - 2.5 * np.log10(flux[:, number]),
            "re": np.full(n, 0.7),
            "kind": np.full(n, "bulge_disc"),
            "bulge_to_total": np.zeros(n),
            "separation": np.full(n, SEPARATION_PX),
            "separation_re": np.full(n, 3.4),
            "delta_mag": np.zeros(n),
            "blend_class": np.full(n, "moderate"),
        }
        for number, role in enumerate(roles)
    ]
    columns = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    Catalogue.from_columns("blends", {}, **columns).write(folder / "truth.parquet")
    return BlendSet(folder / "stamps.h5", folder / "truth.parquet", layers, flux)


@pytest.fixture(scope="session")
def blends(tmp_path_factory: pytest.TempPathFactory, survey: Survey) -> dict[str, BlendSet]:
    """Pairs: 40 to train on, 10 to validate on."""
    root = tmp_path_factory.mktemp("blends")
    sizes = {"train": 40, "validation": 10}
    return {side: write_blends(root / side, survey, n, seed) for seed, (side, n) in enumerate(sizes.items())}


@pytest.fixture(scope="session")
def singles(tmp_path_factory: pytest.TempPathFactory, survey: Survey) -> BlendSet:
    """Galaxies that are alone."""
    return write_blends(tmp_path_factory.mktemp("singles"), survey, 8, 3, companions=0)


@pytest.fixture(scope="session")
def files(blends: dict[str, BlendSet]) -> dict[str, Path]:
    """The file arguments of `train_model`."""
    return {f"{side}_{file}": getattr(blends[side], file) for side in blends for file in ("stamps", "truth")}


MakeRecipe = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def make_recipe(survey: Survey) -> MakeRecipe:
    """Make the recipe of a tiny cnn on 16 px stamps; keywords are options of the training."""

    def make(network: str = "cnn", task: str = "flux", **training: Any) -> dict[str, Any]:
        config = ModelConfig.model_validate(
            {
                "network": {"kind": network, "widths": [4, 8], "depth": 1, "dense": 8},
                "task": {"kind": task},
                "input_px": 16,
                "training": {"max_epochs": 4, "batch_size": 8, **training},
            }
        )
        params = {"seed": 5, "survey": survey.model_dump(mode="json"), "model": config.recipe_params()}
        return Recipe("train", "tiny", params, {"train": "a" * 10, "validation": "b" * 10}).to_dict()

    return make
