"""Round Gaussian galaxies, written as the stage simulate writes them, and the recipe of a tiny training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from skymill.catalog.catalogue import Catalogue
from skymill.config.blend import BlendConfig
from skymill.config.finder import FinderConfig
from skymill.config.generator import GeneratorConfig
from skymill.config.restorer import RestorerConfig
from skymill.config.train import ModelConfig
from skymill.data.stamps import link_shards, write_shard
from skymill.data.survey import Survey, image_flux_to_njy
from skymill.data.tile import Tile, TileMeta
from skymill.provenance.recipe import Recipe
from skymill.simulate.priors import unknown_shape
from skymill.training.blends import ComposedBlends, Source
from skymill.training.finder import train_finder
from skymill.training.generator import train_generator
from skymill.training.restorer import train_restorer

COUNT, STAMP_PX, SIDES = 60, 64, ["train", "validation", "train", "test", "train", "train"]


class Population(NamedTuple):
    """Paths of a population, and what was written."""

    stamps: Path
    truth: Path
    images: np.ndarray  # (n, y, x) image units
    flux: np.ndarray  # (n,) image units
    side: np.ndarray


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


@pytest.fixture(scope="session")
def population(tmp_path_factory: pytest.TempPathFactory, survey: Survey) -> Population:
    """Round Gaussians of 1.5 px, of which two in three are to train on."""
    return make_population(tmp_path_factory.mktemp("population"), survey, COUNT)


@pytest.fixture(scope="session")
def large_population(tmp_path_factory: pytest.TempPathFactory, survey: Survey) -> Population:
    """The same, enough of them to say what is usual."""
    return make_population(tmp_path_factory.mktemp("large_population"), survey, 3 * COUNT)


def make_population(folder: Path, survey: Survey, count: int) -> Population:
    """Write a population as the stage simulate does."""
    random = np.random.default_rng(7)
    flux = random.uniform(300, 3000, count)
    dx, dy = random.uniform(-0.4, 0.4, (2, count)).astype(np.float32)
    offset = np.arange(STAMP_PX) - STAMP_PX // 2
    squared = (offset[:, None] - dy[:, None, None]) ** 2 + (offset - dx[:, None, None]) ** 2
    images = (flux[:, None, None] / (2 * np.pi * 2.25) * np.exp(-squared / 4.5)).astype(np.float32)
    write_shard(folder / "shards" / "0.h5", {"image": images[:, None]}, 0, {})
    link_shards(folder / "stamps.h5", [folder / "shards" / "0.h5"], {})
    side = np.array(SIDES * (count // len(SIDES)))
    Catalogue.from_columns(
        "galaxies",
        {"stage": "simulate"},
        galaxy_id=np.arange(count),
        side=side,
        kind=np.full(count, "real"),
        mag=survey.zero_point_mag - 2.5 * np.log10(flux),
        flux=image_flux_to_njy(flux, survey.zero_point_mag),
        re=np.full(count, 0.7),
        dx=dx,
        dy=dy,
        flags=np.zeros(count),
        **unknown_shape(count),
    ).write(folder / "truth.parquet")
    return Population(folder / "stamps.h5", folder / "truth.parquet", images, flux, side)


def blend_config(**changes: Any) -> BlendConfig:
    """Pairs and larger groups on small canvases."""
    base = {
        "population": "galaxies",
        "canvas_px": 32,
        "separation": {"kind": "uniform", "separation_px": [3.0, 8.0]},
        "delta_mag": [0.0, 4.0],
        "n_train": 40,
        "n_validation": 10,
    }
    return BlendConfig.model_validate({**base, **changes})


@pytest.fixture(scope="session")
def make_source(population: Population, survey: Survey) -> Callable[..., Source]:
    """Make the source of the blends of a side; keywords are keys of the blends."""

    def make(side: str = "train", seed: int = 5, **changes: Any) -> Source:
        return Source(population.stamps, population.truth, side, survey, blend_config(**changes), seed)

    return make


@pytest.fixture(scope="session")
def make_blends(make_source: Callable[..., Source]) -> Callable[..., ComposedBlends]:
    """Make blends in windows of 19 px; keywords are those of `make_source`."""

    def make(
        side: str = "train", galaxies: int = 1, cache_bytes: float = 1e9, window_px: int = 19, **changes: Any
    ) -> ComposedBlends:
        return ComposedBlends(make_source(side, **changes), window_px, galaxies, cache_bytes)

    return make


@pytest.fixture(scope="session")
def files(population: Population) -> dict[str, Path]:
    """The file arguments of `train_model`."""
    return {"stamps": population.stamps, "truth": population.truth}


@pytest.fixture(scope="session")
def sky_tile() -> Callable[..., Tile]:
    """A tile of noise whose neighbours along x correlate by a half, without sources."""

    def make(rms: float = 0.1, size: int = 256, zero_point_mag: float = 25.0) -> Tile:
        white = np.random.default_rng(5).normal(0, 1, (size, size + 1))
        science = (rms * (white[:, 1:] + white[:, :-1]) / np.sqrt(2)).astype(np.float32)
        meta = TileMeta("t1", "test_r", "r", 0.4, zero_point_mag, 100.0, None, 2.0)
        return Tile(
            science,
            np.full(science.shape, rms, np.float32),
            np.zeros(science.shape, dtype=np.uint8),
            None,
            meta,
        )

    return make


PATCH_PX = 48


def write_scenes(folder: Path, survey: Survey, n: int, seed: int) -> dict[str, Path]:
    """Patches of round Gaussians of the PSF's width; those of S/N below 5 are light but no objects."""
    random = np.random.default_rng(seed)
    row, column = np.mgrid[:PATCH_PX, :PATCH_PX]
    images, segments, rows = [], [], []
    for patch in range(n):
        k = 10
        x, y = random.uniform(1, PATCH_PX - 2, (2, k))
        snr = np.exp(random.uniform(np.log(2), np.log(60), k))
        # A Gaussian of sigma s has S/N = flux / (rms * s * sqrt(4 pi)).
        flux = snr * survey.background_rms * 0.85 * np.sqrt(4 * np.pi)
        squared = (row - y[:, None, None]) ** 2 + (column - x[:, None, None]) ** 2
        light = flux[:, None, None] / (2 * np.pi * 0.85**2) * np.exp(-squared / (2 * 0.85**2))
        images.append(light.sum(axis=0) + random.normal(0, survey.background_rms, row.shape))
        segments.append(np.where(light.max(axis=0) > survey.background_rms, light.argmax(axis=0) + 1, 0))
        distance = np.hypot(x[:, None] - x, y[:, None] - y)
        distance[flux[None] <= flux[:, None]] = np.inf
        nearest = distance.min(axis=1)
        columns = {"patch_id": patch, "kind": "star", "mag": 20.0, "flux": 1.0, "width": 0.85}
        rows.append(
            {name: np.full(k, value) for name, value in columns.items()}
            | {"source_id": np.arange(k), "x": x, "y": y, "snr": snr, "is_object": snr > 5}
            | {"brighter_distance": np.where(np.isfinite(nearest), nearest, np.nan)}
        )
    layers = {
        "image": np.stack(images)[:, None].astype(np.float32),
        "segments": np.stack(segments)[:, None].astype(np.uint16),
    }
    write_shard(folder / "shards" / "0.h5", layers, 0, {})
    link_shards(folder / "stamps.h5", [folder / "shards" / "0.h5"], {})
    columns = {name: np.concatenate([each[name] for each in rows]) for name in rows[0]}
    Catalogue.from_columns("scenes", {}, **columns).write(folder / "truth.parquet")
    return {"stamps": folder / "stamps.h5", "truth": folder / "truth.parquet"}


@pytest.fixture
def write_patches() -> Callable[..., dict[str, Path]]:
    """Write patches; see `write_scenes`."""
    return write_scenes


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory, survey: Survey) -> dict[str, Path]:
    """The file arguments of `train_finder`: 12 patches to train on, 6 to validate on."""
    root = tmp_path_factory.mktemp("scenes")
    sides = {
        side: write_scenes(root / side, survey, n, seed)
        for seed, (side, n) in enumerate({"train": 12, "validation": 6}.items())
    }
    return {f"{side}_{role}": path for side, files in sides.items() for role, path in files.items()}


@pytest.fixture(scope="session")
def finder_recipe(survey: Survey) -> Callable[..., dict[str, Any]]:
    """Make the recipe of a tiny detection network; keywords are options of the training."""

    def make(**training: Any) -> dict[str, Any]:
        config = FinderConfig.model_validate(
            {
                "network": {"widths": [8, 8]},
                "input_px": 24,
                "training": {"max_epochs": 4, "batch_size": 4, "learning_rate": 0.01, **training},
            }
        )
        params = {"seed": 5, "survey": survey.model_dump(mode="json"), "finder": config.recipe_params()}
        return Recipe("finder", "finder", params, {"train": "a" * 10, "validation": "b" * 10}).to_dict()

    return make


@pytest.fixture(scope="session")
def finder(
    tmp_path_factory: pytest.TempPathFactory, scenes: dict[str, Path], finder_recipe: Callable
) -> Path:
    """A network that finds sources, trained for a few seconds."""
    folder = tmp_path_factory.mktemp("finder") / "model"
    execution = {"device": "cpu", "threads": 1, "progress": "off"}
    train_finder(finder_recipe(max_epochs=12), **scenes, folder=folder, execution=execution)
    return folder


MakeRecipe = Callable[..., dict[str, Any]]
CPU = {"device": "cpu", "threads": 1, "progress": "off"}
SMALL = {
    "cnn": {"widths": [4, 8], "rings": 8, "angles": 8, "dense": 8},
    "unet": {"widths": [4, 8], "rings": 8, "angles": 8, "dense": 8, "unet_widths": [4, 8]},
    "branched": {
        "widths": [4, 8],
        "rings": 8,
        "angles": 8,
        "dense": 8,
        "root_widths": [4, 8],
        "root_blocks": 1,
    },
    "branched_pictures": {"root_widths": [4, 8], "root_blocks": 1},
}


@pytest.fixture(scope="session")
def make_recipe(survey: Survey) -> MakeRecipe:
    """Make the recipe of a tiny network on 16 px stamps; keywords are options of the training."""

    def make(
        network: str = "cnn", task: str = "flux", blend: dict[str, Any] | None = None, **training: Any
    ) -> dict[str, Any]:
        config = ModelConfig.model_validate(
            {
                "network": {"kind": network, **SMALL[network]},
                "task": {"kind": task},
                "input_px": 16,
                "training": {"max_epochs": 4, "batch_size": 8, **training},
            }
        )
        composed = blend_config(**(blend or {}))
        params = {
            "seed": 5,
            "survey": survey.model_dump(mode="json"),
            "population": {"kind": "real"},
            "blend": {
                **composed.composition(),
                "n_train": composed.n_train,
                "n_validation": composed.n_validation,
            },
            "model": config.recipe_params(),
        }
        return Recipe("train", "tiny", params, {"galaxies": "a" * 10}).to_dict()

    return make


SMALL_VAE = {
    "latent": 4,
    "widths": [8, 8],
    "dense": 16,
    "canvas_px": 16,
    "canvas_widths": [8, 8, 8, 8],
    "components": 2,
}


@pytest.fixture(scope="session")
def generator_recipe(survey):
    def make(network: dict | None = None, **training) -> dict:
        config = GeneratorConfig(
            population="galaxies",
            network={**SMALL_VAE, **(network or {})},
            input_px=32,
            training={"max_epochs": 4, "batch_size": 8, "learning_rate": 5e-3, **training},
        )
        params = {"seed": 3, "survey": survey.physics(), "generator": config.recipe_params()}
        return Recipe("generator", "vae", params, {"galaxies": "0" * 10}).to_dict()

    return make


SMALL_WGAN = {
    **SMALL_VAE,
    "kind": "wgan",
    "style": 8,
    "critic_widths": [4, 8, 8],
    "critic_dense": 16,
    "critic_steps": 2,
    "average": 0.9,
    "encoder_epochs": 3,
}


@pytest.fixture(scope="session")
def wgan_recipe(survey):
    def make(**network) -> dict:
        config = GeneratorConfig(
            population="galaxies",
            network={**SMALL_WGAN, **network},
            input_px=32,
            training={"max_epochs": 3, "batch_size": 16, "learning_rate": 1e-3},
        )
        params = {"seed": 3, "survey": survey.physics(), "generator": config.recipe_params()}
        return Recipe("generator", "wgan", params, {"galaxies": "0" * 10}).to_dict()

    return make


@pytest.fixture(scope="session")
def generator(tmp_path_factory, generator_recipe, large_population) -> Path:
    folder = tmp_path_factory.mktemp("generator") / "vae"
    train_generator(
        generator_recipe(max_epochs=12),
        large_population.stamps,
        large_population.truth,
        folder,
        {"device": "cpu", "threads": 1, "progress": "off"},
    )
    return folder


@pytest.fixture(scope="session")
def restorer_recipe(survey):
    def make(task: dict | None = None, **training) -> dict:
        config = RestorerConfig(
            population="galaxies",
            network={"widths": [8, 12], "root_blocks": 1, "branch_blocks": 1},
            task=task or {},
            input_px=32,
            training={"max_epochs": 3, "batch_size": 8, "learning_rate": 5e-3, **training},
        )
        params = {"seed": 3, "survey": survey.physics(), "restorer": config.recipe_params()}
        return Recipe("restorer", "restorer", params, {"galaxies": "0" * 10}).to_dict()

    return make


@pytest.fixture(scope="session")
def restorer(tmp_path_factory, restorer_recipe, population) -> Path:
    folder = tmp_path_factory.mktemp("restorer") / "restorer"
    execution = {"device": "cpu", "threads": 1, "progress": "off"}
    train_restorer(restorer_recipe(), population.stamps, population.truth, folder, execution)
    return folder
