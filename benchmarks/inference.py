"""The whole neural path on one tile beside source-extractor, sep and photutils: time, memory, and where the time goes.

    PYTHONPATH=src python benchmarks/inference.py TILE --models models/sdss_r/unet
    PYTHONPATH=src python benchmarks/inference.py TILE --models models/sdss_r/unet --finder models/sdss_r/finder
    PYTHONPATH=src python benchmarks/inference.py TILE --models models/sdss_r/unet --finder models/sdss_r/finder \\
        --candidates '{"kind": "network", "model": "finder", "least_probability": 0.2}'
    PYTHONPATH=src python benchmarks/inference.py TILE --models A B --candidates '{"kind": "sep", "setting": "plain"}'

TILE is a tile that ingest made. Everything runs on the same number of threads, each in a process of its own, in turn
and several times; the medians are printed, and each time over that of source-extractor in the same run. Starting
Python, imports and reading the model are stated apart. For each model: operations (counted by torch), bytes that have
to be moved at least (weights once a batch, stamps once), and what this machine reaches in a matrix product and in a
copy.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from detectors import PeakMemory

BASELINES = ("source_extractor", "sep", "photutils")
PLAIN_SEP = '{"kind": "sep", "setting": "plain"}'
MATRIX, COPY_MB = 2048, 512


def measure_baseline(kind: str, path: str) -> dict[str, float]:
    """Run a baseline in this process."""
    started = time.perf_counter()
    from skymill.data.tile import Tile
    from skymill.detectors.build import build_detector

    detector = build_detector({"kind": kind, "setting": "plain"})
    tile = Tile.read(path)
    loaded = time.perf_counter()
    with PeakMemory() as memory:
        found = detector.detect(tile, {})
    return {
        "import_s": loaded - started,
        "detect_s": time.perf_counter() - loaded,
        "measure_s": 0.0,
        "objects": len(found),
        "peak_mib": memory.peak,
    }


def measure_network(model: str, path: str, candidates: str, finder: str, device: str) -> dict[str, float]:
    """Run detection and a network in this process."""
    started = time.perf_counter()
    from skymill.config.detect import CandidateConfig
    from skymill.data.tile import Tile
    from skymill.detectors.measurement import catalogue
    from skymill.detectors.neural import NeuralDetector
    from skymill.inference.measure import measure
    from skymill.training.card import load_model
    from skymill.training.finder_card import load_finder

    given = candidates or ("" if finder else PLAIN_SEP)
    config = CandidateConfig.model_validate({"detector": json.loads(given)} if given else {})
    detector = NeuralDetector(config, load_model(model), device, load_finder(finder) if finder else None)
    tile = Tile.read(path)
    loaded = time.perf_counter()
    with PeakMemory() as memory:
        found = detector.candidates.find(tile)
        detected = time.perf_counter()
        measured = measure(tile, found["x"], found["y"], detector.model, device=device)
        fluxes = {name: values for name, values in measured.items() if name.startswith("flux")}
        objects = len(catalogue({**found, **fluxes}, tile, {}))
    return {
        "import_s": loaded - started,
        "detect_s": detected - loaded,
        "measure_s": time.perf_counter() - detected,
        "objects": objects,
        "peak_mib": memory.peak,
    }


def roofline(model: str, stamps: int = 256) -> dict[str, float]:
    """Count a network's operations and bytes for a batch, and time it beside a matrix product and a copy."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from skymill.training.card import load_model
    from skymill.training.probe import probe_stamps

    loaded = load_model(model)
    image = probe_stamps(loaded.card.input_px).repeat(stamps // 3 + 1, 1, 1, 1)[:stamps]
    inputs = loaded.task.inputs(image, torch.zeros(stamps, 2))
    with torch.inference_mode():
        with FlopCounterMode(display=False) as counter:
            loaded.network(inputs)
        seconds = timed(lambda: loaded.network(inputs))
        square = torch.randn(MATRIX, MATRIX)
        product = timed(lambda: square @ square)
        memory = torch.empty(COPY_MB * 250_000)
        copy = timed(lambda: memory.clone())
    weights = sum(value.numel() * value.element_size() for value in loaded.network.state_dict().values())
    operations, moved = counter.get_total_flops(), weights + image.numel() * 4
    return {
        "stamps_per_s": stamps / seconds,
        "mflop_per_stamp": operations / stamps / 1e6,
        "gflop_per_s": operations / seconds / 1e9,
        "machine_gflop_per_s": 2 * MATRIX**3 / product / 1e9,
        "kb_per_stamp": moved / stamps / 1e3,
        "machine_gb_per_s": 2 * memory.numel() * 4 / copy / 1e9,
    }


def timed(work, repeats: int = 5) -> float:
    """Return the shortest time of several runs after a first one."""
    work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def run_apart(arguments: argparse.Namespace, *task: str) -> dict[str, float]:
    """Run one task in a process of its own; its whole time includes the start of Python."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads)}
    command = [sys.executable, __file__, arguments.tile, "--candidates", arguments.candidates, "--one", *task]
    command += ["--device", arguments.device, "--finder", arguments.finder]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(done.stderr)
    return {**json.loads(done.stdout), "whole_s": time.perf_counter() - started}


def print_table(results: dict[str, list[dict[str, float]]], megapixels: float) -> None:
    """Print the medians of all runs, and times over source-extractor's."""
    medians = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        for name, runs in results.items()
    }
    work = {name: row["detect_s"] + row["measure_s"] for name, row in medians.items()}
    reference = work.get("source_extractor")
    print(
        f"{'who':<26}{'objects':>8}{'detect s':>10}{'measure s':>10}{'work s':>8}{'/ SE':>7}{'obj/s':>8}{'Mpx/s':>7}"
        f"{'start s':>9}{'whole s':>9}{'peak MiB':>10}"
    )
    for name, row in medians.items():
        ratio = f"{work[name] / reference:.2f}" if reference else "-"
        print(
            f"{name:<26}{row['objects']:>8.0f}{row['detect_s']:>10.2f}{row['measure_s']:>10.2f}{work[name]:>8.2f}"
            f"{ratio:>7}{row['objects'] / work[name]:>8.0f}{megapixels / work[name]:>7.1f}"
            f"{row['whole_s'] - work[name]:>9.2f}{row['whole_s']:>9.2f}{row['peak_mib']:>10.0f}"
        )


def print_roofline(name: str, row: dict[str, float]) -> None:
    intensity = row["mflop_per_stamp"] * 1e3 / row["kb_per_stamp"]
    reached = row["gflop_per_s"] / row["machine_gflop_per_s"]
    print(
        f"{name}: {row['stamps_per_s']:.0f} stamps/s, {row['mflop_per_stamp']:.0f} MFLOP a stamp, "
        f"{row['gflop_per_s']:.0f} GFLOP/s = {100 * reached:.0f} % of the {row['machine_gflop_per_s']:.0f} of a matrix "
        f"product; {row['kb_per_stamp']:.0f} kB a stamp at least, {intensity:.0f} FLOP a byte; a copy moves "
        f"{row['machine_gb_per_s']:.1f} GB/s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tile")
    parser.add_argument("--models", nargs="+", default=[], help="folders of models")
    parser.add_argument(
        "--candidates", default="", help="the networks' candidates: a detector as JSON; sep's by default"
    )
    parser.add_argument(
        "--finder",
        default="",
        help="folder of a network that finds the candidates, as --candidates or its card says",
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu", choices=("cpu", "gpu"))
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        kind, name = arguments.one
        if kind == "baseline":
            result = measure_baseline(name, arguments.tile)
        elif kind == "roofline":
            result = roofline(name)
        else:
            result = measure_network(
                name, arguments.tile, arguments.candidates, arguments.finder, arguments.device
            )
        print(json.dumps(result))
        return
    from skymill.data.tile import Tile
    from skymill.plan.available import missing_detectors

    height, width = Tile.read(arguments.tile).shape
    print(f"{arguments.tile}: {width} x {height} px, {arguments.threads} thread(s), {arguments.device}")
    tasks = {kind: ("baseline", kind) for kind in BASELINES if kind not in missing_detectors()}
    tasks |= {"/".join(Path(model).parts[-2:]): ("network", model) for model in arguments.models}
    results: dict[str, list[dict[str, float]]] = {name: [] for name in tasks}
    for _ in range(arguments.repeats):
        for name, task in tasks.items():
            results[name].append(run_apart(arguments, *task))
    print_table(results, height * width / 1e6)
    for model in arguments.models:
        print_roofline("/".join(Path(model).parts[-2:]), run_apart(arguments, "roofline", model))


if __name__ == "__main__":
    main()
