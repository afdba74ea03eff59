"""What many tiles cost: the planning of thousands, and the execution of some hundreds beside the bare library calls.

    PYTHONPATH=src python benchmarks/scaling.py plan
    PYTHONPATH=src python benchmarks/scaling.py plan --tiles 100 1000 --per-job auto 50
    PYTHONPATH=src python benchmarks/scaling.py execute --tiles 10 100 500 --per-job auto 25
    PYTHONPATH=src python benchmarks/scaling.py execute --tiles 10 --size 1489 2048 --sources 1000

`plan` is `snakemake -n`. Its tiles are rows of a table whose files need not be there; the run has one shipped network
and two baselines, so each tile has four artifacts. `execute` draws tiles of sdss_r (noise and round sources) and makes
three artifacts of each, ingest, infer with the shipped U-Net and baseline with sep: by the workflow in each size of
chunks, and once by a single process that calls the same library functions in a loop ("bare").

Each run is a process of its own; its processor time, with that of all processes it started, and its peak memory are the
kernel's. Processes compute with one thread, so that their processor times can be compared on a busy machine.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from astropy.io import fits

from skymill.config.run import load_config
from skymill.plan.build import build_plan
from skymill.plan.chunks import tiles_per_job
from skymill.plan.plan import Plan

ROOT = Path(__file__).resolve().parents[1]
CONFIG = {
    "run": "scaling",
    "seed": 1,
    "survey": "hst_f160w",
    "populations": {"galaxies": {"kind": "parametric", "n_galaxies": 100}},
    "blend": {"population": "galaxies", "n_train": 10, "n_validation": 10, "n_test": 10},
    "pretrained": {"unet": "unet_tiles"},
    "detectors": {name: {"kind": name, "setting": "plain"} for name in ("sep", "photutils")},
    "tiles": "tiles.tsv",
}
EXECUTED = {
    **CONFIG,
    "survey": "sdss_r",
    "pretrained": {"unet": "unet"},
    "detectors": {"sep": {"kind": "sep", "setting": "plain"}},
}
STAGES = ("ingest", "infer", "baseline")
AUTO = "auto"
RMS, FWHM_PX, SCALE_ARCSEC = 0.031, 3.54, 0.396


@dataclass(frozen=True)
class Cost:
    """What a process took, with those that it started."""

    jobs: int
    wall_s: float
    processor_s: float
    memory_mb: float


def timed(command: Sequence[str], folder: Path) -> Cost:
    """Run a command in `folder`."""
    started = time.perf_counter()
    with (folder / "log.txt").open("w") as log:
        one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **one}
        )
        _, status, used = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    text = (folder / "log.txt").read_text()
    if process.returncode:
        raise SystemExit(text)
    jobs = int((re.findall(r"^total\s+(\d+)$", text, re.MULTILINE) or [0])[-1])
    return Cost(jobs, wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def snakemake(folder: Path, cores: int, *more: str) -> Cost:
    """Run the workflow in `folder`."""
    where = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder), "--cores", str(cores)]
    where += ["--configfile", str(folder / "config.yaml")]
    return timed([sys.executable, "-m", "snakemake", *more, *where], folder)


def write_config(folder: Path, config: dict, per_job: int | None) -> None:
    """Write the configuration of a run into `folder`."""
    (folder / "config.yaml").write_text(yaml.safe_dump({**config, "tiles_per_job": per_job}))


def write_table(folder: Path, tiles: int) -> None:
    """Write the table of tiles that are not there."""
    rows = [f"t{number:06d}\thst_f160w\ttiles/t{number:06d}.fits\t{number:064x}\n" for number in range(tiles)]
    (folder / "tiles.tsv").write_text("tile_id\tsurvey\timage\tsha256\n" + "".join(rows))


def draw_tiles(folder: Path, tiles: int, shape: tuple[int, int], sources: int) -> None:
    """Draw tiles of sdss_r, half of their sources stars, and write their table."""
    (folder / "tiles").mkdir()
    lines = ["tile_id\tsurvey\timage\n"]
    for number in range(tiles):
        name = f"t{number:06d}"
        header = fits.Header(
            {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 1.0, "CRPIX2": 1.0,
             "CRVAL1": 10 + 0.1 * (number % 50), "CRVAL2": 0.1 * (number // 50),
             "CDELT1": -SCALE_ARCSEC / 3600, "CDELT2": SCALE_ARCSEC / 3600}
        )  # fmt: skip
        fits.writeto(folder / "tiles" / f"{name}.fits", _pixels(number, shape, sources), header)
        lines.append(f"{name}\tsdss_r\ttiles/{name}.fits\n")
    (folder / "tiles.tsv").write_text("".join(lines))


def _pixels(seed: int, shape: tuple[int, int], sources: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = rng.normal(0, RMS, shape)
    half = 16
    grid = np.arange(-half, half + 1)
    for number in range(sources):
        y, x = (int(rng.integers(half, side - half)) for side in shape)
        spread = FWHM_PX / 2.3548 * (1.0 if number % 2 else rng.uniform(1.2, 2.5))
        flux = 10 ** (-0.4 * (rng.uniform(16, 22.5) - 22.5))
        profile = np.exp(-(grid**2) / (2 * spread**2))
        stamp = np.outer(profile, profile) * flux / (2 * np.pi * spread**2)
        image[y - half : y + half + 1, x - half : x + half + 1] += stamp
    return image.astype(np.float32)


def planned(folder: Path) -> Plan:
    """Plan the run in `folder`, which has to be the working directory."""
    return build_plan(load_config(yaml.safe_load((folder / "config.yaml").read_text())), ROOT)


def targets(plan: Plan) -> list[str]:
    """Return what the workflow is asked for: catalogues of tiles, or what ties them together."""
    tallies = [plan.chunks.tally(stage, "tiles") for stage in STAGES[1:]]
    if None not in tallies:
        return [str(path) for path in tallies]
    ours = [made for made in plan if made.recipe.stage in STAGES[1:] and made.recipe.name.startswith("t0")]
    return [made.file("catalogue") for made in ours]


def call_bare(folder: Path) -> None:
    """Make all tiles' artifacts in this process, which works in `folder`."""
    from skymill.detectors.baseline import baseline_tile
    from skymill.detectors.infer import infer_tile, load_detector
    from skymill.ingest.ingest import ingest_tile

    plan, model, detector = planned(folder), ROOT / "models/sdss_r/unet", None
    for made in plan.chunks.artifacts():
        recipe, inputs = made.recipe.to_dict(), made.inputs
        if made.recipe.stage == "ingest":
            ingest_tile(recipe, image=inputs["image"], output=made.file("tile"))
        elif made.recipe.stage == "infer":
            detector = detector or load_detector(recipe, model)
            infer_tile(recipe, inputs["tile"], model, made.file("catalogue"), detector=detector)
        else:
            baseline_tile(recipe, inputs["tile"], made.file("catalogue"))


def kept_bytes(folder: Path) -> tuple[int, int]:
    """Return the bytes of the tiles' artifacts, and of all else that a run has left: notes, logs, manifests."""
    artifacts = notes = 0
    for path in (path for name in ("results", ".snakemake") for path in (folder / name).rglob("*")):
        if path.is_file():
            is_ours = path.relative_to(folder).parts[1:3] in {("artifacts", stage) for stage in STAGES}
            artifacts, notes = (
                artifacts + is_ours * path.stat().st_size,
                notes + (not is_ours) * path.stat().st_size,
            )
    return artifacts, notes


def report_planning(asked: argparse.Namespace) -> None:
    """Print what dry runs cost."""
    print("| tiles | tiles per job | jobs | processor (s) | wall (s) | peak memory (MB) |")
    print("|---|---|---|---|---|---|")
    for tiles in asked.tiles:
        for size in asked.per_job:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                write_config(folder, CONFIG, _number(size))
                write_table(folder, tiles)
                costs = [snakemake(folder, 2, "--dry-run", "--quiet", "rules") for _ in range(asked.repeat)]
            best = min(costs, key=lambda cost: cost.processor_s)
            print(
                f"| {tiles:,} | {_shown(size, tiles)} | {best.jobs:,} | {best.processor_s:.1f} | "
                f"{min(cost.wall_s for cost in costs):.1f} | {best.memory_mb:.0f} |",
                flush=True,
            )


def report_execution(asked: argparse.Namespace) -> None:
    """Print what tiles cost when they are made."""
    print(
        "| tiles | tiles per job | jobs | processor a tile (s) | more than bare | a job's start (s) "
        "| wall a tile (s) | artifacts a tile (kB) | else a tile (kB) |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for tiles in asked.tiles:
        bare = execute(tiles, "bare", asked, None)
        for size in asked.per_job:
            execute(tiles, size, asked, bare)


def execute(tiles: int, size: str, asked: argparse.Namespace, bare: Cost | None) -> Cost:
    """Make tiles in a new folder, and print the row."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_tiles(folder, tiles, tuple(asked.size), asked.sources)
        write_config(folder, EXECUTED, tiles + 1 if bare is None else _number(size))
        if bare is None:
            cost = timed([sys.executable, __file__, "bare"], folder)
            shown, more, start = "bare", "", ""
        else:
            with chdir(folder):
                wanted = targets(planned(folder))
            cost = snakemake(folder, asked.cores, *wanted, "--quiet", "rules")
            shown = _shown(size, tiles)
            more = f"{cost.processor_s / bare.processor_s - 1:.0%}"
            start = f"{(cost.processor_s - bare.processor_s) / cost.jobs:.1f}"
        artifacts, notes = kept_bytes(folder)
    print(
        f"| {tiles:,} | {shown} | {cost.jobs or ''} | {cost.processor_s / tiles:.2f} | {more} | {start} | "
        f"{cost.wall_s / tiles:.2f} | {artifacts / tiles / 1e3:.0f} | {notes / tiles / 1e3:.1f} |",
        flush=True,
    )
    return cost


def _number(size: str) -> int | None:
    return None if size == AUTO else int(size)


def _shown(size: str, tiles: int) -> str:
    return f"{tiles_per_job(tiles)} (default)" if size == AUTO else size


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    planning = commands.add_parser("plan", help="dry runs")
    planning.add_argument("--tiles", type=int, nargs="+", default=[0, 100, 1_000, 10_000, 100_000])
    planning.add_argument("--repeat", type=int, default=3, help="the fastest of so many runs counts")
    planning.set_defaults(report=report_planning)
    execution = commands.add_parser("execute", help="tiles of sdss_r through ingest, infer and baseline")
    execution.add_argument("--tiles", type=int, nargs="+", default=[10, 100, 500])
    execution.add_argument("--size", type=int, nargs=2, default=[256, 256], help="height and width, pixels")
    execution.add_argument("--sources", type=int, default=40, help="sources on a tile")
    execution.add_argument("--cores", type=int, default=2)
    execution.set_defaults(report=report_execution)
    for command in (planning, execution):
        command.add_argument(
            "--per-job", nargs="+", default=[AUTO], help="numbers, or 'auto' for what skymill chooses"
        )
    bare = commands.add_parser("bare", help="what `execute` starts in the folder of a run")
    bare.set_defaults(report=lambda _: call_bare(Path.cwd()))
    asked = parser.parse_args(arguments)
    asked.report(asked)


if __name__ == "__main__":
    main()
