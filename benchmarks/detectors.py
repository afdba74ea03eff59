"""Time and peak memory of the baselines on one tile.

    PYTHONPATH=src python benchmarks/detectors.py results/artifacts/ingest/<tile>/<version>/tile.fits
    PYTHONPATH=src python benchmarks/detectors.py --side 8192

Each detector runs in a process of its own. Memory is sampled from /proc (Linux): what the process and the programs that
it calls hold for themselves, without the pages of the tile's file, which the kernel takes back when it needs them.
Without a tile one of Gaussian galaxies is made, of --side x --side pixels.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from skymill.data.tile import Tile, TileMeta
from skymill.detectors.build import build_detector
from skymill.detectors.detector import EXTRACTORS
from skymill.detectors.source_extractor import find_program


def make_tile(path: Path, side: int) -> None:
    """Write a tile with one galaxy in 64 x 64 pixels on noise of rms 1."""
    random = np.random.default_rng(1)
    science = random.standard_normal((side, side), dtype=np.float32)
    y, x = np.mgrid[-20:21, -20:21]
    for y0 in range(32, side - 32, 64):
        for x0 in range(32, side - 32, 64):
            size = random.uniform(1.5, 4.0)
            flux = 10 ** random.uniform(2.0, 4.5)
            light = np.exp(-(x**2 + (y / 0.7) ** 2) / (2 * size**2)) / (2 * np.pi * size**2 * 0.7)
            science[y0 - 20 : y0 + 21, x0 - 20 : x0 + 21] += flux * light
    meta = TileMeta("benchmark", "none", "r", 0.4, 25.0, 100.0, None, 3.5)
    Tile(science, np.ones_like(science), np.zeros(science.shape, np.uint8), None, meta).write(path)


class PeakMemory:
    """Samples the memory of this process and its children in the background."""

    def __enter__(self) -> PeakMemory:
        self.peak, self._stop = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            self.peak = max(self.peak, sum(anonymous_mib(pid) for pid in family()))


def family() -> list[str]:
    own = str(os.getpid())
    children = (path.read_text().split() for path in Path(f"/proc/{own}/task").glob("*/children"))
    return [own, *(pid for pids in children for pid in pids)]


def anonymous_mib(pid: str) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # it has ended
        return 0.0
    return sum(float(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")) / 1024


def measure(kind: str, setting: str, path: str) -> dict[str, float]:
    """Run one detector in this process."""
    detector = build_detector({"kind": kind, "setting": setting})
    tile, start = Tile.read(path), anonymous_mib(str(os.getpid()))
    started = time.perf_counter()
    with PeakMemory() as memory:
        found = detector.detect(tile, {})
    return {
        "sources": len(found),
        "seconds": time.perf_counter() - started,
        "start": start,
        "peak": memory.peak,
    }


def run_apart(kind: str, setting: str, path: str) -> dict[str, float]:
    command = [sys.executable, __file__, path, "--one", kind, "--setting", setting]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tile", nargs="?", help="a tile that skymill's ingest made")
    parser.add_argument(
        "--side", type=int, default=4096, help="side of the tile that is made without one (px)"
    )
    parser.add_argument("--setting", choices=("plain", "cold_hot"), default="plain")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.setting, arguments.tile)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.tile or str(Path(folder) / "tile.fits")
        if not arguments.tile:
            make_tile(Path(path), arguments.side)
        height, width = Tile.read(path).shape
        print(f"{path}: {width} x {height} px, setting {arguments.setting}")
        print(f"{'detector':<18}{'sources':>9}{'seconds':>9}{'Mpx/s':>8}{'start MiB':>11}{'peak MiB':>10}")
        for kind in EXTRACTORS:
            if kind == "source_extractor" and find_program() is None:
                print(f"{kind:<18} not installed")
                continue
            r = run_apart(kind, arguments.setting, path)
            speed = height * width / 1e6 / r["seconds"]
            print(
                f"{kind:<18}{r['sources']:>9.0f}{r['seconds']:>9.2f}{speed:>8.1f}{r['start']:>11.0f}{r['peak']:>10.0f}"
            )


if __name__ == "__main__":
    main()
