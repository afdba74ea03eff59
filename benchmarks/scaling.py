"""Planning time and memory for many tiles: what `snakemake -n` costs, by number of tiles and tiles per job.

    PYTHONPATH=src python benchmarks/scaling.py
    PYTHONPATH=src python benchmarks/scaling.py --tiles 100 1000 --per-job auto 50

The tiles are rows of a table whose files need not be there. The run has one shipped network and two baselines, so each
tile has four artifacts. Each dry run is a process of its own; its processor time and peak memory are the kernel's.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from skymill.plan.chunks import tiles_per_job

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
AUTO = "auto"


@dataclass(frozen=True)
class Cost:
    """What a process took."""

    jobs: int
    wall_s: float
    processor_s: float
    memory_mb: float


def write_run(folder: Path, tiles: int, per_job: int | None) -> None:
    """Write configuration and tile table of a run into `folder`."""
    (folder / "config.yaml").write_text(yaml.safe_dump({**CONFIG, "tiles_per_job": per_job}))
    rows = [f"t{number:06d}\thst_f160w\ttiles/t{number:06d}.fits\t{number:064x}\n" for number in range(tiles)]
    (folder / "tiles.tsv").write_text("tile_id\tsurvey\timage\tsha256\n" + "".join(rows))


def dry_run(folder: Path) -> Cost:
    """Plan the run in `folder`."""
    where = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder), "--cores", "2"]
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "rules", *where]
    command += ["--configfile", str(folder / "config.yaml")]
    started = time.perf_counter()
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    text = (folder / "log.txt").read_text()
    if process.returncode:
        raise SystemExit(text)
    jobs = int(re.findall(r"^total\s+(\d+)$", text, re.MULTILINE)[-1])
    return Cost(jobs, wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiles", type=int, nargs="+", default=[0, 100, 1_000, 10_000, 100_000])
    parser.add_argument(
        "--per-job", nargs="+", default=[AUTO], help="numbers, or 'auto' for what skymill chooses"
    )
    parser.add_argument("--repeat", type=int, default=3, help="the fastest of so many runs counts")
    asked = parser.parse_args(arguments)
    print("| tiles | tiles per job | jobs | processor (s) | wall (s) | peak memory (MB) |")
    print("|---|---|---|---|---|---|")
    for tiles in asked.tiles:
        for size in asked.per_job:
            per_job = None if size == AUTO else int(size)
            with tempfile.TemporaryDirectory() as folder:
                write_run(Path(folder), tiles, per_job)
                costs = [dry_run(Path(folder)) for _ in range(asked.repeat)]
            best = min(costs, key=lambda cost: cost.processor_s)
            shown = per_job or f"{tiles_per_job(tiles)} (default)"
            print(
                f"| {tiles:,} | {shown} | {best.jobs:,} | {best.processor_s:.1f} | "
                f"{min(cost.wall_s for cost in costs):.1f} | {best.memory_mb:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
