"""What benchmarks/deblenders.py runs in scarlet2's own environment: fits, in and out as numpy files.

python benchmarks/fit_scarlet2.py GIVEN.npz FOUND.npz MODEL …
"""

from __future__ import annotations

import sys
import time
from functools import partial

import jax.numpy as jnp
import numpy as np
from numpyro.distributions import constraints
from scarlet2 import (
    Box,
    Frame,
    GaussianPSF,
    Observation,
    Parameter,
    Parameters,
    Scene,
    SersicMorphology,
    Source,
    relative_step,
    set_validation,
)
from scarlet2.constraint import unit_disk
from scarlet2.init import compact_morphology, from_gaussian_moments, pixel_spectrum

MODEL_PSF_SIGMA_PX = 0.7
SERSIC_SIDE_PX = 81
ITERATIONS = {"pixels": 200, "sersic": 400}
SHAPE, SPECTRUM, CENTRE = 0.05, 0.05, 0.03
"""Steps of the optimiser."""


def pixels(observation: Observation, centre: jnp.ndarray) -> Source:
    """Return a galaxy of free pixels, begun as its moments have it, or as a point where these have none."""
    try:
        spectrum, image = from_gaussian_moments(observation, centre)
        is_usable = bool(jnp.isfinite(image).all() & jnp.isfinite(spectrum).all() & (spectrum > 0).all())
    except ValueError:
        is_usable = False
    if not is_usable:
        spectrum, image = pixel_spectrum(observation, centre), compact_morphology()
    return Source(centre, spectrum, image)


def sersic(observation: Observation, centre: jnp.ndarray) -> Source:
    """Return a galaxy with a Sérsic profile, begun round, of a usual size and as bright as its middle."""
    row, column = (round(float(axis)) for axis in centre)
    brightness = jnp.maximum(observation.data[0, row, column], 1e-3)
    shape = (SERSIC_SIDE_PX, SERSIC_SIDE_PX)
    form = SersicMorphology(jnp.asarray(1.5), jnp.asarray(3.0), jnp.asarray([0.01, 0.01]), shape=shape)
    return Source(centre, jnp.asarray([brightness]), form)


def free(number: int, source: Source, model: str) -> None:
    """Say what is fitted of a galaxy."""
    positive, unit = constraints.positive, constraints.unit_interval
    spectrum_step = SPECTRUM if model == "sersic" else partial(relative_step, factor=SPECTRUM)
    Parameter(source.spectrum, name=f"spectrum{number}", constraint=positive, stepsize=spectrum_step)
    form = source.morphology
    if model == "pixels":
        Parameter(form, name=f"image{number}", constraint=unit, stepsize=SHAPE)
        return
    Parameter(form.n, name=f"index{number}", constraint=constraints.interval(0.4, 6.0), stepsize=SHAPE)
    Parameter(form.size, name=f"size{number}", constraint=positive, stepsize=SHAPE)
    Parameter(form.ellipticity, name=f"ellipticity{number}", constraint=unit_disk, stepsize=SHAPE)
    Parameter(source.center, name=f"centre{number}", stepsize=CENTRE)


def fit(given: dict[str, np.ndarray], number: int, model: str) -> np.ndarray:
    """Fit all galaxies of a blend; return the first one as it is seen (y, x)."""
    image, rms = given["image"][number], float(given["rms"])
    variance = rms**2 * (1 + np.clip(image / rms, 0, None) / float(given["electrons"]))
    observation = Observation(image[None], 1 / variance[None], psf=given["psf"][None], channels=["band"])
    frame = Frame(Box((1, *image.shape)), psf=GaussianPSF(MODEL_PSF_SIGMA_PX), channels=["band"])
    observation.match(frame)
    begin = {"pixels": pixels, "sersic": sersic}[model]
    with Scene(frame) as scene:
        for x, y in given["position"][number]:
            begin(observation, jnp.asarray([y, x]))
    with Parameters(scene):
        for order, source in enumerate(scene.sources):
            free(order, source, model)
    fitted = scene.fit(observation, max_iter=ITERATIONS[model], progress_bar=False)
    return np.asarray(observation.render(fitted.evaluate_source(fitted.sources[0])))[0]


def main(given_path: str, found_path: str, *models: str) -> None:
    """Fit all blends with each model; what fails is NaN, and says why."""
    set_validation(False)
    with np.load(given_path, allow_pickle=False) as file:
        given = dict(file)
    blends, side, _ = given["image"].shape
    images = np.full((blends, len(models), side, side), np.nan)
    seconds = np.zeros((blends, len(models)))
    for number in range(blends):
        for order, model in enumerate(models):
            began = time.perf_counter()
            try:
                images[number, order] = fit(given, number, model)
            except (ValueError, ArithmeticError, RuntimeError) as error:
                print(f"blend {number}, {model}: {type(error).__name__}: {error}", file=sys.stderr)
            seconds[number, order] = time.perf_counter() - began
    np.savez(found_path, image=images, seconds=seconds)


if __name__ == "__main__":
    main(*sys.argv[1:])
