"""What becomes of thousands of spoiled files: valid, refused in one line, or a fault of skymill.

    PYTHONPATH=src python benchmarks/fuzz.py N [--targets image card …] [--first 0]

N faults of each kind of file (tests/fuzz/targets.py), in worker processes: one that dies or takes more than 20 s for a
file is counted, and the next goes on behind that file. Prints a table and each failure with its number; ends with 1 if
there is one.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

FUZZ = str(Path(__file__).resolve().parents[1] / "tests/fuzz")
LONGEST_S, START_S = 20.0, 120.0
KINDS = ("valid", "refused", "long", "error", "different", "crash", "hang")
"""The first two are right."""


def work(name: str, first: int, last: int, folder: str, out: Connection) -> None:
    """Say "ready", then the outcome of each fault."""
    sys.path.insert(0, FUZZ)
    logging.disable(logging.CRITICAL)
    from targets import outcome

    out.send("ready")
    for seed in range(first, last):
        out.send(outcome(name, seed, Path(folder)))


def outcomes(name: str, first: int, last: int) -> Iterator[tuple[int, str]]:
    """Give number and outcome of each fault, with a new worker after one that crashed or hung."""
    context = get_context("spawn")
    while first < last:
        with tempfile.TemporaryDirectory() as folder:
            receiver, sender = context.Pipe(duplex=False)
            worker = context.Process(target=work, args=(name, first, last, folder, sender))
            worker.start()
            sender.close()
            if not (receiver.poll(START_S) and receiver.recv() == "ready"):
                worker.kill()
                raise RuntimeError(f"the worker for {name} did not start")
            while first < last:
                found = _next(receiver)
                yield first, found
                first += 1
                if found.startswith(("crash", "hang")):
                    break
            worker.kill()
            worker.join()


def _next(receiver: Connection) -> str:
    if not receiver.poll(LONGEST_S):
        return f"hang: no outcome within {LONGEST_S:.0f} s"
    try:
        return receiver.recv()
    except EOFError:
        return "crash: the process died"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("n", type=int, metavar="N", help="faults of each kind of file")
    parser.add_argument("--targets", nargs="+", metavar="NAME", help="only these kinds")
    parser.add_argument("--first", type=int, default=0, metavar="NUMBER", help="number of the first fault")
    options = parser.parse_args(arguments)
    sys.path.insert(0, FUZZ)
    from targets import TARGETS

    print("| file | " + " | ".join(KINDS) + " |\n|---|" + "---|" * len(KINDS), flush=True)
    failures = []
    for name in options.targets or TARGETS:
        counts: Counter[str] = Counter()
        for seed, found in outcomes(name, options.first, options.first + options.n):
            kind = found.partition(":")[0]
            counts[kind] += 1
            if kind not in KINDS[:2]:
                failures.append(f"{name} {seed}: {found}")
        print(f"| {name} | " + " | ".join(str(counts[kind]) for kind in KINDS) + " |", flush=True)
    print(*failures, sep="\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
