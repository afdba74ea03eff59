"""Time and accuracy of training: samples a second, and flux error against time.

    PYTHONPATH=src python benchmarks/training.py --models cnn unet --galaxies 2000 --blends 6000 --epochs 8
    PYTHONPATH=src python benchmarks/training.py --population DIR --survey config/surveys/hst_f160w.yaml

Without --population, bulge + disc galaxies are made here as sums of Gaussians (quick, and good enough to tell one
setting from another); DIR is the folder of an artifact of the stage simulate (stamps.h5, truth.parquet).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml
from scipy.optimize import nnls

from skymill.catalog.catalogue import Catalogue
from skymill.config.blend import BlendConfig
from skymill.config.train import ModelConfig
from skymill.data.stamps import centre_index, link_shards, write_shard
from skymill.data.survey import Survey, mag_to_njy, njy_to_image_flux
from skymill.provenance.recipe import Recipe
from skymill.rng import rng
from skymill.training.history import read_history
from skymill.training.train import HISTORY, train_model

SURVEY = Survey(
    name="bench",
    description="CANDELS-like F160W",
    band="F160W",
    pixel_scale_arcsec=0.06,
    zero_point_mag=25.946,
    gain_e_per_unit=3000,
    background_rms=0.005,
    psf={"kind": "gaussian", "fwhm_arcsec": 0.18},
    sources={},
)
STAMP_PX, MAGS = 128, (18.0, 23.0)
BLEND = {
    "population": "galaxies",
    "preset": "boucaud20",
    "separation": {"limit_px": 28},
    "n_validation": 1000,
}
MODELS = {
    "cnn": {"network": {"kind": "cnn"}, "task": {"kind": "flux"}},
    "unet": {"network": {"kind": "unet"}, "task": {"kind": "mask_flux"}},
}


def gaussians_of_sersic(index: float) -> tuple[np.ndarray, np.ndarray]:
    """Fit a Sérsic profile of unit flux and half-light radius by Gaussians: fluxes and variances."""
    radius = np.geomspace(0.01, 12, 400)
    profile = np.exp(-(2 * index - 1 / 3) * radius ** (1 / index))
    variance = np.geomspace(0.005, 10, 12) ** 2
    design = np.exp(-(radius[:, None] ** 2) / (2 * variance)) / (2 * np.pi * variance)
    weight = (radius * radius)[:, None] ** 0.5
    flux, _ = nnls(design * weight, profile * weight[:, 0])
    return flux[flux > 0] / flux.sum(), variance[flux > 0]


def draw_galaxies(generator: np.random.Generator, mag: np.ndarray) -> dict[str, np.ndarray]:
    """Draw sizes and shapes for magnitudes: brighter is larger (about Shen et al. 2003), with 0.2 dex of scatter."""
    size = 10 ** (0.65 - 0.13 * (mag - 23) + generator.normal(0, 0.2, len(mag)))
    return {
        "re": np.clip(size, 1, 25),
        "bt": generator.uniform(0, 1, len(mag)) ** 1.5,
        "q": generator.uniform(0.3, 1, len(mag)),
        "theta": generator.uniform(0, np.pi, len(mag)),
    }


def render(galaxies: dict[str, np.ndarray], flux: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Draw galaxies of total `flux` at (x, y): (n, y, x) float32."""
    grid = np.arange(STAMP_PX, dtype=np.float32)
    u, v = (grid[None, None, :] - x[:, None, None]), (grid[None, :, None] - y[:, None, None])
    cosine, sine = np.cos(galaxies["theta"])[:, None, None], np.sin(galaxies["theta"])[:, None, None]
    along, across = (u * cosine + v * sine).astype(np.float32), (v * cosine - u * sine).astype(np.float32)
    psf = (SURVEY.psf_fwhm_px / 2.3548) ** 2 + 1 / 12
    image = np.zeros((len(flux), STAMP_PX, STAMP_PX), dtype=np.float32)
    for index, share, factor in ((1.0, 1 - galaxies["bt"], 1.0), (4.0, galaxies["bt"], 0.6)):
        for part, variance in zip(*gaussians_of_sersic(index), strict=True):
            a2 = variance * (factor * galaxies["re"]) ** 2 / galaxies["q"] + psf
            b2 = variance * (factor * galaxies["re"]) ** 2 * galaxies["q"] + psf
            height = (flux * share * part / (2 * np.pi * np.sqrt(a2 * b2))).astype(np.float32)[:, None, None]
            a2, b2 = a2.astype(np.float32)[:, None, None], b2.astype(np.float32)[:, None, None]
            image += height * np.exp(-0.5 * (along**2 / a2 + across**2 / b2))
    return image


def make_population(folder: Path, n: int, seed: int = 0) -> Path:
    """Make galaxies of evenly distributed magnitudes, as the stage simulate does; one in six is to validate on."""
    images, columns = [], []
    for start in range(0, n, 250):
        size = min(250, n - start)
        generator = rng(seed, "benchmark", start)
        mag = generator.uniform(*MAGS, size)
        galaxies = draw_galaxies(generator, mag)
        dx, dy = generator.uniform(-0.5, 0.5, (2, size)).astype(np.float32)
        flux = njy_to_image_flux(mag_to_njy(mag), SURVEY.zero_point_mag)
        middle = centre_index(STAMP_PX)
        images.append(render(galaxies, flux, middle + dx, middle + dy))
        columns.append(
            {
                "galaxy_id": np.arange(start, start + size),
                "side": np.where(np.arange(start, start + size) % 6, "train", "validation"),
                "kind": np.full(size, "bulge_disc"),
                "mag": mag,
                "flux": mag_to_njy(mag),
                "re": galaxies["re"] * SURVEY.pixel_scale_arcsec,
                "bulge_to_total": galaxies["bt"],
                "dx": dx,
                "dy": dy,
                "flags": np.zeros(size),
                **dict.fromkeys(
                    ("bulge_n", "bulge_re", "disc_re", "q_bulge", "q_disc", "theta"), np.full(size, np.nan)
                ),
            }
        )
    write_shard(folder / "shards" / "0.h5", {"image": np.concatenate(images)[:, None]}, 0, {})
    link_shards(folder / "stamps.h5", [folder / "shards" / "0.h5"], {})
    rows = {name: np.concatenate([part[name] for part in columns]) for name in columns[0]}
    Catalogue.from_columns("galaxies", {"stage": "simulate"}, **rows).write(folder / "truth.parquet")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["cnn", "unet"], choices=sorted(MODELS))
    parser.add_argument("--galaxies", type=int, default=2000)
    parser.add_argument("--blends", type=int, default=4000, help="of an epoch")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--population", type=Path)
    parser.add_argument("--survey", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--options", type=json.loads, default={}, help="JSON merged into the model's options")
    arguments = parser.parse_args()
    survey = (
        SURVEY
        if arguments.survey is None
        else Survey.model_validate(yaml.safe_load(arguments.survey.read_text()))
    )
    with tempfile.TemporaryDirectory() as scratch:
        population = arguments.population or make_population(Path(scratch) / "galaxies", arguments.galaxies)
        blend = BlendConfig.model_validate({**BLEND, "n_train": arguments.blends})
        for name in arguments.models:
            options = merged(MODELS[name], {"training": {"max_epochs": arguments.epochs}}, arguments.options)
            run(name, options, survey, population, blend, Path(scratch) / name, arguments.threads)


def merged(*parts: dict) -> dict:
    """Join nested options; later ones win."""
    result: dict = {}
    for part in parts:
        for key, value in part.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merged(result[key], value) if both else value
    return result


def run(
    name: str, options: dict, survey: Survey, population: Path, blend: BlendConfig, folder: Path, threads: int
) -> None:
    """Train one model and print a line for each epoch."""
    config = ModelConfig.model_validate(options)
    params = {
        "seed": 1,
        "survey": survey.model_dump(mode="json"),
        "population": {"folder": str(population)},
        "blend": blend.composition() | {"n_train": blend.n_train, "n_validation": blend.n_validation},
        "model": config.recipe_params(),
    }
    start = time.perf_counter()
    train_model(
        Recipe("train", name, params).to_dict(),
        population / "stamps.h5",
        population / "truth.parquet",
        folder,
        execution={"threads": threads, "device": "cpu"},
    )
    total = time.perf_counter() - start
    history = read_history(folder / HISTORY)
    blends = blend.n_train
    print(f"{name}: {blends} blends an epoch, {json.dumps(options)}")
    print(
        f"{'epoch':>5} {'time_s':>7} {'blends/s':>8} {'train':>8} {'valid':>8} {'MAPE_%':>7} {'bias_%':>7} {'cov68':>6}"
    )
    spent = 0.0
    for row in history:
        spent += row["seconds"]
        print(
            f"{row['epoch']:5.0f} {spent:7.1f} {blends / row['seconds']:8.0f} {row['train_loss']:8.4f} "
            f"{row['validation_loss']:8.4f} {row['flux_mape']:7.2f} {row['flux_bias']:7.2f} {row['coverage_68']:6.3f} "
            + " ".join(f"{key} {value:.3f}" for key, value in row.items() if key.startswith("mask"))
        )
    print(f"whole stage {total:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
