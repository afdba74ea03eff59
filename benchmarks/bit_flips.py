"""Whether a flipped bit is noticed before it is used: one in a random file of a random artifact, then the next stage.

    PYTHONPATH=src python benchmarks/bit_flips.py 100 [--folder /tmp/flips] [--seed 1]

The tiny configuration of the tests is run once (`--folder` keeps it for the next time). Then, again and again, one bit
of one file of one artifact (or of the run's own folder) is turned over where it lies, its time of change as before,
and the library function of a stage that reads it is called. It is noticed if that ends with an error of skymill's
before anything is written, and named if the error names the file. Prints a row for each stage whose file was damaged;
the exit status is 1 if one flip was missed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from skymill.blend.shard import blend_shard
from skymill.bound.shard import bound_shard
from skymill.catalog.release import release
from skymill.compare.compare import compare_run
from skymill.compare.inject import inject_tile
from skymill.detectors.baseline import baseline_blends, baseline_tile
from skymill.detectors.deblend import deblend_blends
from skymill.detectors.evaluate import evaluate_model
from skymill.detectors.infer import infer_tile
from skymill.errors import SkymillError
from skymill.ingest.ingest import ingest_tile
from skymill.ingest.reference import read_reference
from skymill.provenance.artifacts import Artifact, list_artifacts
from skymill.provenance.record import FILENAME, product_files
from skymill.provenance.sums import folder_files
from skymill.report.report import report
from skymill.training.train import train_model

ROOT = Path(__file__).resolve().parents[1]
TINY = ROOT / "tests" / "workflow" / "tiny.yaml"
FACE = "the run's folder"
Call = Callable[[Path], Any]


def make_run(folder: Path) -> None:
    """Run the tiny configuration to its end, with the truth of its sky as a tile's reference catalogue."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(yaml.safe_load(TINY.read_text())))
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--quiet", "all"]
    where = ["--snakefile", ROOT / "Snakefile", "--directory", folder, "--configfile", folder / "config.yaml"]
    subprocess.run([*map(str, [*command, *where])], cwd=folder, check=True)


def readers(artifacts: list[Artifact], parent: Artifact) -> list[tuple[str, Call]]:
    """Return the stages that read an artifact and how each is called, with a folder to write to."""
    found = []
    for child in artifacts:
        files = {role: Path(entry["path"]) for role, entry in child.record["inputs"].items()}
        if any(parent.folder in path.resolve().parents for path in files.values()):
            found.append((child.stage, call_of(child, files)))
    if parent.stage == "simulate":
        (blend,) = (one for one in artifacts if one.stage == "blend")
        files = (parent.folder / "stamps.h5", parent.folder / "truth.parquet")
        found.append(
            (
                "blend",
                lambda out: blend_shard(blend.record, *files, 0, 6, out / "stamps.h5", out / "truth.parquet"),
            )
        )
    if parent.stage == "blend":
        (bound,) = (one for one in artifacts if one.stage == "bound")
        galaxies = next(one for one in artifacts if one.stage == "simulate").folder / "truth.parquet"
        truth = parent.folder / "truth.parquet"
        found.append(
            ("bound", lambda out: bound_shard(bound.record, truth, galaxies, 0, 6, out / "bounds.parquet"))
        )
    return found or [("report", lambda out: call_report(artifacts, out))]


def call_of(child: Artifact, files: Mapping[str, Path]) -> Call:
    """Return the call of the stage that made an artifact, on the same files."""
    recipe, catalogue = child.record, "catalogue.parquet"

    def model() -> Path:
        return files["weights"].parent

    def pair() -> tuple[Path, Path]:
        return files["stamps"], files["truth"]

    def baseline(out: Path) -> None:
        if "tile" in files:
            baseline_tile(recipe, files["tile"], out / catalogue)
        else:
            baseline_blends(recipe, *pair(), out / catalogue)

    def compare(out: Path) -> None:
        measured = [
            role.rpartition(".") for role in files if not role.endswith((".truth", ".bounds", ".images"))
        ]
        inputs = [
            {
                "dataset": sample,
                "detector": detector,
                "catalogue": files[f"{sample}.{detector}"],
                "truth": files[f"{sample}.truth"],
                "bounds": files.get(f"{sample}.bounds", ""),
                "images": files.get(f"{sample}.{detector}.images", ""),
            }
            for sample, _, detector in measured
        ]
        compare_run(recipe, inputs, out / "metrics.json", out / "matched.parquet")

    calls: dict[str, Call] = {
        "train": lambda out: train_model(recipe, *pair(), out),
        "evaluate": lambda out: evaluate_model(recipe, model(), *pair(), out / catalogue),
        "deblend": lambda out: deblend_blends(recipe, model(), *pair(), out / "d.h5", out / "q.parquet"),
        "ingest": lambda out: ingest_tile(recipe, files["image"], None, None, out / "tile.fits"),
        "reference": lambda out: read_reference(recipe, files["source"], files["tile"], out / "s.parquet"),
        "infer": lambda out: infer_tile(recipe, files["tile"], model(), out / catalogue),
        "inject": lambda out: inject_tile(
            recipe, files["tile"], *pair(), out / "tile.fits", out / "truth.parquet"
        ),
        "baseline": baseline,
        "compare": compare,
    }
    return calls[child.stage]


def call_report(artifacts: list[Artifact], out: Path) -> None:
    """Make the page of all artifacts."""
    listed = [{**vars(one), "folder": str(one.folder)} for one in artifacts]
    (compared,) = (one.folder for one in artifacts if one.stage == "compare")
    files = compared / "metrics.json", compared / "matched.parquet"
    report({"run": "tiny"}, listed, *files, (), out / "report.html")


@contextmanager
def flipped(path: Path, random: np.random.Generator) -> Iterator[int]:
    """Turn one bit of a file over where it lies, and back; its time of change stays."""
    whole, status = path.read_bytes(), path.stat()
    bit = int(random.integers(8 * len(whole)))
    content = bytearray(whole)
    content[bit // 8] ^= 1 << bit % 8
    try:
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        yield bit
    finally:
        path.write_bytes(whole)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def outcome(call: Call, name: str) -> str:
    """Call a stage on damaged files: ``named``, ``noticed`` (by another name) or what it did instead."""
    with tempfile.TemporaryDirectory() as out:
        try:
            call(Path(out))
        except SkymillError as error:
            left = [path for path in Path(out).rglob("*") if path.is_file()]
            return "named" if name in str(error) and not left else f"noticed: {error}"
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no line that names a file
            return f"{type(error).__name__}: {error}"
    return "went on"


def drill(folder: Path, random: np.random.Generator) -> tuple[str, str, str, str]:
    """Damage one file; returns the stage that made it, the one that reads it, the file and what happened."""
    artifacts = [one for one in list_artifacts(folder / "results") if one.record is not None]
    face = folder / "results" / "tiny"
    number = int(random.integers(len(artifacts) + 1))
    if number == len(artifacts):
        parent, below, names = FACE, face, [name for name in folder_files(face) if "/" not in name]
        choices = [("release", lambda out: release("one", "tiny", folder / "results", out))]
    else:
        parent, below = artifacts[number].stage, artifacts[number].folder
        names, choices = [*product_files(below), FILENAME], readers(artifacts, artifacts[number])
    name = names[int(random.integers(len(names)))]
    reader, call = choices[int(random.integers(len(choices)))]
    with flipped(below / name, random) as bit:
        return parent, reader, f"{name}, bit {bit}", outcome(call, Path(name).name)


def main() -> int:
    """Damage N files and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("number", nargs="?", type=int, default=100, metavar="N")
    parser.add_argument("--folder", type=Path, help="run to damage; it is made where it is not there")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (options.folder or Path(scratch)).resolve()
        make_run(folder)
        os.chdir(folder)
        random = np.random.default_rng(options.seed)
        drills = [drill(folder, random) for _ in range(options.number)]
    rows = Counter((parent, reader, result == "named") for parent, reader, _, result in drills)
    print("| damaged | read by | noticed and named |\n|---|---|---|")
    for parent, reader in sorted({key[:2] for key in rows}):
        good = rows[parent, reader, True]
        print(f"| {parent} | {reader} | {good} of {good + rows[parent, reader, False]} |")
    missed = [one for one in drills if one[-1] != "named"]
    print(f"\n{options.number - len(missed)} of {options.number}")
    for parent, reader, where, result in missed:
        print(f"missed: {parent}/{where}, read by {reader}: {result}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
