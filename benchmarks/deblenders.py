"""Images and fluxes of central galaxies from scarlet2 beside those of the networks, on the same test blends.

    snakemake --cores 2 --configfile config/deblend.yaml --config train=pretrained
    python3.11 -m venv SCARLET2 && SCARLET2/bin/pip install scarlet2==0.5.1
    PYTHONPATH=src python benchmarks/deblenders.py --python SCARLET2/bin/python --blends 60

The first line, in the working directory, makes the blends and the networks' images of them. scarlet2 (the successor of
scarlet: Melchior et al. 2018, Astronomy and Computing 24, 129) lives in an environment of its own, since it needs JAX;
benchmarks/fit_scarlet2.py fits there. It knows what the networks know, the PSF, the noise and where the galaxies are,
and models each galaxy in two ways: pixels, all positive, and one Sérsic profile. Its priors that are networks
themselves are not used: their weights are no part of the package, and single-band space images are not what they have
learned. What fails or is not finite is counted; figures are of the blends that all have fitted.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from skymill.catalog.catalogue import Catalogue
from skymill.config.run import load_config
from skymill.data.stamps import StampSet
from skymill.data.survey import Survey
from skymill.data.tile import cutouts
from skymill.detectors.evaluate import mosaic_at
from skymill.detectors.image_quality import image_quality
from skymill.metrics.bootstrap import bootstrap_intervals
from skymill.metrics.images import mean_percent
from skymill.metrics.weighted import mean
from skymill.plan.build import build_plan
from skymill.plan.plan import Plan
from skymill.rng import rng
from skymill.simulate.psf import effective_psf

ROOT = Path(__file__).resolve().parents[1]
SIDE_PX, IMAGE_PX, PSF_PX = 128, 64, 41
"""Sides of what scarlet2 is given, of the images that are compared, and of the PSF."""
FIGURES = {
    "image_psnr": ("PSNR (dB)", mean),
    "image_ssim": ("SSIM", mean),
    "image_flux_error": ("flux MAPE, all pixels (%)", mean_percent),
    "image_aperture_error": ("flux MAPE, aperture (%)", mean_percent),
}
MODELS = ("pixels", "sersic")


def planned(config: Path) -> Plan:
    """Plan the run whose products lie in the working directory."""
    return build_plan(load_config({**yaml.safe_load(config.read_text()), "train": "pretrained"}), ROOT)


def fit(python: str, given: dict[str, NDArray], folder: Path) -> dict[str, NDArray]:
    """Let scarlet2 fit; return its images (blends, models, y, x) and seconds (blends, models)."""
    np.savez(folder / "given.npz", **given)
    # The library of this process is not for the other one.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    worker = ROOT / "benchmarks" / "fit_scarlet2.py"
    subprocess.run(
        [python, worker, folder / "given.npz", folder / "found.npz", *MODELS], check=True, env=environment
    )
    with np.load(folder / "found.npz", allow_pickle=False) as found:
        return dict(found)


def figures(columns: dict[str, NDArray], name: str) -> list[str]:
    """Return the cells of a row: each figure with its 95 % interval."""
    cells = []
    for column, (_, statistic) in FIGURES.items():
        values = columns[column]
        value = float(statistic(values))
        made = {column: partial(statistic, values)}
        ((low, high),) = bootstrap_intervals(made, np.arange(len(values)), rng(1, "scarlet2", name)).values()
        cells.append(f"{value:.3g} [{low:.3g}, {high:.3g}]")
    return cells


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--python", required=True, help="of the environment that has scarlet2")
    parser.add_argument("--blends", type=int, default=60)
    parser.add_argument("--config", type=Path, default=ROOT / "config" / "deblend.yaml")
    asked = parser.parse_args(arguments)
    plan = planned(asked.config)
    blends = next(made for made in plan if made.recipe.stage == "blend" and made.recipe.name == "test")
    survey = Survey.model_validate(blends.recipe.params["survey"])
    truth = Catalogue.read(blends.file("truth"), "blends")
    truth = truth.select(truth["stamp_id"] < asked.blends)
    order = np.lexsort((truth["role"] != "central", truth["stamp_id"]))
    truth = truth.select(order)
    central = truth.select(truth["role"] == "central")
    with StampSet.open(blends.file("stamps")) as stamps:
        rows = np.arange(len(central))
        seen, x, y = mosaic_at(stamps, central, rows, survey, SIDE_PX)
        alone, *_ = mosaic_at(stamps, central, rows, survey, SIDE_PX, layer="central")
    first_x, first_y = (np.rint(axis).astype(int) for axis in (x, y))
    half, size = SIDE_PX // 2, IMAGE_PX
    on_canvas = np.stack([truth["x"], truth["y"]], axis=1).reshape(len(central), 2, 2)
    middle = np.stack([central["x"], central["y"]], axis=1)
    offset = np.stack([half + x - first_x, half + y - first_y], axis=1)
    given = {
        "image": cutouts(seen.science, x, y, SIDE_PX),
        "position": on_canvas - middle[:, None] + offset[:, None],
        "psf": psf_image(survey),
        "rms": np.float64(survey.background_rms),
        "electrons": np.float64(survey.gain_e_per_unit * survey.background_rms),
    }
    with tempfile.TemporaryDirectory() as name:
        found = fit(asked.python, given, Path(name))
    box = slice(half - size // 2, half + size // 2)
    images = found["image"][:, :, box, box]
    fitted = np.isfinite(images).all(axis=(1, 2, 3))
    blend, true = (cutouts(tile.science, x, y, size) for tile in (seen, alone))
    at = [size // 2 + axis - np.rint(axis) for axis in (x, y)]
    print(f"| image | n | failed | seconds a blend | {' | '.join(title for title, _ in FIGURES.values())} |")
    print("|---" * (4 + len(FIGURES)) + "|")
    for number, model in enumerate(MODELS):
        failed = int((~np.isfinite(images[:, number]).all(axis=(1, 2))).sum())
        chosen = [values[fitted] for values in (images[:, number], blend, true, *at)]
        cells = figures(image_quality(*chosen), model)
        seconds = np.median(found["seconds"][:, number])
        print(f"| scarlet2, {model} | {fitted.sum()} | {failed} | {seconds:.1f} | {' | '.join(cells)} |")
    for made in plan:
        if made.recipe.stage == "deblend" and made.recipe.name.startswith("test_blends."):
            errors = Catalogue.read(made.file("quality"), "deblended")
            errors = errors.select(np.isin(errors["stamp_id"], central["stamp_id"][fitted]))
            network = made.recipe.name.partition(".")[2]
            cells = figures({column: np.asarray(errors[column]) for column in FIGURES}, network)
            print(f"| {network} | {len(errors)} | 0 | | {' | '.join(cells)} |")


def psf_image(survey: Survey) -> NDArray[np.float64]:
    """Return the survey's PSF at the middles of pixels, its light 1."""
    drawn = effective_psf(survey.psf).drawImage(
        nx=PSF_PX, ny=PSF_PX, scale=survey.pixel_scale_arcsec, method="no_pixel", dtype=np.float64
    )
    return drawn.array / drawn.array.sum()


if __name__ == "__main__":
    main()
