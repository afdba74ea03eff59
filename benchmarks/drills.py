"""What a run on Slurm loses when something fails: eleven accidents on a real one-node cluster, and a run without.

    PYTHONPATH=src python benchmarks/drills.py --folder /tmp/drills [--only killed vanished]

Needs what scripts/one_node_slurm.py needs. Each drill runs `simulate` and `ingest` of a tiny configuration (two shards
of galaxies and two chunks of two tiles: four Slurm jobs) in a folder of its own through profiles/slurm. It prints one
row a drill: what Slurm says of the jobs, how many were started beyond the four, what time was lost in jobs that did not
complete, and whether the files are those of an undisturbed run on this machine's cores, with nothing half-written
beside them. The disk that fills up is one of 16 MB in memory (tmpfs).
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import yaml
from astropy.io import fits

from skymill.data.stamps import StampSet

ROOT = Path(__file__).resolve().parents[1]
JOBS = 4
HEADER = ["drill", "what happened", "Slurm's jobs", "memory asked", "more jobs", "lost", "same files"]
HEADER += ["left over / locks", "took"]
TINY = ROOT / "tests" / "workflow" / "tiny.yaml"
SIDES_PX = {"sky": 200, "sea": 2000, "sun": 200, "moon": 200}
"""Tiles, two in a chunk; the second one takes long enough to be hit."""
DISK_MB = 16


@dataclass
class Drill:
    """One folder in which the workflow is run and disturbed."""

    folder: Path
    cluster: Path
    notes: list[str] = field(default_factory=list)

    def prepare(self) -> None:
        """Write configuration and tiles."""
        self.folder.mkdir(parents=True)
        rng = np.random.default_rng(0)
        for name, side in SIDES_PX.items():
            fits.writeto(self.folder / f"{name}.fits", rng.normal(0, 0.01, (side, side)).astype(np.float32))
            # The time of an image is part of its version; that of the undisturbed run has to be the same.
            os.utime(self.folder / f"{name}.fits", (1_700_000_000, 1_700_000_000))
        rows = ["tile_id\tsurvey\timage", *(f"{name}\thst_f160w\t{name}.fits" for name in SIDES_PX)]
        (self.folder / "tiles.tsv").write_text("\n".join(rows) + "\n")
        config = {**yaml.safe_load(TINY.read_text()), "tiles": "tiles.tsv", "fields": {}, "inject": None}
        config["populations"]["galaxies"]["shard_size"], config["tiles_per_job"] = 20, 2
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config))

    def start(self, *more: str, on_slurm: bool = True) -> subprocess.Popen:
        """Start Snakemake; what it prints is kept in `printed-*.txt`."""
        profile = ["--profile", str(ROOT / "profiles/slurm"), "--latency-wait", "5"]
        profile += ["--slurm-init-seconds-before-status-checks", "1"]
        where = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(self.folder)]
        where += ["--configfile", str(self.folder / "config.yaml"), *more]
        how = profile if on_slurm else ["--cores", "2"]
        printed = self.folder / f"printed-{len(list(self.folder.glob('printed-*')))}.txt"
        with printed.open("w") as file:
            return subprocess.Popen(
                [sys.executable, "-m", "snakemake", "simulate", "ingest", *how, *where],
                cwd=self.folder, stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def finish(self, *more: str, on_slurm: bool = True) -> int:
        """Run Snakemake to its end; return its exit status."""
        return self.start(*more, on_slurm=on_slurm).wait()

    def printed(self) -> str:
        """Return what Snakemake printed last."""
        return max(self.folder.glob("printed-*")).read_text()

    def running(self, rule: str, which: str = "") -> str:
        """Return the number of a running job of a rule, once there is one whose script has begun."""
        for _ in every(0.5):
            for number, state, comment in self.jobs():
                mine = comment.startswith(f"rule_{rule}") and which in comment
                if mine and state == "RUNNING" and len(processes(number)) > 3:
                    return number
        raise AssertionError

    def jobs(self) -> list[list[str]]:
        """Return number, state and comment of this folder's jobs that Slurm has not ended."""
        asked = ["squeue", "--noheader", "--format=%Z|%i|%T|%k"]
        listed = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        jobs = [line.split("|") for line in listed.splitlines()]
        return [job for folder, *job in jobs if folder == str(self.folder)]

    def states(self) -> list[str]:
        """Return the states of these jobs."""
        return [state for _, state, _ in self.jobs()]

    def ended(self) -> list[dict[str, str]]:
        """Return what Slurm has noted about this folder's jobs that have ended."""
        lines = (self.cluster / "finished-jobs.txt").read_text().splitlines()
        jobs = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines]
        return [job for job in jobs if job["WorkDir"] == str(self.folder)]


def every(seconds: float, patience_s: float = 600) -> Iterator[None]:
    """Yield again and again; end with an error when patience ends."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        yield
        time.sleep(seconds)
    raise TimeoutError("what the drill waits for did not happen")


def processes(number: str) -> list[int]:
    """Process numbers of a job on this machine."""
    listed = subprocess.run(["scontrol", "listpids", number], capture_output=True, text=True).stdout
    return [int(line.split()[0]) for line in listed.splitlines()[1:] if line.split()[0].isdigit()]


def cancelled(drill: Drill) -> None:
    """A job is ended by scancel."""
    run = drill.start()
    subprocess.run(["scancel", drill.running("simulate_shard")], check=True)
    drill.notes.append(f"exit {run.wait()}")


def memory(drill: Drill) -> None:
    """Jobs get 100 MB at their first attempt, less than Snakemake needs."""
    asked = "simulate_shard:mem_mb=100 if attempt == 1 else 1500"
    drill.notes.append(f"exit {drill.finish('--set-resources', asked)}")


def time_limit(drill: Drill) -> None:
    """A job hangs until its limit of one minute; the next attempt has two."""
    run = drill.start("--set-resources", "simulate_shard:runtime=attempt")
    for process in processes(drill.running("simulate_shard")):
        os.kill(process, signal.SIGSTOP)
    drill.notes.append(f"exit {run.wait()}")


def interrupted(drill: Drill) -> None:
    """Ctrl-C while jobs run; the run is started again."""
    run = drill.start()
    drill.running("simulate_shard")
    run.send_signal(signal.SIGINT)
    drill.notes.append(f"exit {run.wait()}")
    drill.notes.append(f"again: exit {drill.finish()}")


def killed(drill: Drill) -> None:
    """Snakemake is killed while jobs run; skymill cancel; the run is started again."""
    run = drill.start()
    drill.running("simulate_shard")
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    drill.notes.append(f"start without cancel: exit {drill.finish()}, {said(drill, 'LockException')}")
    command = [sys.executable, "-m", "skymill.cli", "cancel"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=drill.folder, env=environment, capture_output=True, text=True)
    drill.notes.append(done.stdout.splitlines()[-1] if done.stdout else done.stderr)
    drill.notes.append(f"again: exit {drill.finish()}")


def vanished(drill: Drill) -> None:
    """A tile's file is gone when its job begins; it comes back and the run is started again."""
    run = drill.start()
    for _ in every(0.02):
        if "ingest: tiles 0-2" in drill.printed():
            break
    (drill.folder / "sea.fits").rename(drill.folder / "gone.fits")
    drill.notes.append(f"exit {run.wait()}, {said(drill, 'sea.fits')}")
    drill.notes.append(f"tiles then: {' '.join(name for name in SIDES_PX if tile(drill, name))}")
    (drill.folder / "gone.fits").rename(drill.folder / "sea.fits")
    drill.notes.append(f"again: exit {drill.finish()}")


def twice(drill: Drill) -> None:
    """A second run is started in the folder of a first."""
    run = drill.start()
    drill.running("simulate_shard")
    second = drill.finish()
    drill.notes.append(f"second: exit {second}, {said(drill, 'LockException')}")
    drill.notes.append(f"first: exit {run.wait()}")


def chunk_cancelled(drill: Drill) -> None:
    """A chunk is ended by scancel between its first tile and its second."""
    run = drill.start()
    number = drill.running("ingest_chunk", "0-2")
    for _ in every(0.02):
        if tile(drill, "sky"):
            break
    made = tile(drill, "sky")[0].stat().st_mtime_ns
    subprocess.run(["scancel", number], check=True)
    drill.notes.append(f"second tile then: {'there' if tile(drill, 'sea') else 'not there'}")
    drill.notes.append(f"exit {run.wait()}")
    kept = made == tile(drill, "sky")[0].stat().st_mtime_ns
    drill.notes.append(f"first tile {'kept' if kept else 'MADE AGAIN'}")


def disk_full(drill: Drill) -> None:
    """The disk of the products is full while jobs run; then there is room and the run is started again."""
    products = drill.folder / "results"
    products.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(products)], check=True)
    run = drill.start()
    drill.running("ingest_chunk", "0-2")
    ballast = products / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    drill.notes.append(f"exit {run.wait()}, {said(drill, 'No space left on device')}")
    ballast.unlink()
    subprocess.run(["mount", "-o", f"remount,size={8 * DISK_MB}m", str(products)], check=True)
    drill.notes.append(f"again: exit {drill.finish()}")


def drained(drill: Drill) -> None:
    """The node is drained before the jobs start, and resumed when all wait."""
    node("DRAIN")
    run = drill.start()
    for _ in every(0.5):
        if len(drill.states()) == JOBS:
            break
    drill.notes.append(f"jobs then: {' '.join(sorted(set(drill.states())))}")
    node("RESUME")
    drill.notes.append(f"exit {run.wait()}")


def node_down(drill: Drill) -> None:
    """The node goes down while jobs run, and is back when it next reports (Slurm's `ReturnToService=2`)."""
    run = drill.start()
    drill.running("simulate_shard")
    node("DOWN")
    for _ in every(0.5):
        if set(drill.states()) == {"PENDING"}:
            break
    drill.notes.append(f"exit {run.wait()}")


def node(state: str) -> None:
    """Set the state of the cluster's node."""
    name = subprocess.run(["sinfo", "--noheader", "--format=%n"], capture_output=True, text=True, check=True)
    update = [f"NodeName={name.stdout.split()[0]}", f"State={state}", "Reason=drill"]
    subprocess.run(["scontrol", "update", *update], check=True)


def tile(drill: Drill, name: str) -> list[Path]:
    """Return the ingested tile, if it is there."""
    return list(drill.folder.glob(f"results/artifacts/ingest/{name}/*/tile.fits"))


def said(drill: Drill, word: str) -> str:
    """Whether the run that was started last names something."""
    return f"names {word}" if word in drill.printed() else f"does not name {word}"


DRILLS: dict[str, Callable[[Drill], None]] = {
    each.__name__: each
    for each in (
        *(cancelled, chunk_cancelled, memory, time_limit, interrupted, killed),
        *(vanished, twice, disk_full, drained, node_down),
    )
}


def files(folder: Path) -> dict[str, object]:
    """Products by path: bytes of tables and images, arrays of stamps (HDF5 keeps times)."""
    found: dict[str, object] = {}
    artifacts = folder / "results" / "artifacts"
    for path in sorted(artifacts.rglob("*")):
        name = str(path.relative_to(artifacts))
        if path.suffix in (".parquet", ".fits"):
            found[name] = path.read_bytes()
        elif path.name == "stamps.h5":
            with StampSet.open(path) as stamps:
                found[name] = {layer: stamps.read(layer, slice(None)).tobytes() for layer in stamps.layers}
        elif path.is_file():
            found[name] = None
    return found


def row(name: str, drill: Drill, expected: dict[str, object], seconds: float) -> str:
    """Return a row of the table."""
    jobs = drill.ended()
    states = Counter(job["JobState"].lower() for job in jobs)
    lost = [job for job in jobs if job["JobState"] != "COMPLETED"]
    lost_s = sum((at(job["EndTime"]) - at(job["StartTime"])).total_seconds() for job in lost)
    found = files(drill.folder)
    partial = [path for path in drill.folder.rglob("*") if path.name.startswith(".partial-")]
    locks = list((drill.folder / ".snakemake" / "locks").glob("*"))
    memory_mb = sorted({job["Tres"].partition("mem=")[2].partition(",")[0] for job in jobs})
    cells = [
        name,
        "; ".join(drill.notes),
        ", ".join(f"{count} {state}" for state, count in sorted(states.items())),
        " ".join(memory_mb),
        f"{len(jobs) - JOBS}",
        f"{lost_s:.0f} s",
        "yes" if found == expected else f"NO: {sorted(found.keys() ^ expected.keys()) or 'other bytes'}",
        f"{len(partial)} / {len(locks)}",
        f"{seconds:.0f} s",
    ]
    return f"| {' | '.join(cells)} |"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="for the runs; must be new")
    parser.add_argument("--only", nargs="+", choices=list(DRILLS), default=list(DRILLS))
    options = parser.parse_args(arguments)
    # A shell that starts this in the background has it ignore Ctrl-C, and what it starts would, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = options.folder.absolute()
    if folder.exists():
        raise SystemExit(f"{folder} is there already")
    slurm = [sys.executable, str(ROOT / "scripts" / "one_node_slurm.py")]
    cluster = folder / "cluster"
    subprocess.run([*slurm, "start", str(cluster)], check=True)
    try:
        undisturbed = Drill(folder / "undisturbed", cluster)
        undisturbed.prepare()
        if undisturbed.finish(on_slurm=False):
            raise SystemExit(undisturbed.printed())
        expected = files(undisturbed.folder)
        print(f"| {' | '.join(HEADER)} |")
        print("|---" * len(HEADER) + "|")
        for name in options.only:
            drill = Drill(folder / name, cluster)
            drill.prepare()
            begin = time.monotonic()
            try:
                DRILLS[name](drill)
                print(row(name, drill, expected, time.monotonic() - begin), flush=True)
            finally:
                if (drill.folder / "results").is_mount():
                    subprocess.run(["umount", str(drill.folder / "results")], check=True)
    finally:
        subprocess.run([*slurm, "stop", str(cluster)], check=True)
        shutil.rmtree(cluster / "state", ignore_errors=True)


if __name__ == "__main__":
    main()
