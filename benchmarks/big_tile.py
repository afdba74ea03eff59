"""Memory and time of the stages that read a whole tile, on a simulated one of any size.

    python benchmarks/big_tile.py [--side 5000] [--folder DIR] [--stages ingest sep infer source_extractor]

The image is noise with sources pasted from a few hundred stamps, written row by row. Each stage runs in a process of
its own; "memory" is the largest resident set of that process or of a program that it starts, mapped files included.
`infer` is the shipped finder and network of sdss_r.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from astropy.io import fits

ROOT = Path(__file__).resolve().parents[1]
BAND_PX, STAMP_PX, STAMPS = 500, 64, 300
PX_PER_SOURCE = 60**2
MODELS = ROOT / "models" / "sdss_r"
STAGES = ("ingest", "sep", "source_extractor", "infer")


def survey():
    from skymill.data.survey import load_survey

    return load_survey("sdss_r", ROOT / "config" / "surveys")


def draw_stamps(random: np.random.Generator, sigma_px: float, rms: float) -> np.ndarray:
    """Elliptical Gaussians as wide as the PSF (a third of them, stars) or wider: (n, y, x)."""
    offset = np.arange(STAMP_PX) - STAMP_PX // 2
    y, x = np.meshgrid(offset, offset, indexing="ij")
    stamps = []
    for number in range(STAMPS):
        is_star = number % 3 == 0
        width = sigma_px * (1 if is_star else random.uniform(1.1, 3))
        ratio, angle = (1.0, 0.0) if is_star else (random.uniform(0.4, 1), random.uniform(0, np.pi))
        dy, dx = y - random.uniform(-0.5, 0.5), x - random.uniform(-0.5, 0.5)
        u, v = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
        shape = np.exp(-(u**2 + (v / ratio) ** 2) / (2 * width**2))
        snr = 5 * 100 ** random.uniform(0, 1) ** 2
        stamps.append(shape * snr * rms * width * np.sqrt(4 * np.pi * ratio) / shape.sum())
    return np.array(stamps, dtype=np.float32)


def write_image(path: Path, side: int) -> None:
    """Write a square image band by band; a source near a border of bands is on both."""
    facts, random = survey(), np.random.default_rng(1)
    stamps = draw_stamps(random, facts.psf_fwhm_px / 2.3548, facts.background_rms)
    count = side * side // PX_PER_SOURCE
    corner = random.integers(0, side - STAMP_PX, size=(count, 2))
    kind = random.integers(STAMPS, size=count)
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
    header["CRPIX1"] = header["CRPIX2"] = side / 2
    header["CRVAL1"], header["CRVAL2"] = 180.0, 10.0
    header["CDELT1"], header["CDELT2"] = -facts.pixel_scale_arcsec / 3600, facts.pixel_scale_arcsec / 3600
    empty = np.broadcast_to(np.float32(0), (side, side))
    header = fits.PrimaryHDU(empty, header=header).header
    with path.open("wb") as file:
        file.write(header.tostring().encode("ascii"))
        for start in range(0, side, BAND_PX):
            rows = min(BAND_PX, side - start)
            canvas = np.zeros((rows + 2 * STAMP_PX, side), dtype=np.float32)
            for number in np.flatnonzero((corner[:, 0] > start - STAMP_PX) & (corner[:, 0] < start + rows)):
                y, x = corner[number, 0] - start + STAMP_PX, corner[number, 1]
                canvas[y : y + STAMP_PX, x : x + STAMP_PX] += stamps[kind[number]]
            band = canvas[STAMP_PX : STAMP_PX + rows]
            band += random.standard_normal(band.shape, dtype=np.float32) * facts.background_rms
            file.write(band.astype(">f4").tobytes())
        file.write(b"\0" * (-file.tell() % 2880))


def run_stage(stage: str, folder: Path) -> int:
    """Run one stage in this process; returns the number of rows of its product."""
    from skymill.config.detect import CandidateConfig, SepConfig, SourceExtractorConfig
    from skymill.config.ingest import IngestConfig, TileFacts

    recipe = {"stage": stage, "name": "big", "version": "0" * 10, "revision": 1, "parents": {}}
    product, tile = folder / stage / "catalogue.parquet", folder / "ingest" / "tile.fits"
    product.parent.mkdir(exist_ok=True)
    if stage == "ingest":
        from skymill.ingest.ingest import ingest_tile

        facts = TileFacts(tile_id="big", survey="sdss_r")
        params = {
            "seed": 1,
            "tile": facts.recipe_params(),
            "survey": survey().model_dump(mode="json"),
            "ingest": IngestConfig().recipe_params(),
        }
        ingest_tile({**recipe, "params": params}, folder / "image.fits", tile)
    elif stage == "infer":
        from skymill.detectors.infer import infer_tile

        candidates = CandidateConfig.model_validate(
            {"detector": {"kind": "network", "model": "finder", "least_probability": 0.2}}
        )
        params = {"seed": 1, "candidates": candidates.recipe_params()}
        infer_tile({**recipe, "params": params}, tile, MODELS / "unet", product, MODELS / "finder")
    else:
        from skymill.detectors.baseline import baseline_tile

        kind = {"sep": SepConfig, "source_extractor": SourceExtractorConfig}[stage]
        params = {"seed": 1, "detector": kind(kind=stage).recipe_params()}
        baseline_tile({**recipe, "params": params}, tile, product)
    return json.loads((folder / stage / "provenance.json").read_text())["rows"]


def measure(stage: str, folder: Path) -> tuple[int, float, float]:
    """Run a stage in a process of its own: rows, seconds, GB."""
    command = [sys.executable, __file__, "--run", stage, "--folder", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    rows, kilobytes = json.loads(done.stdout.splitlines()[-1])
    return rows, time.perf_counter() - started, kilobytes * 1024 / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=5000, help="side of the tile (px)")
    parser.add_argument("--folder", type=Path, help="where to work; kept. Default: a temporary one")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--run", choices=STAGES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        import resource

        rows = run_stage(given.run, given.folder)
        peak = max(
            resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        print(json.dumps([rows, peak]))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "image.fits").exists():
            write_image(folder / "image.fits", given.side)
        print(f"{given.side} × {given.side} px\n")
        print("| stage | rows | time (s) | memory (GB) |\n|---|---|---|---|")
        for stage in given.stages:
            rows, seconds, gigabytes = measure(stage, folder)
            print(f"| {stage} | {rows} | {seconds:.0f} | {gigabytes:.2f} |", flush=True)


if __name__ == "__main__":
    main()
