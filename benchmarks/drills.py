"""What a run on Slurm loses when something fails: seven accidents on a real one-node cluster, and a run without.

    PYTHONPATH=src python benchmarks/drills.py --folder /tmp/drills [--only killed vanished]

Needs what scripts/one_node_slurm.py needs. Each drill runs `simulate` and `ingest` of a tiny configuration (two shards
of galaxies and two tiles: four Slurm jobs) in a folder of its own through profiles/slurm. It prints one row a drill:
what Slurm says of the jobs, how many were started beyond the four, what time was lost in jobs that did not complete,
and whether the files are those of an undisturbed run on this machine's cores, with nothing half-written beside them.
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
        for name in ("sky", "sea"):
            fits.writeto(self.folder / f"{name}.fits", rng.normal(0, 0.01, (200, 200)).astype(np.float32))
            # The time of an image is part of its version; that of the undisturbed run has to be the same.
            os.utime(self.folder / f"{name}.fits", (1_700_000_000, 1_700_000_000))
        rows = ["tile_id\tsurvey\timage", "sky\thst_f160w\tsky.fits", "sea\thst_f160w\tsea.fits"]
        (self.folder / "tiles.tsv").write_text("\n".join(rows) + "\n")
        config = {**yaml.safe_load(TINY.read_text()), "tiles": "tiles.tsv", "fields": {}, "inject": None}
        config["populations"]["galaxies"]["shard_size"] = 20
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

    def running(self, rule: str) -> str:
        """Return the number of a running job of a rule, once there is one whose script has begun."""
        pattern = "--format=%i|%T|%Z|%k"
        for _ in every(0.5):
            listed = subprocess.run(["squeue", "--noheader", pattern], capture_output=True, text=True).stdout
            for number, state, folder, comment in (line.split("|") for line in listed.splitlines()):
                mine = folder == str(self.folder) and comment.startswith(f"rule_{rule}")
                if mine and state == "RUNNING" and len(processes(number)) > 3:
                    return number
        raise AssertionError

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
        if "ingest: tile sea" in drill.printed():
            break
    (drill.folder / "sea.fits").rename(drill.folder / "gone.fits")
    drill.notes.append(f"exit {run.wait()}, {said(drill, 'sea.fits')}")
    there = [
        name
        for name in ("sky", "sea")
        if list(drill.folder.glob(f"results/artifacts/ingest/{name}/*/tile.fits"))
    ]
    drill.notes.append(f"tiles then: {' '.join(there)}")
    (drill.folder / "gone.fits").rename(drill.folder / "sea.fits")
    drill.notes.append(f"again: exit {drill.finish()}")


def twice(drill: Drill) -> None:
    """A second run is started in the folder of a first."""
    run = drill.start()
    drill.running("simulate_shard")
    second = drill.finish()
    drill.notes.append(f"second: exit {second}, {said(drill, 'LockException')}")
    drill.notes.append(f"first: exit {run.wait()}")


def said(drill: Drill, word: str) -> str:
    """Whether the run that was started last names something."""
    return f"names {word}" if word in drill.printed() else f"does not name {word}"


DRILLS: dict[str, Callable[[Drill], None]] = {
    each.__name__: each for each in (cancelled, memory, time_limit, interrupted, killed, vanished, twice)
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
            DRILLS[name](drill)
            print(row(name, drill, expected, time.monotonic() - begin), flush=True)
    finally:
        subprocess.run([*slurm, "stop", str(cluster)], check=True)
        shutil.rmtree(cluster / "state", ignore_errors=True)


if __name__ == "__main__":
    main()
