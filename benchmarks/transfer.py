"""How many galaxies of a new survey does a network need, and how many fewer if it starts from one of another survey?

    PYTHONPATH=src python benchmarks/transfer.py --out FOLDER
    PYTHONPATH=src python benchmarks/transfer.py --out FOLDER --quick

A U-Net is trained for the survey --target with each number of --galaxies (and a fifth as many to validate on): from
random weights, from the shipped network --source, and from it with its first --frozen stages kept. All see the same
number of blends, composed anew in each epoch, so that all take equally many steps; what differs is how many distinct
galaxies these are made of, fewer ones being among the more. All measure the same test blends, and so does the source
as it is. FOLDER gets transfer.json, transfer.png and the networks; a run that was stopped goes on with the next
network. --quick shows that it works, in seconds; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from skymill.blend.gather import blend_set
from skymill.blend.shard import blend_shard
from skymill.catalog.catalogue import Catalogue
from skymill.catalog.flags import Flag
from skymill.config.blend import BlendConfig
from skymill.config.simulate import ParametricPopulation, SplitConfig
from skymill.config.train import ModelConfig
from skymill.data.survey import load_survey
from skymill.detectors.evaluate import evaluate_model
from skymill.metrics.bootstrap import bootstrap_intervals
from skymill.metrics.photometry import flux_mape
from skymill.provenance.atomic import write_text
from skymill.provenance.recipe import Recipe
from skymill.rng import rng
from skymill.simulate.gather import simulate_population
from skymill.simulate.shard import simulate_shard
from skymill.training.card import CARD, read_card
from skymill.training.train import cpu_threads, train_model

ROOT = Path(__file__).resolve().parents[1]
SHARD = 500
SPLIT = {"train": 0.66, "validation": 0.14, "test": 0.2}
LEAST_VALIDATION = 10
"""Galaxies to validate on, however few there are to train on."""
BRIGHT_MAG = 19.0
BLEND = {
    "group_sizes": {1: 0.35, 2: 0.35, 3: 0.2, 4: 0.1},
    "delta_mag": (0.0, 4.0),
    "noise": {"kind": "poisson"},
}
TRAINING = {"batch_size": 64, "learning_rate": 1e-3, "patience_epochs": None, "augment": {"shift_px": 1}}
AS_IT_IS, SCRATCH, FREE = "as it is", "from random weights", "all stages free"
SUBSETS = {"all": "all galaxies", "bright": f"galaxies brighter than {BRIGHT_MAG:g} mag"}
QUICK = {
    "galaxies": [30],
    "blends": 64,
    "epochs": 1,
    "validation": 8,
    "test": 20,
    "frozen": [4],
    "population": {"mag": (17.0, 21.0)},
}


def main(arguments: Sequence[str] | None = None) -> None:
    settings, out = parsed(arguments)
    results = Results(out / "transfer.json", settings)
    galaxies, blends = make_galaxies(settings, out), None
    for galaxies_seen, way, start in cells(settings):
        if results.has(galaxies_seen, way):
            continue
        blends = blends or make_blends(settings, galaxies, out)
        started = time.perf_counter()
        folder = out / "models" / f"{galaxies_seen}_{way.replace(' ', '_')}"
        if way == AS_IT_IS:
            model = ROOT / "models" / settings["source"]
        else:
            model = train(settings, galaxies, galaxies_seen, start, folder)
        with cpu_threads(settings["threads"]):
            figures = measure(settings, model, blends, folder / "measured")
        results.add(galaxies_seen, way, figures, time.perf_counter() - started)
    print(f"\n{table(results)}")
    draw(results, out / "transfer.png")


def parsed(arguments: Sequence[str] | None) -> tuple[dict[str, Any], Path]:
    """Read the command line: all that determines the figures, and the folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--source", default="hst_f160w/unet", help="shipped network: survey/name")
    parser.add_argument("--target", default="sdss_r", help="survey")
    parser.add_argument("--population", type=json.loads, default={}, help="JSON: keys of the population")
    parser.add_argument("--galaxies", type=int, nargs="+", default=[50, 200, 1000, 5000])
    parser.add_argument("--frozen", type=int, nargs="+", default=[4, 8], help="first stages that are kept")
    parser.add_argument("--blends", type=int, default=20_000, help="that each training sees in all")
    parser.add_argument("--epochs", type=int, default=10, help="validations of each training")
    parser.add_argument("--validation", type=int, default=400, help="blends")
    parser.add_argument("--test", type=int, default=1500, help="blends")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    settings = vars(parser.parse_args(arguments))
    out = settings.pop("out")
    if settings.pop("quick"):
        settings |= QUICK
    settings["population"] = {"preset": "sdss", "stamp_px": 160, "knots": {}} | settings["population"]
    return settings, out


def cells(settings: dict[str, Any]) -> Iterator[tuple[int, str, dict[str, Any] | None]]:
    """Give what is measured: number of galaxies, in words how the network comes about, what it starts from."""
    yield 0, AS_IT_IS, None
    for count in settings["galaxies"]:
        yield count, SCRATCH, None
        yield count, FREE, {"model": settings["source"]}
        for stages in settings["frozen"]:
            yield count, f"first {stages} stages kept", {"model": settings["source"], "frozen_stages": stages}


class Results:
    """Figures so far, in a JSON file that is whole after each of them."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path, self.settings, self.rows = path, json.loads(json.dumps(settings)), []
        if path.is_file():
            before = json.loads(path.read_text())
            if before["settings"] != self.settings:
                sys.exit(f"{path}: made with other settings; choose another folder")
            self.rows = before["rows"]

    def has(self, galaxies: int, way: str) -> bool:
        return any((row["galaxies"], row["way"]) == (galaxies, way) for row in self.rows)

    def add(self, galaxies: int, way: str, figures: dict[str, dict[str, float]], seconds: float) -> None:
        self.rows.append({"galaxies": galaxies, "way": way, "flux_mape": figures, "seconds": seconds})
        content = {"settings": self.settings, "rows": self.rows}
        write_text(self.path, json.dumps(content, indent=1, allow_nan=False) + "\n")
        print(f"{galaxies:>6} {way:<22} {text(figures['all'])} % in {seconds:.0f} s", flush=True)

    def get(self, galaxies: int, way: str, subset: str) -> dict[str, float]:
        rows = (row for row in self.rows if (row["galaxies"], row["way"]) == (galaxies, way))
        return next(rows)["flux_mape"][subset]

    @property
    def ways(self) -> list[str]:
        """All but that of the source as it is."""
        return list(dict.fromkeys(row["way"] for row in self.rows if row["way"] != AS_IT_IS))


def survey_of(settings: dict[str, Any]) -> dict[str, Any]:
    return load_survey(settings["target"], ROOT / "config" / "surveys").physics()


def make_galaxies(settings: dict[str, Any], out: Path) -> dict[str, Path]:
    """Draw enough galaxies for the largest training; those that are there already are kept."""
    folder = out / "galaxies"
    files = {"stamps": folder / "stamps.h5", "truth": folder / "truth.parquet"}
    if files["truth"].is_file():
        return files
    count = int(1.6 * max(settings["galaxies"])) + 100
    population = ParametricPopulation(kind="parametric", n_galaxies=count, **settings["population"])
    params = {
        "seed": settings["seed"],
        "survey": survey_of(settings),
        "population": population.recipe_params(),
        "split": SplitConfig(**SPLIT).recipe_params(),
    }
    recipe = Recipe("simulate", "galaxies", params).to_dict()
    shards = list(shard_files(folder, count))
    for start, stop, *paths in shards:
        simulate_shard(recipe, start, stop, *paths)
    simulate_population(recipe, [one[2] for one in shards], [one[3] for one in shards], *files.values())
    return files


def make_blends(settings: dict[str, Any], galaxies: dict[str, Path], out: Path) -> dict[str, Path]:
    """Make the test blends; those that are there already are kept."""
    folder, blend = out / "blends", BlendConfig(population="galaxies", **BLEND)
    files = {"stamps": folder / "stamps.h5", "truth": folder / "truth.parquet"}
    if files["truth"].is_file():
        return files
    params = {"seed": settings["seed"], "survey": survey_of(settings), "blend": blend.composition()}
    params |= {"side": "test", "n": settings["test"]}
    recipe = Recipe("blend", "test", params).to_dict()
    shards = list(shard_files(folder, settings["test"]))
    for start, stop, *paths in shards:
        blend_shard(recipe, *galaxies.values(), start, stop, *paths)
    blend_set(recipe, [one[2] for one in shards], [one[3] for one in shards], *files.values())
    return files


def shard_files(folder: Path, count: int) -> Iterator[tuple[int, int, Path, Path]]:
    for start in range(0, count, SHARD):
        yield start, min(start + SHARD, count), folder / f"{start}.h5", folder / f"{start}.parquet"


def few_galaxies(truth: Path, count: int, path: Path) -> Path:
    """Write the catalogue of the first `count` galaxies to train on and a fifth as many to validate on."""
    galaxies = Catalogue.read(truth, "galaxies")
    wanted = {"train": count, "validation": max(count // 5, LEAST_VALIDATION)}
    rows = []
    for side, number in wanted.items():
        usable = np.flatnonzero((galaxies["side"] == side) & ((galaxies["flags"] & Flag.FAILED) == 0))
        if len(usable) < number:
            sys.exit(f"{truth}: {len(usable)} galaxies of side {side}, {number} are needed")
        rows.append(usable[:number])
    galaxies.select(np.sort(np.concatenate(rows))).write(path)
    return path


def train(
    settings: dict[str, Any],
    galaxies: dict[str, Path],
    count: int,
    start: dict[str, Any] | None,
    folder: Path,
) -> Path:
    """Train a network like the source on `count` galaxies and return its folder."""
    source = ROOT / "models" / settings["source"] / CARD
    card = read_card(source)
    model = ModelConfig.model_validate(
        {
            "network": card.network.model_dump(),
            "task": card.task.model_dump(),
            "training": TRAINING | {"max_epochs": settings["epochs"]},
            "start": start,
        }
    )
    blend = BlendConfig(population="galaxies", **BLEND).composition()
    blend |= {"n_train": settings["blends"] // settings["epochs"], "n_validation": settings["validation"]}
    params = {
        "seed": settings["seed"],
        "survey": survey_of(settings),
        "population": {"galaxies": count},
        "blend": blend,
        "model": model.recipe_params(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    train_model(
        Recipe("train", folder.name, params).to_dict(),
        galaxies["stamps"],
        few_galaxies(galaxies["truth"], count, folder / "galaxies.parquet"),
        folder,
        start=None if start is None else source,
        execution={"threads": settings["threads"], "cache_limit_gb": 4.0, "progress": "off"},
    )
    return folder


def measure(
    settings: dict[str, Any], model: Path, blends: dict[str, Path], folder: Path
) -> dict[str, dict[str, float]]:
    """Return the flux MAPE of the test blends in percent, with 95 % intervals; blends are drawn whole.

    A galaxy that a network gives no finite flux for is left out; ``n`` of ``all`` are measured.
    """
    found = folder / "catalogue.parquet"
    recipe = Recipe("evaluate", "test_blends", {"survey": survey_of(settings)}).to_dict()
    evaluate_model(recipe, model, *blends.values(), found)
    measured, truth = Catalogue.read(found, "measurement"), Catalogue.read(blends["truth"], "blends")
    figures = {}
    for subset, members in {"all": truth["mag"] < np.inf, "bright": truth["mag"] < BRIGHT_MAG}.items():
        rows = members & np.isfinite(measured["flux"])
        mape = partial(flux_mape, measured["flux"][rows], truth["flux"][rows])
        generator = rng(settings["seed"], "benchmark", "transfer", subset)
        low, high = bootstrap_intervals({"mape": mape}, truth["stamp_id"][rows], generator)["mape"]
        counts = {"n": int(rows.sum()), "all": int(members.sum())}
        figures[subset] = {"value": float(mape()), "low": low, "high": high, **counts}
    return figures


def text(figure: dict[str, float]) -> str:
    failed = figure["all"] - figure["n"]
    return "{value:.1f} [{low:.1f}, {high:.1f}]".format(**figure) + (f", {failed} failed" if failed else "")


def table(results: Results) -> str:
    """Return the figures as Markdown."""
    lines = []
    for subset, words in SUBSETS.items():
        first = results.get(0, AS_IT_IS, subset)
        lines += [
            f"Flux MAPE in percent, {words} (n = {first['all']}); the source as it is: {text(first)}",
            "",
        ]
        lines += [f"| galaxies | {' | '.join(results.ways)} |", "|---|" + "---|" * len(results.ways)]
        for count in results.settings["galaxies"]:
            row = [text(results.get(count, way, subset)) for way in results.ways]
            lines.append(f"| {count} | {' | '.join(row)} |")
        lines.append("")
    return "\n".join(lines)


def draw(results: Results, path: Path) -> None:
    """Draw the error against the number of galaxies."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    counts = results.settings["galaxies"]
    for panel, (subset, words) in zip(figure.subplots(1, 2), SUBSETS.items(), strict=True):
        for number, way in enumerate(results.ways):
            found = [results.get(count, way, subset) for count in counts]
            value, low, high = (np.array([one[key] for one in found]) for key in ("value", "low", "high"))
            # A little beside each other, so that intervals can be told apart.
            places = np.array(counts) * 1.04 ** (number - (len(results.ways) - 1) / 2)
            panel.errorbar(places, value, [value - low, high - value], marker="o", capsize=3, label=way)
        as_it_is = results.get(0, AS_IT_IS, subset)["value"]
        panel.axhline(as_it_is, color="0.5", linestyle=":", label=f"the source {AS_IT_IS}")
        panel.set(
            xscale="log", yscale="log", xlabel="galaxies to train on", ylabel="flux MAPE (%)", title=words
        )
        panel.set_xticks(counts, [str(count) for count in counts])
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.yaxis.set_major_formatter(ScalarFormatter())
        panel.yaxis.set_minor_formatter(ScalarFormatter())
    # Beside the panels, where no curve can lie under it.
    figure.legend(*panel.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(path, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    sys.exit(main())
