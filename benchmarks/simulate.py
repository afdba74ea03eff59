"""How fast galaxies are drawn, blends composed and sky cut, on one core.

    PYTHONPATH=src python benchmarks/simulate.py [--galaxies 300]

For comparison: used as it comes, GalSim draws 18 Sersic stamps of 64 x 64 px a second with continuous indices, 32 with
indices on a grid and a warm cache.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from skymill.blend.compose import compose
from skymill.blend.noise import build_noise
from skymill.config.blend import PoissonNoise
from skymill.config.simulate import FieldConfig, ParametricPriors, RealPriors
from skymill.data.survey import Survey, load_survey
from skymill.simulate.build import build_population
from skymill.simulate.population import Population
from skymill.simulate.scene import place

ROOT = Path(__file__).resolve().parents[1]
COSMOS = ROOT.parent / "shared/data/hst_cosmos_stamps_btk/real_galaxy_catalog_26_extension_example.fits"
CASES = [
    ("hst_f160w", "candels"),
    ("hst_f160w", "deeplegato"),
    ("euclid_vis", "candels"),
    ("lsst_i", "candels"),
    ("sdss_r", "sdss"),
]


def seconds(work: Callable[[], object]) -> float:
    """CPU time, so that other processes on the machine do not count."""
    start = time.process_time()
    work()
    return time.process_time() - start


def survey_of(name: str) -> Survey:
    return load_survey(name, ROOT / "config/surveys")


def galaxies_of(population: Population, count: int) -> list[dict]:
    index = np.arange(count)
    truth = {"galaxy_id": index, **population.truth(index)}
    return [{name: values[number] for name, values in truth.items()} for number in range(count)]


def rates(population: Population, galaxies: list[dict], size: int) -> list[str]:
    """Stamps a second with cold and with warm caches."""
    cold = seconds(lambda: [population.draw(galaxy, size) for galaxy in galaxies[:20]])
    warm = seconds(lambda: [population.draw(galaxy, size) for galaxy in galaxies])
    return [f"{20 / cold:9.0f}", f"{len(galaxies) / warm:9.0f}"]


def draw_row(label: str, population: Population, count: int) -> None:
    galaxies = galaxies_of(population, count)
    cells = [rate for size in (64, 160) for rate in rates(population, galaxies, size)]
    print(f"{label:28s}" + "".join(cells))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--galaxies", type=int, default=300)
    count = parser.parse_args().galaxies

    print("stamps a CPU second              64 px             160 px")
    print(f"{'survey, population':28s}{'first 20':>9s}{'warm':>9s}{'first 20':>9s}{'warm':>9s}")
    for survey, preset in CASES:
        priors = ParametricPriors(kind="parametric", preset=preset)
        draw_row(
            f"{survey}, {preset}", build_population(priors, survey_of(survey), 1, "simulate", "b"), count
        )
    if COSMOS.is_file():
        for survey in ("hst_f160w", "lsst_i"):
            # As noisy as they come: the time is the same, and a ground survey's pixels leave none of the 50 noise-free.
            priors = RealPriors(kind="real", catalogue=str(COSMOS), catalogue_mag=(18, 25), max_noise_rms=100)
            population = build_population(priors, survey_of(survey), 1, "simulate", "b")
            draw_row(f"{survey}, real", population, min(count, 100))

    survey = survey_of("hst_f160w")
    stamps = np.random.default_rng(1).random((2, 160, 160), dtype=np.float32)
    noise, generator = build_noise(PoissonNoise(), survey, None), np.random.default_rng(1)

    def blend() -> None:
        made = compose(stamps, np.array([0, 9]), np.array([0, -7]), 112, 0.01)
        noise.add(made.central + made.neighbours, generator)

    rate = 200 / seconds(lambda: [blend() for _ in range(200)])
    print(f"\ncompose a pair on 112 px with Poisson noise: {rate:.0f} a second")
    scene = place(FieldConfig(), survey, 1, "b")
    print(f"field of 1024 x 1024 px, {len(scene.x)} sources: {seconds(scene.draw):.2f} s")


if __name__ == "__main__":
    main()
