"""Time of a network that finds sources on one tile, step by step, on one thread.

    OMP_NUM_THREADS=1 PYTHONPATH=src python benchmarks/detection_network.py
    OMP_NUM_THREADS=1 PYTHONPATH=src python benchmarks/detection_network.py --finder FOLDER

Seconds are those of the processor, so that a busy machine does not count. Without --finder the network has random
weights, which takes the same time. The tile is of --width x --height pixels with one Gaussian source in 50 x 50; forms
are measured at the sources' true places.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from skymill.config.detect import NetworkFinderConfig
from skymill.config.finder import FinderConfig
from skymill.data.survey import load_survey
from skymill.data.tile import Tile, TileMeta
from skymill.detectors.detector import unusable
from skymill.detectors.moments import gaussian_forms
from skymill.detectors.network import NetworkFinder
from skymill.inference.detection import Finder, smooth_rms
from skymill.inference.measure import fill_bad
from skymill.models.build import count_parameters
from skymill.models.detection_unet import DetectionUnet, folded
from skymill.tasks.detection import DetectionTask
from skymill.tasks.peaks import find_peaks
from skymill.training.finder_card import Calibration, FinderCard, FinderModel, load_finder

SURVEYS = Path(__file__).resolve().parents[1] / "config" / "surveys"
UNKNOWN = {"slope": 1.0, "intercept": 0.0, "least_probability": 0.5, "purity": 0.0, "completeness": 0.0}
UNKNOWN |= {"max_distance_px": 2.0, "calibration_error": 0.0, "reliability": ()}


def random_finder() -> FinderModel:
    """A finder with random weights for SDSS r."""
    config, survey = FinderConfig(), load_survey("sdss_r", SURVEYS)
    task = DetectionTask(config.task, survey.psf_fwhm_px)
    network = DetectionUnet(config.network, task.channels).eval()
    card = FinderCard.model_construct(
        name="random",
        survey=survey,
        network=config.network,
        task=config.task,
        detection=Calibration(**UNKNOWN),
    )
    return FinderModel(network, task, card)


def make_tile(width: int, height: int) -> tuple[Tile, np.ndarray, np.ndarray]:
    """A tile of noise of rms 1 with sources of S/N 20 on it, and their places."""
    random = np.random.default_rng(1)
    science = random.standard_normal((height, width), dtype=np.float32)
    x, y = random.uniform(20, [[width - 20], [height - 20]], (2, width * height // 2500))
    row, column = np.mgrid[-8:9, -8:9]
    for x0, y0 in zip(x, y, strict=True):
        xi, yi = round(x0), round(y0)
        light = np.exp(-((column - (x0 - xi)) ** 2 + (row - (y0 - yi)) ** 2) / 4.2) * 8
        science[yi - 8 : yi + 9, xi - 8 : xi + 9] += light
    meta = TileMeta("benchmark", "sdss_r", "r", 0.396, 22.5, 100.0, None, 3.42)
    tile = Tile(science, np.ones_like(science), np.zeros(science.shape, np.uint8), None, meta)
    return tile, x, y


def best_of(work: Callable[[], Any], repeats: int = 3) -> float:
    times = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--finder", help="folder of a trained finder")
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--height", type=int, default=1489)
    arguments = parser.parse_args()
    model = load_finder(arguments.finder) if arguments.finder else random_finder()
    tile, x, y = make_tile(arguments.width, arguments.height)
    pixels = arguments.width * arguments.height
    window = tile.window(0, 1024, 0, 1024)
    finder, share = Finder(model), pixels / 1024**2
    bad = unusable(window)
    image = torch.from_numpy(np.ascontiguousarray(window.science))[None, None]
    network = folded(model.network)
    with torch.inference_mode():
        inputs = model.task.inputs(image)
        maps = network(inputs)
        with FlopCounterMode(display=False) as counter:
            network(inputs)
        steps = {
            "unit: smoothed rms": best_of(lambda: smooth_rms(window.rms, bad)),
            "bad pixels filled": best_of(lambda: fill_bad(window.science[None], bad[None])),
            "compressed channels": best_of(lambda: model.task.inputs(image)),
            "network": best_of(lambda: network(inputs)),
            "peaks": best_of(lambda: find_peaks(maps, 0.0)),
        }
    forms = best_of(lambda: gaussian_forms(tile.science, tile.rms, unusable(tile), x, y, 3.42))
    whole = NetworkFinder(NetworkFinderConfig(kind="network", model="finder"), model)
    macs = counter.get_total_flops() / 2 / 1024**2
    print(
        f"{count_parameters(model.network):,} parameters, {macs:,.0f} multiplications a pixel, "
        f"{finder.reach_px} px reach"
    )
    print(f"{torch.get_num_threads()} thread(s); seconds for {arguments.width} x {arguments.height} px")
    for name, seconds in steps.items():
        print(f"  {name:<24}{seconds * share:8.2f}")
    print(f"  {f'forms of {len(x)} sources':<24}{forms:8.2f}")
    print(f"  {'all, in windows':<24}{best_of(lambda: whole.find(tile)):8.2f}")


if __name__ == "__main__":
    main()
