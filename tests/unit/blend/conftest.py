"""A population of toy galaxies, made without the simulation: Gaussians of known flux and width."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from skymill.blend.galaxies import Galaxies, galaxies_of_side
from skymill.catalog.catalogue import Catalogue
from skymill.catalog.flags import Flag
from skymill.config.blend import BlendConfig
from skymill.data.stamps import write_shard
from skymill.data.survey import Survey, mag_to_image_flux, mag_to_njy
from skymill.data.tile import Tile, TileMeta
from skymill.provenance.recipe import Recipe
from skymill.simulate.priors import unknown_shape

COUNT, STAMP_PX = 60, 96
TOY_SURVEY = Survey.model_validate(
    {
        "name": "toy",
        "band": "r",
        "pixel_scale_arcsec": 0.2,
        "zero_point_mag": 25.0,
        "gain_e_per_unit": 100.0,
        "background_rms": 0.05,
        "psf": {"kind": "gaussian", "fwhm_arcsec": 0.6},
    }
)


class Files(NamedTuple):
    """The files of a population."""

    stamps: Path
    truth: Path


def toy_truth(count: int = COUNT) -> Catalogue:
    """Galaxies on all sides; number 0 has failed."""
    generator = np.random.default_rng(3)
    mag = generator.uniform(19, 23, count)
    return Catalogue.from_columns(
        "galaxies",
        {"stage": "simulate"},
        galaxy_id=np.arange(count),
        side=np.array(["train", "test", "train", "validation"] * (count // 4)),
        kind=np.where(np.arange(count) % 10 == 9, "point", "real"),
        mag=mag,
        flux=mag_to_njy(mag),
        re=np.where(np.arange(count) % 10 == 9, 0.0, generator.uniform(0.2, 1.0, count)),
        dx=generator.uniform(-0.5, 0.5, count),
        dy=generator.uniform(-0.5, 0.5, count),
        flags=np.where(np.arange(count) == 0, int(Flag.FAILED), 0),
        **unknown_shape(count),
    )


def toy_stamps(truth: Catalogue) -> np.ndarray:
    """Round Gaussians of the right flux, centre and radius; zero where the drawing failed."""
    rows, columns = np.indices((STAMP_PX, STAMP_PX))
    images = np.zeros((len(truth), 1, STAMP_PX, STAMP_PX), dtype=np.float32)
    for image, row in zip(images[:, 0], truth.table, strict=True):
        if row["flags"]:
            continue
        sigma = np.hypot(row["re"], 0.3) / 0.2 / 1.17741
        dx, dy = columns - STAMP_PX // 2 - row["dx"], rows - STAMP_PX // 2 - row["dy"]
        profile = np.exp(-(dx**2 + dy**2) / (2 * sigma**2))
        image[:] = profile / profile.sum() * mag_to_image_flux(row["mag"], 25.0)
    return images


@pytest.fixture
def survey() -> Survey:
    return TOY_SURVEY


@pytest.fixture(scope="session")
def population(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Stamps and truth of the toy galaxies."""
    folder = tmp_path_factory.mktemp("population")
    truth = toy_truth()
    write_shard(folder / "stamps.h5", {"image": toy_stamps(truth)}, 0, {})
    truth.write(folder / "truth.parquet")
    return Files(folder / "stamps.h5", folder / "truth.parquet")


@pytest.fixture
def galaxies(survey: Survey) -> Galaxies:
    """The toy galaxies of the training side."""
    return galaxies_of_side(toy_truth(), "train", survey, 2)


@pytest.fixture
def make_truth() -> Callable[..., Catalogue]:
    return toy_truth


@pytest.fixture
def config() -> Callable[..., BlendConfig]:
    """A configuration whose separations fit the toy stamps; keyword arguments change it."""

    def make(**keys: Any) -> BlendConfig:
        base = {"population": "toys", "canvas_px": 64, "separation": {"kind": "radius", "limit_px": 16}}
        return BlendConfig.model_validate({**base, **keys})

    return make


@pytest.fixture
def recipe(config: Callable[..., BlendConfig], survey: Survey) -> Callable[..., dict[str, Any]]:
    """Recipe of a set of blends; keyword arguments are keys of the configuration."""

    def make(side: str = "train", seed: int = 1, **keys: Any) -> dict[str, Any]:
        blend = {key: value for key, value in config(**keys).recipe_params().items() if key[:2] != "n_"}
        params = {"seed": seed, "survey": survey.physics(), "blend": blend, "side": side, "n": 20}
        return Recipe("blend", side, params, {"galaxies": "0123456789"}).to_dict()

    return make


@pytest.fixture
def sky_tile(survey: Survey) -> Callable[..., Tile]:
    """A tile of correlated noise with some bright sources and a bad column."""

    def make(size: int = 256, sources: int = 20, rms: float = 0.1, zero_point_mag: float = 25.0) -> Tile:
        generator = np.random.default_rng(5)
        white = generator.normal(0, 1, (size, size + 1))
        science = rms * (white[:, 1:] + white[:, :-1]) / np.sqrt(2)  # neighbours along x correlate by 0.5
        rows, columns = np.indices(science.shape)
        for x, y in generator.uniform(0, size, (sources, 2)):
            science += 20 * rms * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8)
        mask = np.zeros(science.shape, dtype=np.uint8)
        mask[:, 40] = 1
        science[:, 40] = 1e4
        meta = TileMeta("t1", "toy", "r", 0.2, zero_point_mag, 100.0, None, 3.0)
        return Tile(science.astype(np.float32), np.full(science.shape, rms, np.float32), mask, None, meta)

    return make
