"""A population of toy galaxies, made without the simulation: Gaussians of known flux, wider the brighter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from skymill.blend.galaxies import Galaxies, galaxies_of_side
from skymill.blend.noise import build_noise
from skymill.catalog.catalogue import Catalogue
from skymill.config.scene import SceneConfig
from skymill.data.stamps import write_shard
from skymill.data.survey import Survey, mag_to_image_flux, mag_to_njy
from skymill.provenance.recipe import Recipe
from skymill.scene.patch import PatchMaker
from skymill.scene.points import Points
from skymill.simulate.priors import unknown_shape

COUNT, STAMP_PX = 40, 48
TOY_SURVEY = Survey.model_validate(
    {
        "name": "toy",
        "band": "r",
        "pixel_scale_arcsec": 0.2,
        "zero_point_mag": 25.0,
        "gain_e_per_unit": 100.0,
        "background_rms": 0.05,
        "saturation": 200.0,
        "psf": {"kind": "gaussian", "fwhm_arcsec": 0.6},
    }
)
NO_ARTEFACTS = {
    "saturated_stars_per_patch": 0,
    "cosmic_rays_per_patch": 0,
    "hot_pixels_per_patch": 0,
    "streak_fraction": 0,
    "background_rms": 0,
    "step_fraction": 0,
}


class Files(NamedTuple):
    """The files of a population."""

    stamps: Path
    truth: Path


def toy_truth() -> Catalogue:
    mag = np.linspace(19, 24, COUNT)
    generator = np.random.default_rng(3)
    return Catalogue.from_columns(
        "galaxies",
        galaxy_id=np.arange(COUNT),
        side=np.array(["train", "test", "train", "validation"] * (COUNT // 4)),
        kind=np.full(COUNT, "real"),
        mag=mag,
        flux=mag_to_njy(mag),
        re=np.linspace(0.8, 0.2, COUNT),
        dx=generator.uniform(-0.5, 0.5, COUNT),
        dy=generator.uniform(-0.5, 0.5, COUNT),
        flags=np.zeros(COUNT, dtype=int),
        **unknown_shape(COUNT),
    )


def draw_gaussian(sigma: float, dx: float, dy: float, flux: float) -> np.ndarray:
    rows, columns = np.indices((STAMP_PX, STAMP_PX)) - STAMP_PX // 2
    profile = np.exp(-((columns - dx) ** 2 + (rows - dy) ** 2) / (2 * sigma**2))
    return flux * profile / profile.sum()


@pytest.fixture
def survey() -> Survey:
    return TOY_SURVEY


@pytest.fixture(scope="session")
def population(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("population")
    truth = toy_truth()
    images = [
        draw_gaussian(
            np.hypot(row["re"], 0.3) / 0.2 / 1.17741,
            row["dx"],
            row["dy"],
            mag_to_image_flux(row["mag"], 25.0),
        )
        for row in truth.table
    ]
    write_shard(folder / "stamps.h5", {"image": np.stack(images)[:, None].astype(np.float32)}, 0, {})
    truth.write(folder / "truth.parquet")
    return Files(folder / "stamps.h5", folder / "truth.parquet")


@pytest.fixture
def galaxies(survey: Survey) -> Galaxies:
    return galaxies_of_side(toy_truth(), "train", survey, 1)


@pytest.fixture
def config() -> Callable[..., SceneConfig]:
    """A small patch without artefacts; keywords change it."""

    def make(**keys: Any) -> SceneConfig:
        base = {"population": "toys", "side_px": 96, "artefacts": NO_ARTEFACTS, "noise_jitter": 0}
        return SceneConfig.model_validate({**base, **keys})

    return make


@pytest.fixture(scope="session")
def points() -> Points:
    return Points(TOY_SURVEY)


@pytest.fixture
def maker(survey: Survey, points: Points) -> Callable[[SceneConfig], PatchMaker]:
    def make(config: SceneConfig) -> PatchMaker:
        return PatchMaker(config, survey, points, build_noise(config.noise, survey, None))

    return make


@pytest.fixture
def recipe(config: Callable[..., SceneConfig], survey: Survey) -> Callable[..., dict[str, Any]]:
    """Recipe of a set of patches; keyword arguments are keys of the configuration."""

    def make(side: str = "train", seed: int = 1, **keys: Any) -> dict[str, Any]:
        scene = {key: value for key, value in config(**keys).recipe_params().items() if key[:2] != "n_"}
        params = {"seed": seed, "survey": survey.physics(), "scene": scene, "side": side, "n": 4}
        return Recipe("scene", side, params, {"galaxies": "0123456789"}).to_dict()

    return make
